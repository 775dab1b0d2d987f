//! The result of a run: what the JSON has, and what tables and pictures show.

use flash_lab_crowd::Latency;
use serde::Serialize;

use crate::arm::{Arm, SERIES, Work};
use crate::block::Block;
use crate::environment::Environment;
use crate::plan::{BURST_UNITS, Plan};
use crate::ratios::{Ratio, ratios, same_vs_same};
use crate::session::Measured;
use crate::statistics::{Estimate, estimate, median, number};

/// Everything that a run has found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) quick: bool,
    pub(crate) environment: Environment,
    pub(crate) ratios: Vec<Ratio>,
    pub(crate) same_vs_same: Option<Estimate>,
    pub(crate) void_blocks: usize,
    pub(crate) violations: usize,
    pub(crate) series: Vec<Point>,
    pub(crate) steady: Vec<Steady>,
    pub(crate) bursts: Vec<Burst>,
    pub(crate) blocks: Vec<Block>,
}

/// Throughput of an arm with a crowd.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Point {
    pub(crate) arm: Arm,
    pub(crate) buyers: usize,
    /// Orders per second; answers of static.
    pub(crate) per_second: Estimate,
    /// The median over the blocks.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Latency of the engine where requests come at a rate of their own.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Steady {
    pub(crate) offered_per_second: f64,
    pub(crate) blocks: usize,
    /// The median over the blocks of each percentile.
    pub(crate) latency_ms: Latency,
    #[serde(skip)]
    pub(crate) curve: Vec<(f64, f64)>,
}

/// One burst, the one whose time is in the middle.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Burst {
    pub(crate) arm: Arm,
    pub(crate) units: u64,
    pub(crate) accepted: u64,
    pub(crate) stock_taken: u64,
    pub(crate) last_answer_ms: f64,
    /// When each unit was accepted, in milliseconds from the release.
    pub(crate) accepted_at_ms: Vec<f64>,
}

impl Report {
    pub(crate) fn new(
        quick: bool,
        environment: Environment,
        measured: Measured,
        plan: &Plan,
    ) -> Self {
        Self {
            quick,
            environment,
            ratios: ratios(&measured, plan.crowd),
            same_vs_same: same_vs_same(&measured),
            void_blocks: measured.blocks.len() - measured.valid().count(),
            violations: measured.blocks.iter().filter(|it| it.violation).count(),
            series: series(&measured),
            steady: steady(&measured),
            bursts: bursts(&measured),
            blocks: measured.blocks,
        }
    }

    /// The throughput of pgbench with each number of clients.
    pub(crate) fn pgbench(&self) -> impl Iterator<Item = (usize, f64)> {
        self.blocks
            .iter()
            .filter(|block| block.section == "pgbench-clients" && block.void.is_none())
            .map(|block| (block.buyers, block.per_second))
    }
}

/// Blocks with ample stock of one SKU, by arm and crowd, from all sections.
fn series(measured: &Measured) -> Vec<Point> {
    let mut levels: Vec<_> = measured.valid().map(|block| block.buyers).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut points = Vec::new();
    for arm in SERIES.into_iter().chain([Arm::RedisDown]) {
        for buyers in &levels {
            let blocks: Vec<_> = measured
                .valid()
                .filter(|it| it.arm == arm && it.buyers == *buyers)
                .filter(|it| it.work == Work::ORDERS.name())
                .collect();
            let all = |of: fn(&Block) -> f64| blocks.iter().map(|it| of(it)).collect();
            let of = |of| median(&Vec::from_iter::<Vec<f64>>(all(of)));
            let rates: Vec<_> = all(|it| it.per_second);
            if let Some(per_second) = estimate(&rates) {
                points.push(Point {
                    arm,
                    buyers: *buyers,
                    per_second,
                    p50_ms: of(|it| it.latency_ms.p50).unwrap_or_default(),
                    p99_ms: of(|it| it.latency_ms.p99).unwrap_or_default(),
                });
            }
        }
    }
    points
}

/// The crowd as a number to draw.
pub(crate) fn buyers(point: &Point) -> f64 {
    number(point.buyers.try_into().unwrap_or(u64::MAX))
}

fn steady(measured: &Measured) -> Vec<Steady> {
    let name = Work::Steady { per_second: 1.0 }.name();
    let blocks = || measured.valid().filter(|block| block.work == name);
    let mut rates: Vec<_> = blocks().filter_map(|it| it.offered_per_second).collect();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    rates
        .into_iter()
        .map(|rate| {
            let same: Vec<_> = blocks()
                .filter(|it| it.offered_per_second == Some(rate))
                .collect();
            let mid = |of: fn(&Latency) -> f64| {
                let all: Vec<_> = same.iter().map(|it| of(&it.latency_ms)).collect();
                median(&all).unwrap_or_default()
            };
            let middle = middle(&same, |block| block.latency_ms.p99);
            Steady {
                offered_per_second: rate,
                blocks: same.len(),
                latency_ms: Latency {
                    p50: mid(|it| it.p50),
                    p90: mid(|it| it.p90),
                    p99: mid(|it| it.p99),
                    p999: Some(mid(|it| it.p999.unwrap_or_default())),
                    max: mid(|it| it.max),
                },
                curve: middle.map(|it| it.curve.clone()).unwrap_or_default(),
            }
        })
        .collect()
}

/// The block whose value is in the middle.
fn middle<'a>(blocks: &[&'a Block], of: fn(&Block) -> f64) -> Option<&'a Block> {
    let mut sorted = blocks.to_vec();
    sorted.sort_by(|a, b| of(a).total_cmp(&of(b)));
    sorted.get(sorted.len() / 2).copied()
}

fn bursts(measured: &Measured) -> Vec<Burst> {
    let units = BURST_UNITS;
    let name = Work::Burst { units }.name();
    SERIES
        .into_iter()
        .filter_map(|arm| {
            let blocks: Vec<_> = measured
                .valid()
                .filter(|block| block.arm == arm && block.work == name)
                .collect();
            let block = middle(&blocks, |block| block.seconds)?;
            Some(Burst {
                arm,
                units,
                accepted: block.answers.accepted,
                stock_taken: block.books?.stock_taken,
                last_answer_ms: block.seconds * 1e3,
                accepted_at_ms: block.accepted_at_ms.clone(),
            })
        })
        .collect()
}
