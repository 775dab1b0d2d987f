//! The ratios that are promised, and whether they are kept.

use serde::Serialize;

use crate::block::Block;
use crate::session::Measured;
use crate::statistics::{Estimate, estimate, quotient};

/// The side of a target on which a ratio has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    AtLeast,
    AtMost,
}

/// A ratio with its target. It is met if the whole interval is on the right side.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ratio {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    /// Null where no pair of blocks is valid.
    pub(crate) median: Option<f64>,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    pub(crate) side: Side,
    /// Null where a ratio is only reported, and `met` with it.
    pub(crate) target: Option<f64>,
    pub(crate) met: Option<bool>,
    /// One value per pair of blocks, or per block where nothing is compared.
    pub(crate) values: Vec<f64>,
}

impl Ratio {
    fn new(promise: &Promise, values: Vec<f64>) -> Self {
        let (side, target) = (promise.side, promise.target);
        let estimate = estimate(&values);
        let met = target.map(|target| {
            estimate.is_some_and(|it| match side {
                Side::AtLeast => it.low >= target,
                Side::AtMost => it.high <= target,
            })
        });
        Self {
            id: promise.id,
            what: promise.what,
            median: estimate.map(|it| it.median),
            low: estimate.map(|it| it.low),
            high: estimate.map(|it| it.high),
            side,
            target,
            met,
            values,
        }
    }

    /// Whether the target lies within the interval, so that nothing is proven.
    pub(crate) fn is_undecided(&self) -> bool {
        let interval = self.low.zip(self.high);
        self.target
            .zip(interval)
            .is_some_and(|(target, (low, high))| low < target && target < high)
    }
}

