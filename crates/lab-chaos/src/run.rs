//! One run: a sale, its faults, the healing, the probe, the judge.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flash_lab_crowd::Progress;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::buyers::{HEALED_PATIENCE, Sale, probe, restock, shop};
use crate::evidence::Evidence;
use crate::gates::{self, Seen};
use crate::journal::{Journal, micros};
use crate::judge::judge;
use crate::result::{Counts, Run, story};
use crate::saboteur::{self, Happened};
use crate::schedule::{self, SALE_MS};
use crate::world::{Recipe, World};

/// Between the last answer and the probe: gates and latches come right by themselves.
const REST: Duration = Duration::from_secs(2);

/// How often the progress is told.
const LOOK: Duration = Duration::from_millis(250);

/// Carries out what happens in the run with this seed.
///
/// # Errors
///
/// What keeps the stores or the servers from running.
pub(crate) async fn carry_out(
    recipe: &Recipe,
    seed: u64,
    progress: &Progress,
) -> Result<Run> {
    let began = Instant::now();
    let mut plan = schedule::draw(seed, recipe.breaks_redis());
    if !recipe.is_ours() {
        plan.restocks.clear();
    }
    let sale = Arc::new(Sale {
        world: World::start(recipe, &plan.skus).await?,
        plan,
        journal: Journal::begin(),
        deadline: watch::Sender::new(None),
    });
    let (world, plan) = (&sale.world, &sale.plan);

    let gate_lifetime = recipe.gate_lifetime();
    let mut seen = Seen::new();
    let faults = tokio::select! {
        faults = sell(&sale, progress) => faults?,
        () = gates::watch(world, &mut seen), if gate_lifetime.is_some() => {
            bail!("nobody sells");
        }
    };
    let emptied = faults.iter().filter(|it| it.empties_gates);
    let mut evidence = Evidence {
        skus: plan.skus.clone(),
        gate_lifetime_us: gate_lifetime.map(micros),
        emptied_us: emptied.map(|it| (it.from_us, it.to_us)).collect(),
        ..Evidence::default()
    };
    let mut conn = flash_db::connect(&world.database_url).await?;
    let (seller, began_us) = (&recipe.seller.name, sale.journal.began_unix_us);
    evidence.read(&mut conn, seller, began_us).await?;
    for (planned, audit) in plan.skus.iter().zip(&evidence.audits) {
        let (left_units, lifetime) = (audit.available_units, gate_lifetime);
        let probe = probe(&sale, planned, left_units, lifetime.unwrap_or_default());
        evidence.probes.push(probe.await);
    }
    evidence.read(&mut conn, seller, began_us).await?;
    evidence.entries = sale.journal.entries().clone();
    evidence.entries.sort_by_key(|it| it.sent_us);
    let mut violations = judge(&evidence);
    for violation in &mut violations {
        violation.story = story(violation, &evidence, &faults);
    }
    let mut answers = Counts::new();
    for entry in &evidence.entries {
        *answers.entry(entry.answer.word().to_owned()).or_default() += 1;
    }
    Ok(Run {
        plan: plan.clone(),
        faults,
        answers,
        probed_units: evidence.probes.iter().map(|it| it.bought_units).sum(),
        stranded_units: gate_lifetime.map(|_| gates::stranded_units(&seen, &evidence)),
        audits: evidence.audits,
        violations,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// The sale with its faults, until everything is healed, everybody has an answer, and gates
/// and latches had their time.
async fn sell(sale: &Arc<Sale>, progress: &Progress) -> Result<Vec<Happened>> {
    let mut crowd = JoinSet::new();
    for number in 0..sale.plan.buyers {
        crowd.spawn(shop(Arc::clone(sale), number));
    }
    for (number, planned) in sale.plan.restocks.iter().enumerate() {
        crowd.spawn(restock(Arc::clone(sale), number, planned.clone()));
    }
    let breaking = saboteur::play(sale);
    tokio::pin!(breaking);
    let faults = loop {
        if let Ok(faults) = tokio::time::timeout(LOOK, &mut breaking).await {
            break faults;
        }
        let (seed, faults) = (sale.plan.seed, sale.plan.faults.len());
        let answers = sale.journal.entries().len();
        progress.follow(format!("seed {seed}: {faults} faults, {answers} answers"));
    };
    sale.world
        .heal()
        .await
        .context("not everything could be healed")?;
    let healed = Instant::now();
    sale.deadline.send_replace(Some(healed + HEALED_PATIENCE));
    let end = sale.journal.at_ms(SALE_MS).max(healed) + 2 * HEALED_PATIENCE;
    while let Some(left) = tokio::time::timeout_at(end, crowd.join_next())
        .await
        .context("the buyers do not come to an end")?
    {
        left.context("a buyer was lost")?;
    }
    tokio::time::sleep(REST).await;
    Ok(faults)
}
