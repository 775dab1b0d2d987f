//! The result of a run: what the JSON has, and what tables and pictures show.

use std::collections::BTreeSet;

use flash_lab_crowd::Latency;
use serde::Serialize;

use crate::arm::{Arm, BURST_UNITS, SERIES, Work};
use crate::block::Block;
use crate::environment::Environment;
use crate::plan::Plan;
use crate::ratios::{Ratio, quotients, ratios};
use crate::session::Measured;
use crate::statistics::{Estimate, estimate, median};

/// Everything that a run has found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) quick: bool,
    pub(crate) environment: Environment,
    pub(crate) ratios: Vec<Ratio>,
    /// The engine over itself: what the machine adds to every ratio.
    pub(crate) same_vs_same: Option<Estimate>,
    pub(crate) void_blocks: usize,
    pub(crate) violations: usize,
    pub(crate) series: Vec<Point>,
    pub(crate) steady: Vec<Steady>,
    pub(crate) bursts: Vec<Burst>,
    #[serde(rename = "blocks")]
    pub(crate) measured: Measured,
}

/// Throughput of an arm with a crowd.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Point {
    pub(crate) arm: Arm,
    pub(crate) buyers: u16,
    /// Orders per second; answers of static.
    pub(crate) per_second: Estimate,
    /// The median over the blocks.
    p50_ms: f64,
    p99_ms: f64,
}

/// Latency of the engine where requests come at a rate of their own.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Steady {
    pub(crate) offered_per_second: f64,
    blocks: usize,
    /// The median over the blocks of each percentile.
    pub(crate) latency_ms: Latency,
    #[serde(skip)]
    pub(crate) curve: Vec<(f64, f64)>,
}

/// One burst, the one whose time is in the middle.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Burst {
    pub(crate) arm: Arm,
    units: u32,
    pub(crate) accepted: u64,
    stock_taken: u64,
    pub(crate) last_answer_ms: f64,
    /// When each unit was accepted, in milliseconds from the release.
    pub(crate) accepted_at_ms: Vec<f64>,
}

impl Report {
    /// Sums a run up.
    ///
    /// # Errors
    ///
    /// As [`ratios`].
    pub(crate) fn new(
        environment: Environment,
        measured: Measured,
        (plan, quick): (&Plan, bool),
    ) -> anyhow::Result<Self> {
        let blocks = &measured.blocks;
        Ok(Self {
            quick,
            environment,
            ratios: ratios(&measured, plan)?,
            same_vs_same: estimate(&quotients("same", "/per_second", &measured)),
            void_blocks: blocks.len() - measured.valid().count(),
            violations: blocks.iter().filter(|block| block.violation).count(),
            series: series(&measured),
            steady: steady(&measured),
            bursts: bursts(&measured, plan.crowd),
            measured,
        })
    }
}

/// Blocks with ample stock of one SKU, by arm and crowd, from all sections.
fn series(measured: &Measured) -> Vec<Point> {
    let crowds: BTreeSet<_> = measured.valid().map(|it| it.setup.buyers).collect();
    let arms = SERIES.into_iter().chain([Arm::EngineRedisDown]);
    let all = arms.flat_map(|arm| crowds.iter().map(move |buyers| (arm, *buyers)));
    all.filter_map(|(arm, buyers)| {
        let blocks = measured.like(arm, Work::Orders, buyers);
        let rates: Vec<_> = blocks.iter().map(|it| it.per_second).collect();
        Some(Point {
            arm,
            buyers,
            per_second: estimate(&rates)?,
            p50_ms: median_of(&blocks, |it| it.latency_ms.p50),
            p99_ms: median_of(&blocks, |it| it.latency_ms.p99),
        })
    })
    .collect()
}

/// Blocks below the capacity, by rate.
fn steady(measured: &Measured) -> Vec<Steady> {
    let rate = |block: &Block| block.setup.rate.unwrap_or_default();
    let steady = measured.valid().filter(|it| it.setup.work == Work::Steady);
    let mut blocks: Vec<_> = steady.collect();
    blocks.sort_by(|a, b| rate(a).total_cmp(&rate(b)));
    let of_rate = |same: &[&Block]| Steady {
        offered_per_second: same.first().map_or(0.0, |it| rate(it)),
        blocks: same.len(),
        latency_ms: Latency {
            p50: median_of(same, |it| it.latency_ms.p50),
            p90: median_of(same, |it| it.latency_ms.p90),
            p99: median_of(same, |it| it.latency_ms.p99),
            p999: Some(median_of(same, |it| it.latency_ms.p999.unwrap_or_default())),
            max: median_of(same, |it| it.latency_ms.max),
        },
        curve: middle(same, |it| it.latency_ms.p99)
            .map(|it| it.curve.clone())
            .unwrap_or_default(),
    };
    let by_rate = blocks.chunk_by(|a, b| rate(a) == rate(b));
    by_rate.map(of_rate).collect()
}

fn bursts(measured: &Measured, crowd: u16) -> Vec<Burst> {
    let of_arm = |arm| {
        let blocks = measured.like(arm, Work::Burst, crowd);
        let block = middle(&blocks, |block| block.seconds)?;
        Some(Burst {
            arm,
            units: BURST_UNITS,
            accepted: block.answers.accepted,
            stock_taken: block.books?.stock_taken,
            last_answer_ms: block.seconds * 1e3,
            accepted_at_ms: block.accepted_at_ms.clone(),
        })
    };
    SERIES.into_iter().filter_map(of_arm).collect()
}

fn median_of(blocks: &[&Block], of: fn(&Block) -> f64) -> f64 {
    let values: Vec<_> = blocks.iter().map(|block| of(block)).collect();
    median(&values).unwrap_or_default()
}

/// The block whose value is in the middle.
fn middle<'a>(blocks: &[&'a Block], of: fn(&Block) -> f64) -> Option<&'a Block> {
    let mut sorted = blocks.to_vec();
    sorted.sort_by(|a, b| of(a).total_cmp(&of(b)));
    sorted.get(sorted.len() / 2).copied()
}