/// From which blocks a value comes, and how.
#[derive(Clone, Copy)]
enum From {
    /// The second of each pair over the first.
    Pairs(&'static str, fn(&Block) -> Option<f64>),
    /// The largest crowd over the best, per round.
    Crowd,
    /// Blocks of the engine with the whole crowd.
    Commits,
}

struct Promise {
    id: &'static str,
    what: &'static str,
    side: Side,
    target: Option<f64>,
    from: From,
}

const fn promise(
    id: &'static str,
    (side, target): (Side, Option<f64>),
    from: From,
    what: &'static str,
) -> Promise {
    Promise {
        id,
        what,
        side,
        target,
        from,
    }
}

const RATE: fn(&Block) -> Option<f64> = |block| Some(block.per_second);

use Side::{AtLeast, AtMost};

const PROMISES: [Promise; 17] = [
    promise(
        "refusals_vs_static",
        (AtLeast, Some(0.95)),
        From::Pairs("refusals", RATE),
        "the engine's refusals per second after the sell-out / static route",
    ),
    promise(
        "orders_vs_static",
        (AtLeast, Some(0.50)),
        From::Pairs("static", RATE),
        "the engine's durable orders per second, 1 SKU, whole crowd / static route",
    ),
    promise(
        "orders_vs_pessimistic",
        (AtLeast, Some(50.0)),
        From::Pairs("pessimistic", RATE),
        "the same / pessimistic",
    ),
    promise(
        "orders_vs_hybrid",
        (AtLeast, Some(20.0)),
        From::Pairs("hybrid", RATE),
        "the same / hybrid, which commits for each winner alone",
    ),
    promise(
        "orders_vs_pgbench",
        (AtLeast, Some(15.0)),
        From::Pairs("pgbench", RATE),
        "the same / pgbench at its best number of clients",
    ),
    promise(
        "orders_many_skus",
        (AtLeast, None),
        From::Pairs("many-skus", RATE),
        "the engine over 1,000 SKUs / over 1",
    ),
    promise(
        "orders_crowd",
        (AtLeast, Some(0.95)),
        From::Crowd,
        "the engine with the whole crowd / with its best crowd",
    ),
    promise(
        "burst_vs_pessimistic",
        (AtMost, Some(0.10)),
        From::Pairs("burst", |block| Some(block.seconds)),
        "time to the last answer of a burst for 100 units / pessimistic",
    ),
    promise(
        "hybrid_burst_vs_pessimistic",
        (AtMost, Some(0.60)),
        From::Pairs("hybrid-burst", |block| Some(block.seconds)),
        "the same for hybrid, which commits for each of the 100 alone",
    ),
    promise(
        "hybrid_refusals_vs_pessimistic",
        (AtLeast, Some(10.0)),
        From::Pairs("hybrid-refusals", RATE),
        "hybrid's refusals per second after the sell-out / pessimistic",
    ),
    promise(
        "commits_per_order",
        (AtMost, Some(0.01)),
        From::Commits,
        "writing transactions of the engine per order, whole crowd",
    ),
    promise(
        "wal_vs_pessimistic",
        (AtMost, None),
        From::Pairs("pessimistic", |block| block.counters.wal_bytes_per_order),
        "bytes of write-ahead log per order / pessimistic",
    ),
    promise(
        "redis_down_vs_normal",
        (AtLeast, Some(0.90)),
        From::Pairs("redis-down", RATE),
        "the engine's orders per second without Redis / with it",
    ),
    promise(
        "overload_goodput",
        (AtLeast, Some(0.95)),
        From::Pairs("overload", RATE),
        "the engine's orders per second at three times its capacity / at it",
    ),
    promise(
        "order_p50_half_load",
        (AtMost, None),
        From::Pairs("half-load", |block| Some(block.latency_ms.p50)),
        "the engine's median latency at half its capacity / lone pgbench commit",
    ),
    promise(
        "own_orders_vs_pessimistic",
        (AtLeast, None),
        From::Pairs("own", RATE),
        "durable orders per second of the program of --server / pessimistic",
    ),
    promise(
        "own_refusals_vs_pessimistic",
        (AtLeast, None),
        From::Pairs("own-refusals", RATE),
        "its refusals per second after the sell-out / pessimistic",
    ),
];

/// Whether something was measured for it, or should have been.
fn is_asked_for(promise: &Promise, measured: &Measured) -> bool {
    match promise.from {
        From::Pairs(section @ ("own" | "own-refusals"), _) => {
            measured.pairs.contains_key(section)
        }
        _ => true,
    }
}

/// Computes all ratios, in the order of the promises.
pub(crate) fn ratios(measured: &Measured, crowd: usize) -> Vec<Ratio> {
    PROMISES
        .iter()
        .filter(|promise| is_asked_for(promise, measured))
        .map(|promise| Ratio::new(promise, values(promise.from, measured, crowd)))
        .collect()
}

/// The engine over itself: what the machine adds to every ratio.
pub(crate) fn same_vs_same(measured: &Measured) -> Option<Estimate> {
    estimate(&values(From::Pairs("same", RATE), measured, 0))
}

fn values(from: From, measured: &Measured, crowd: usize) -> Vec<f64> {
    match from {
        From::Pairs(section, of) => measured
            .compared(section)
            .filter_map(|[a, b]| quotient(of(b)?, of(a)?))
            .collect(),
        From::Crowd => measured
            .rounds
            .iter()
            .filter_map(|round| crowd_over_best(round, measured, crowd))
            .collect(),
        From::Commits => measured
            .orders_of_engine(crowd)
            .filter_map(|block| block.counters.commits_per_order)
            .collect(),
    }
}

fn crowd_over_best(round: &[usize], measured: &Measured, crowd: usize) -> Option<f64> {
    let blocks: Option<Vec<_>> = round
        .iter()
        .map(|number| measured.blocks.get(*number))
        .map(|block| block.filter(|block| block.void.is_none()))
        .collect();
    let blocks = blocks?;
    let whole = blocks.iter().find(|block| block.buyers == crowd)?;
    let best = blocks.iter().map(|block| block.per_second);
    quotient(whole.per_second, best.fold(0.0, f64::max))
}

#[cfg(test)]
mod tests;
