//! One run: a sale, its faults, the healing, the probe, the judge.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use flash_core::Sku;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::books;
use super::buyers::{Market, restock, shop};
use super::journal::Journal;
use super::judge::{Evidence, judge};
use super::probe;
use super::result::Run;
use super::saboteur::{self, Happened};
use super::schedule::Plan;
use super::world::{Recipe, World};
use crate::progress::Progress;
use crate::server_process::create_sku;

/// Once everything is healed, each buyer has a final answer within this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The longest that a buyer's last request takes after that.
const LAST_LIMIT: Duration = Duration::from_secs(5);

/// Between the last answer and the probe: gates and latches come right by themselves.
const REST: Duration = Duration::from_secs(2);

/// How often the progress is told.
const LOOK: Duration = Duration::from_millis(250);

/// Carries out a plan.
///
/// # Errors
///
/// What keeps the stores or the servers from running.
pub(crate) async fn run(
    recipe: Recipe,
    plan: Plan,
    progress: &Progress,
) -> anyhow::Result<Run> {
    let began = Instant::now();
    let strategy = recipe.strategy;
    let world = Arc::new(World::start(recipe).await?);
    for good in &plan.goods {
        let sku = Sku::new(&*good.sku)?;
        let units = u32::try_from(good.units)?;
        let limit = good.limit.map(u32::try_from).transpose()?;
        create_sku(world.addresses[0], &sku, units, limit).await?;
    }
    let plan = Arc::new(plan);
    let market = Arc::new(Market {
        addresses: world.addresses,
        goods: plan.goods.clone(),
        journal: Journal::begin(),
        deadline: watch::Sender::new(None),
    });

    let faults = sell(&world, &market, &plan, progress).await?;
    tokio::time::sleep(REST).await;
    let mut conn = flash_db::connect(&world.database_url).await?;
    let began_us = market.journal.began_unix_us();
    let mut read =
        async || books::read(&mut conn, &plan.goods, strategy.as_str(), began_us).await;
    let mut probes = Vec::new();
    for (good, audit) in plan.goods.iter().zip(read().await?.audits) {
        probes.push(probe::buy_all(&market, good, audit.available_units).await);
    }
    let evidence = Evidence {
        goods: plan.goods.clone(),
        entries: market.journal.entries(),
        books: read().await?,
        probes,
    };
    let violations = judge(&evidence);
    Ok(Run::of(
        &plan,
        &evidence,
        faults,
        violations,
        began.elapsed(),
    ))
}

/// The sale with its faults, until everything is healed and everybody has an answer.
async fn sell(
    world: &Arc<World>,
    market: &Arc<Market>,
    plan: &Arc<Plan>,
    progress: &Progress,
) -> anyhow::Result<Vec<Happened>> {
    let mut crowd = JoinSet::new();
    for number in 0..plan.buyers {
        crowd.spawn(shop(Arc::clone(market), Arc::clone(plan), number));
    }
    for (number, planned) in plan.restocks.iter().enumerate() {
        let seed = plan.seed;
        crowd.spawn(restock(Arc::clone(market), seed, number, planned.clone()));
    }

    let breaking = saboteur::play(world, plan, market);
    tokio::pin!(breaking);
    let faults = loop {
        tokio::select! {
            faults = &mut breaking => break faults,
            () = tokio::time::sleep(LOOK) => {}
        }
        let answers = market.journal.len();
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
    market
        .deadline
        .send_replace(Some(Instant::now() + ANSWER_LIMIT));
    let closing = market.journal.at_ms(super::schedule::SALE_MS);
    let end =
        Instant::from_std(closing).max(Instant::now()) + ANSWER_LIMIT + LAST_LIMIT;
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
