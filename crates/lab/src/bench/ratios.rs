//! The ratios that are promised, and whether they are kept.

use serde::Serialize;

use super::block::Block;
use super::session::Measured;
use super::statistics::{Estimate, estimate, quotient};

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
    pub(crate) target: f64,
    pub(crate) met: bool,
    /// One value per pair of blocks, or per block where nothing is compared.
    pub(crate) values: Vec<f64>,
}

impl Ratio {
    fn new(promise: &Promise, values: Vec<f64>) -> Self {
        let Promise {
            id,
            what,
            side,
            target,
            ..
        } = *promise;
        let estimate = estimate(&values);
        let met = estimate.is_some_and(|it| match side {
            Side::AtLeast => it.low >= target,
            Side::AtMost => it.high <= target,
        });
        Self {
            id,
            what,
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
        let within = |low, high| low < self.target && self.target < high;
        self.low
            .zip(self.high)
            .is_some_and(|(low, high)| within(low, high))
    }
}

/// From which blocks a value comes, and how.
#[derive(Clone, Copy)]
enum From {
    /// The second of each pair over the first.
    Pairs(&'static str, fn(&Block) -> Option<f64>),
    /// The largest crowd over the best, per round.
    Crowd,
    /// Blocks of hybrid with the whole crowd.
    Commits,
}

struct Promise {
    id: &'static str,
    what: &'static str,
    side: Side,
    target: f64,
    from: From,
}

const fn promise(
    id: &'static str,
    (side, target): (Side, f64),
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

const PROMISES: [Promise; 13] = [
    promise(
        "refusals_vs_static",
        (AtLeast, 0.95),
        From::Pairs("refusals", RATE),
        "hybrid's refusals per second after the sell-out / static route",
    ),
    promise(
        "orders_vs_static",
        (AtLeast, 0.50),
        From::Pairs("static", RATE),
        "hybrid's durable orders per second, 1 SKU, whole crowd / static route",
    ),
    promise(
        "orders_vs_pessimistic",
        (AtLeast, 50.0),
        From::Pairs("pessimistic", RATE),
        "the same / pessimistic",
    ),
    promise(
        "orders_vs_textbook",
        (AtLeast, 20.0),
        From::Pairs("textbook", RATE),
        "the same / textbook hybrid, one request per transaction",
    ),
    promise(
        "orders_vs_pgbench",
        (AtLeast, 15.0),
        From::Pairs("pgbench", RATE),
        "the same / pgbench at its best number of clients",
    ),
    promise(
        "orders_many_skus",
        (AtLeast, 1.0),
        From::Pairs("many-skus", RATE),
        "hybrid over 1,000 SKUs / over 1",
    ),
    promise(
        "orders_crowd",
        (AtLeast, 0.95),
        From::Crowd,
        "hybrid with the whole crowd / with its best crowd",
    ),
    promise(
        "burst_vs_pessimistic",
        (AtMost, 0.10),
        From::Pairs("burst", |block| Some(block.seconds)),
        "time to the last answer of a burst for 100 units / pessimistic",
    ),
    promise(
        "commits_per_order",
        (AtMost, 0.01),
        From::Commits,
        "writing transactions of hybrid per order, whole crowd",
    ),
    promise(
        "wal_vs_pessimistic",
        (AtMost, 0.62),
        From::Pairs("pessimistic", |block| block.counters.wal_bytes_per_order),
        "bytes of write-ahead log per order / pessimistic",
    ),
    promise(
        "redis_down_vs_normal",
        (AtLeast, 0.90),
        From::Pairs("redis-down", RATE),
        "hybrid's orders per second without Redis / with it",
    ),
    promise(
        "overload_goodput",
        (AtLeast, 0.95),
        From::Pairs("overload", RATE),
        "hybrid's orders per second at three times its capacity / at it",
    ),
    promise(
        "order_p50_half_load",
        (AtMost, 2.5),
        From::Pairs("half-load", |block| Some(block.latency_ms.p50)),
        "hybrid's median latency at half its capacity / lone pgbench commit",
    ),
];

/// Computes all ratios, in the order of the promises.
pub(crate) fn ratios(measured: &Measured, crowd: usize) -> Vec<Ratio> {
    PROMISES
        .iter()
        .map(|promise| Ratio::new(promise, values(promise.from, measured, crowd)))
        .collect()
}

/// Hybrid over itself: what the machine adds to every ratio.
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
            .orders_of_hybrid(crowd)
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
