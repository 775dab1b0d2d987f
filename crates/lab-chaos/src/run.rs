//! One run: a sale, its faults, the healing, the probe, the judge.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use flash_core::Sku;
use flash_lab_crowd::{Progress, Strategy, create_sku};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::books;
use crate::buyers::{HEALED_PATIENCE, Sale, restock, shop};
use crate::evidence::{Evidence, Promise};
use crate::gates::Gates;
use crate::journal::Journal;
use crate::judge::judge;
use crate::probe;
use crate::result::Run;
use crate::saboteur::{self, Happened};
use crate::schedule::{Plan, SALE_MS};
use crate::world::{GATE_LIFETIME, Recipe, World};

/// Between the last answer and the probe: gates and latches come right by themselves.
const REST: Duration = Duration::from_secs(2);

/// How often the progress is told.
const LOOK: Duration = Duration::from_millis(250);

/// Carries out a plan.
///
/// # Errors
///
/// What keeps the stores or the servers from running.
pub(crate) async fn carry_out(
    recipe: Recipe,
    plan: Plan,
    progress: &Progress,
) -> anyhow::Result<Run> {
    let began = Instant::now();
    let seller = recipe.seller.clone();
    let is_hybrid = seller.is(Strategy::Hybrid);
    let world = Arc::new(World::start(recipe).await?);
    for planned in &plan.skus {
        let sku = Sku::new(&*planned.sku)?;
        let units = u32::try_from(planned.units)?;
        let limit = planned.limit.map(u32::try_from).transpose()?;
        create_sku(world.addresses[0], &sku, units, limit).await?;
    }
    let plan = Arc::new(plan);
    let sale = Arc::new(Sale {
        addresses: world.addresses,
        skus: plan.skus.clone(),
        journal: Journal::begin(),
        deadline: watch::Sender::new(None),
        has_cancels: seller.strategy().is_some(),
    });

    let mut gates = Gates::new(&world, &plan.skus);
    let selling = async {
        let faults = sell(&world, &sale, &plan, progress).await?;
        tokio::time::sleep(REST).await;
        anyhow::Ok(faults)
    };
    let faults = tokio::select! {
        faults = selling => faults?,
        () = gates.watch(), if is_hybrid => bail!("nobody sells"),
    };
    let mut conn = flash_db::connect(&world.database_url).await?;
    let began_us = sale.journal.began_unix_us();
    let mut read =
        async || books::read(&mut conn, &plan.skus, seller.name(), began_us).await;
    let mut probes = Vec::new();
    let lifetime = if is_hybrid {
        GATE_LIFETIME
    } else {
        Duration::ZERO
    };
    for (planned, audit) in plan.skus.iter().zip(read().await?.audits) {
        let left_units = audit.available_units;
        probes.push(probe::buy_all(&sale, planned, left_units, lifetime).await);
    }
    let evidence = Evidence {
        skus: plan.skus.clone(),
        entries: sale.journal.entries(),
        books: read().await?,
        probes,
        promise: Promise::of(&seller, GATE_LIFETIME),
        emptied_us: emptied(&faults),
    };
    let violations = judge(&evidence);
    let mut run = Run::of(&plan, &evidence, faults, violations, began.elapsed());
    if is_hybrid {
        let stranded_units = gates.stranded_units(&evidence.entries, &evidence.books);
        run.stranded_units = Some(stranded_units);
    }
    Ok(run)
}

/// When gates were set to nothing.
fn emptied(faults: &[Happened]) -> Vec<(i64, i64)> {
    faults
        .iter()
        .filter(|it| it.empties_gates)
        .map(|it| (it.from_us, it.to_us))
        .collect()
}

/// The sale with its faults, until everything is healed and everybody has an answer.
async fn sell(
    world: &Arc<World>,
    sale: &Arc<Sale>,
    plan: &Arc<Plan>,
    progress: &Progress,
) -> anyhow::Result<Vec<Happened>> {
    let mut crowd = JoinSet::new();
    for number in 0..plan.buyers {
        crowd.spawn(shop(Arc::clone(sale), Arc::clone(plan), number));
    }
    for (number, planned) in plan.restocks.iter().enumerate() {
        let seed = plan.seed;
        crowd.spawn(restock(Arc::clone(sale), seed, number, planned.clone()));
    }

    let breaking = saboteur::play(world, plan, sale);
    tokio::pin!(breaking);
    let faults = loop {
        tokio::select! {
            faults = &mut breaking => break faults,
            () = tokio::time::sleep(LOOK) => {}
        }
        let answers = sale.journal.len();
        progress.count(
            format!("seed {}: {} faults", plan.seed, plan.faults.len()),
            0,
            1,
            &format!("healed, {answers} answers"),
        );
    };
    world
        .heal()
        .await
        .context("not everything could be healed")?;
    sale.deadline
        .send_replace(Some(Instant::now() + HEALED_PATIENCE));
    let closing = sale.journal.at_ms(SALE_MS);
    let end = Instant::from_std(closing).max(Instant::now()) + 2 * HEALED_PATIENCE;
    while let Some(left) = tokio::time::timeout_at(end, crowd.join_next())
        .await
        .context("the buyers do not come to an end")?
    {
        if let Err(error) = left {
            bail!("a buyer was lost: {error}");
        }
    }
    Ok(faults)
}
