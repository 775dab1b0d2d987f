//! One block: new SKUs, one load, the books before and after.

use std::time::Duration;

use flash_lab_crowd::{Latency, millis};
use serde::Serialize;

use crate::arm::{Arm, Setup, Work};
use crate::books::{Answers, Books, judge};
use crate::counters::{MachineTicks, Snapshot, Sources, fsync_us, seconds_of_ticks};
use crate::load::{Load, Pace, apply};
use crate::shop::put_on_sale;
use crate::statistics::{number, quotient};
use crate::tally::Tally;
use crate::world::{World, disk};
use crate::{percentiles, pgbench};

/// Writes of the probe of the disk beside each block.
const FSYNCS: usize = 16;

/// What was measured in one block.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Block {
    pub(crate) section: &'static str,
    pub(crate) arm: Arm,
    pub(crate) work: &'static str,
    pub(crate) buyers: usize,
    pub(crate) offered_per_second: Option<f64>,
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

/// What stands beside the times; null where it was not told.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Counters {
    pub(crate) commits_per_order: Option<f64>,
    pub(crate) wal_bytes_per_order: Option<f64>,
    pub(crate) redis_commands_per_request: Option<f64>,
    pub(crate) server_cpu_us_per_request: Option<f64>,
    pub(crate) generator_cpu_share: Option<f64>,
    pub(crate) machine_busy_share: Option<f64>,
    pub(crate) stolen_share: Option<f64>,
    pub(crate) fsync_us: f64,
}

/// Measures a setup for some time.
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
    let Setup { arm, work, buyers } = setup;
    let prefix = world.new_prefix();
    let mut conn = match arm {
        Arm::Static => None,
        arm => Some(world.connect(arm).await?),
    };
    if let Some(conn) = &mut conn {
        put_on_sale(conn, &prefix, work).await?;
    }
    let fsync_us = fsync_us(disk(&world.sandbox), FSYNCS)?;
    let redis = world.sandbox.redis_url().map(str::to_owned);
    let running = world.find(&setup);
    let address = running.map(|it| it.address);
    let mut sources = Sources {
        conn: conn.as_mut(),
        redis: redis
            .as_deref()
            .filter(|_| matches!(arm, Arm::Hybrid | Arm::Engine)),
        server_pid: running.map(|it| it.server.pid()),
    };
    let load = |connections, pace, first_buyer| {
        let address = address.ok_or_else(|| anyhow::anyhow!("{arm} does not run"))?;
        anyhow::Ok(Load {
            address,
            prefix: prefix.clone(),
            skus: work.skus(),
            connections,
            pace,
            first_buyer,
        })
    };
    let early = early_buyers(work, buyers);
    if early > 0 && address.is_some() {
        apply(load(early, Pace::Once, world.take_buyers())?).await?;
    }

    let before = Snapshot::take(&mut sources, &prefix).await?;
    let (tally, tps) = if arm == Arm::Pgbench {
        let url = world.database_url(arm)?;
        let (sku, clients) = (format!("{prefix}-0000"), (buyers, lasting));
        let outcome = pgbench::run(&world.pgbench, &url, &sku, clients).await?;
        (tally_of(&outcome)?, Some(outcome.per_second))
    } else {
        let load = load(buyers, pace(work, lasting), world.take_buyers())?;
        (apply(load).await?, None)
    };
    let told = Snapshot::take(&mut sources, &prefix).await?.since(&before);
    Ok(Block::of(section, setup, (&tally, tps), &told, fsync_us))
}

/// Buyers who ask once before the clock starts: those who sell everything out, or one per
/// SKU, so that opening a gate is not part of a throughput. It is part of a burst.
fn early_buyers(work: Work, buyers: usize) -> usize {
    match work {
        Work::Burst { .. } => 0,
        Work::Refusals => buyers,
        _ => buyers.min(work.skus().try_into().unwrap_or(buyers)),
    }
}

fn pace(work: Work, lasting: Duration) -> Pace {
    match work {
        Work::Burst { .. } => Pace::Once,
        Work::Refusals | Work::Orders { .. } => Pace::Closed { lasting },
        Work::Steady { per_second } | Work::Overload { per_second } => Pace::Open {
            per_second,
            lasting,
        },
    }
}

/// Each transaction of pgbench is an order that was accepted.
fn tally_of(outcome: &pgbench::Outcome) -> anyhow::Result<Tally> {
    let mut tally = Tally::new()?;
    tally.answers.accepted = outcome.transactions;
    let seconds = quotient(number(outcome.transactions), outcome.per_second);
    tally.elapsed = Duration::from_secs_f64(seconds.unwrap_or_default());
    for micros in &outcome.latencies_us {
        tally.latency_us.saturating_record(*micros);
    }
    Ok(tally)
}

impl Block {
    fn of(
        section: &'static str,
        setup: Setup,
        (tally, tps): (&Tally, Option<f64>),
        told: &Snapshot,
        fsync_us: f64,
    ) -> Self {
        let Setup { arm, work, buyers } = setup;
        let seconds = tally.elapsed.as_secs_f64();
        let answers = tally.answers.clone();
        let books = (arm != Arm::Static).then_some(Books {
            orders: told.orders,
            stock_taken: told.stock_taken,
        });
        let counted = match books {
            Some(books) if work != Work::Refusals => books.orders,
            _ => answers.telling(),
        };
        let (void, violation) = judge(arm, work, &answers, books);
        Self {
            section,
            arm,
            work: work.name(),
            buyers,
            offered_per_second: work.offered_per_second(),
            seconds,
            per_second: tps
                .or_else(|| quotient(number(counted), seconds))
                .unwrap_or_default(),
            counters: Counters::of(tally, told, fsync_us),
            answers,
            books,
            latency_ms: percentiles::latency(&tally.latency_us),
            void,
            violation,
            accepted_at_ms: tally.accepted_at.iter().copied().map(millis).collect(),
            curve: percentiles::curve(&tally.latency_us),
        }
    }
}

impl Counters {
    fn of(tally: &Tally, told: &Snapshot, fsync_us: f64) -> Self {
        let orders = number(told.orders);
        let requests = number(tally.answers.telling() + tally.answers.other);
        let seconds = tally.elapsed.as_secs_f64();
        let machine = told.machine;
        Self {
            commits_per_order: quotient(number(told.transactions), orders),
            wal_bytes_per_order: quotient(number(told.wal_bytes), orders),
            redis_commands_per_request: told
                .redis_commands
                .and_then(|count| quotient(number(count), requests)),
            server_cpu_us_per_request: told
                .server_cpu_ticks
                .and_then(|it| quotient(seconds_of_ticks(it) * 1e6, requests)),
            generator_cpu_share: quotient(tally.cpu.as_secs_f64(), seconds)
                .filter(|_| !tally.cpu.is_zero()),
            machine_busy_share: machine.and_then(MachineTicks::busy_share),
            stolen_share: machine
                .and_then(|it| quotient(number(it.stolen), number(it.all))),
            fsync_us,
        }
    }
}
