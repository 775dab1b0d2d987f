//! One block: new SKUs, one load, the books before and after.

use std::time::Duration;

use flash_lab_crowd::{Latency, millis};
use serde::Serialize;

use crate::arm::{Arm, Setup, Work};
use crate::books::{Books, judge};
use crate::counters::{Counters, fsync_us};
use crate::pgbench;
use crate::statistics::{number, quotient};
use crate::tally::Answers;
use crate::world::World;

/// Writes of the probe of the disk beside each block.
const FSYNCS: usize = 16;

/// What was measured in one block.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Block {
    pub(crate) section: &'static str,
    #[serde(flatten)]
    pub(crate) setup: Setup,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// Orders, counted in the database; answers where there are none to have.
    pub(crate) per_second: f64,
    pub(crate) answers: Answers,
    /// Null without a database.
    pub(crate) books: Option<Books>,
    pub(crate) latency_ms: Latency,
    #[serde(flatten)]
    pub(crate) counters: Counters,
    pub(crate) fsync_us: f64,
    /// Why this block is not used.
    pub(crate) void: Option<String>,
    /// Whether an exact strategy has broken its promise.
    pub(crate) violation: bool,
    /// When orders were accepted, where each buyer asks once.
    #[serde(skip)]
    pub(crate) accepted_at_ms: Vec<f64>,
    /// Quantiles and latencies in milliseconds, for a picture.
    #[serde(skip)]
    pub(crate) curve: Vec<(f64, f64)>,
}

/// Measures a setup for some time; without any, each buyer asks once.
///
/// # Errors
///
/// What keeps the block from taking place; a wrong book is in the block.
pub(crate) async fn measure(
    world: &mut World,
    section: &'static str,
    setup: Setup,
    lasting: Duration,
) -> anyhow::Result<Block> {
    let (arm, work) = (setup.arm, setup.work);
    let mut sources = world.put_on_sale(&setup).await?;
    let prefix = sources.prefix.clone();
    let fsync_us = fsync_us(world.disk(), FSYNCS)?;
    let early = early_buyers(setup);
    if early > 0 {
        let once = (None, Duration::ZERO);
        world.apply(&setup, &prefix, early, once).await?;
    }

    let before = sources.look().await?;
    let tally = if arm == Arm::Pgbench {
        let (url, sku) = (world.database_url(arm).await?, format!("{prefix}-0000"));
        pgbench::run(&world.pgbench, &url, &sku, (setup.buyers, lasting)).await?
    } else {
        let pace = (setup.rate, lasting);
        world.apply(&setup, &prefix, setup.buyers, pace).await?
    };
    let after = sources.look().await?;

    let books = after.books_since(&before);
    let counted = match books {
        Some(books) if work != Work::Refusals => books.orders,
        _ => tally.answers.telling(),
    };
    let seconds = tally.elapsed.as_secs_f64();
    let (void, violation) = judge(arm, work, &tally.answers, books);
    Ok(Block {
        section,
        setup,
        seconds,
        per_second: quotient(number(counted), seconds).unwrap_or_default(),
        books,
        latency_ms: tally.latency(),
        counters: after.cost_since(&before, &tally),
        fsync_us,
        void,
        violation,
        accepted_at_ms: tally.accepted_at.iter().copied().map(millis).collect(),
        curve: tally.curve(),
        answers: tally.answers,
    })
}

/// Buyers who ask once before the clock starts: those who sell everything out, or one per
/// SKU, so that opening a gate is not part of a throughput. It is part of a burst.
fn early_buyers(setup: Setup) -> u16 {
    match (setup.arm, setup.work) {
        (Arm::Pgbench, _) | (_, Work::Burst) => 0,
        (_, Work::Refusals) => setup.buyers,
        (_, work) => setup.buyers.min(work.skus()),
    }
}
