//! The ratios that are promised, and whether they are kept.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::arm::{Arm, Work};
use crate::block::Block;
use crate::plan::Plan;
use crate::session::Measured;
use crate::statistics::{estimate, quotient, significant};

/// What `ratios.toml` says of a ratio.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promise {
    pub(crate) id: String,
    what: String,
    pub(crate) side: Side,
    /// Null where a ratio is only reported, and `met` with it.
    pub(crate) target: Option<f64>,
    #[serde(skip_serializing)]
    from: From,
    /// Measured only if there is a program of somebody's own.
    #[serde(skip_serializing, default)]
    is_own: bool,
    #[serde(skip_serializing)]
    words: String,
    #[serde(skip_serializing, default)]
    missed: String,
}

/// The side of a target on which a ratio has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    AtLeast,
    AtMost,
}

/// From which blocks a value comes, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum From {
    /// The second of each pair of a section over the first, in one of the numbers that the
    /// JSON has of them.
    Pairs(String, String),
    /// The largest crowd over the best, per round.
    Crowd,
    /// Blocks of the engine with the whole crowd.
    Commits,
}

/// A ratio with its target. It is met if the whole interval is on the right side.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ratio {
    #[serde(flatten)]
    pub(crate) promise: Promise,
    /// Null where no pair of blocks is valid.
    pub(crate) median: Option<f64>,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
    pub(crate) met: Option<bool>,
    /// Whether low and high are on the right side.
    #[serde(skip)]
    ends_keep: Option<[bool; 2]>,
    /// One value per pair of blocks, or per block where nothing is compared.
    values: Vec<f64>,
}

impl Ratio {
    fn new(promise: Promise, values: Vec<f64>) -> Self {
        let estimate = estimate(&values);
        let keeps = |end: f64, target: f64| match promise.side {
            Side::AtLeast => end >= target,
            Side::AtMost => end <= target,
        };
        let interval = promise.target.zip(estimate);
        let ends_keep =
            interval.map(|(target, it)| [it.low, it.high].map(|it| keeps(it, target)));
        Self {
            median: estimate.map(|it| it.median),
            low: estimate.map(|it| it.low),
            high: estimate.map(|it| it.high),
            met: promise.target.map(|_| ends_keep == Some([true; 2])),
            ends_keep,
            promise,
            values,
        }
    }

    /// One sentence about what was measured, and where the target was missed for sure,
    /// another one about what that means for a user.
    pub(crate) fn meaning(&self) -> String {
        let Some(median) = self.median else {
            return "Not measured: no pair of blocks is valid.".to_owned();
        };
        let plain = self
            .promise
            .words
            .replace("{times}", &significant(median))
            .replace("{percent}", &format!("{:.0}", median * 100.0))
            .replace("{per_100}", &significant(median * 100.0));
        match self.ends_keep {
            None | Some([true, true]) => plain,
            Some([false, false]) => {
                format!("{plain} Target missed: {}", self.promise.missed)
            }
            Some(_) => format!("{plain} {UNDECIDED}"),
        }
    }
}

/// What is not met need not be missed.
const UNDECIDED: &str = "\
Not decided: the target lies between low and high, which more blocks or a machine at \
rest bring closer together.";

/// Computes all ratios, in the order of the promises.
///
/// # Errors
///
/// Promises that cannot be read.
pub(crate) fn ratios(measured: &Measured, plan: &Plan) -> anyhow::Result<Vec<Ratio>> {
    let promises: BTreeMap<String, Vec<Promise>> =
        toml::from_str(include_str!("ratios.toml"))
            .context("cannot read ratios.toml")?;
    let promises = promises.into_values().flatten();
    let asked_for = promises.filter(|promise| plan.has_own || !promise.is_own);
    let ratio = |promise: Promise| {
        let values = values(&promise.from, measured, plan);
        Ratio::new(promise, values)
    };
    Ok(asked_for.map(ratio).collect())
}

fn values(from: &From, measured: &Measured, plan: &Plan) -> Vec<f64> {
    match from {
        From::Pairs(section, number) => quotients(section, number, measured),
        From::Crowd => measured
            .rounds_of_engine(plan.levels.len())
            .iter()
            .filter_map(|round| crowd_over_best(round, plan.crowd))
            .collect(),
        From::Commits => measured
            .like(Arm::Engine, Work::Orders, plan.crowd)
            .iter()
            .filter_map(|block| block.counters.commits_per_order)
            .collect(),
    }
}

/// Of all valid pairs of a section, the second block over the first.
pub(crate) fn quotients(section: &str, number: &str, measured: &Measured) -> Vec<f64> {
    let of = |block| serde_json::to_value(block).ok()?.pointer(number)?.as_f64();
    let pairs = measured.pairs(section).into_iter();
    pairs
        .filter_map(|[a, b]| quotient(of(b)?, of(a)?))
        .collect()
}

fn crowd_over_best(round: &[&Block], crowd: u16) -> Option<f64> {
    let whole = round.iter().find(|block| block.setup.buyers == crowd)?;
    let best = round.iter().map(|block| block.per_second);
    quotient(whole.per_second, best.fold(0.0, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::Setup;
    use crate::cli::BenchArgs;
    use crate::counters::Counters;

    /// Two pairs with the static route, 0.6 and 0.4, and a round of two crowds.
    fn measured() -> Measured {
        let blocks = [
            ("static", Arm::Static, 1_000, 100.0),
            ("static", Arm::Engine, 1_000, 60.0),
            ("static", Arm::Engine, 1_000, 40.0),
            ("static", Arm::Static, 1_000, 100.0),
            ("series", Arm::Engine, 1_000, 60.0),
            ("series", Arm::Engine, 1, 80.0),
        ];
        let block = |(section, arm, buyers, per_second)| Block {
            section,
            setup: Setup {
                arm,
                buyers,
                ..Setup::default()
            },
            per_second,
            counters: Counters {
                commits_per_order: Some(0.005),
                ..Counters::default()
            },
            ..Block::default()
        };
        Measured {
            blocks: blocks.map(block).to_vec(),
        }
    }

    fn plan(has_own: bool) -> Plan {
        let server = has_own.then(|| "mine".into());
        Plan::new(&BenchArgs {
            server,
            ..BenchArgs::default()
        })
    }

    fn all(measured: &Measured) -> Vec<Ratio> {
        let mut plan = plan(true);
        plan.levels = vec![1, 1_000];
        ratios(measured, &plan).expect("promises")
    }

    fn one(measured: &Measured, id: &str) -> Ratio {
        let mut ratios = all(measured).into_iter();
        ratios.find(|it| it.promise.id == id).expect("the id")
    }

    #[test]
    fn every_promise_is_told_in_words_and_so_is_a_missed_target() {
        for Ratio { promise, .. } in all(&Measured::default()) {
            let told = |values: [f64; 2]| {
                let told = Ratio::new(promise.clone(), values.to_vec()).meaning();
                assert!(!told.contains(['{', '}']) && told.ends_with('.'), "{told}");
                told
            };
            let Some(target) = promise.target else {
                assert!(!told([1.0; 2]).contains("arget"), "{}", promise.id);
                continue;
            };
            let (half, double) = (target / 2.0, target * 2.0);
            let far = match promise.side {
                Side::AtLeast => half,
                Side::AtMost => double,
            };
            assert!(!told([target; 2]).contains("arget"), "{}", promise.id);
            let missed = format!(" Target missed: {}", promise.missed);
            assert!(told([far; 2]).ends_with(&missed), "{}", promise.id);
            assert!(told([half, double]).ends_with(UNDECIDED), "{}", promise.id);
        }
    }

    #[test]
    fn every_promise_is_reported_under_its_id_and_without_a_block_not_met() {
        let ids = "refusals_vs_static orders_vs_static orders_vs_pessimistic \
                   orders_vs_hybrid orders_vs_pgbench orders_many_skus orders_crowd \
                   burst_vs_pessimistic hybrid_burst_vs_pessimistic \
                   hybrid_refusals_vs_pessimistic commits_per_order wal_vs_pessimistic \
                   redis_down_vs_normal overload_goodput order_p50_half_load";
        let own = "own_orders_vs_pessimistic own_refusals_vs_pessimistic";
        let found = |has_own| {
            let (nothing, plan) = (Measured::default(), plan(has_own));
            let ratios = ratios(&nothing, &plan).expect("promises").into_iter();
            let ids = ratios.map(|ratio| {
                assert_eq!(ratio.median, None);
                assert_ne!(ratio.met, Some(true));
                if let From::Pairs(name, number) = &ratio.promise.from {
                    let sections = plan.sections();
                    assert!(sections.iter().any(|it| it.0 == name), "{name}");
                    let block = serde_json::to_value(Block::default());
                    assert!(block.expect("JSON").pointer(number).is_some(), "{number}");
                }
                ratio.promise.id
            });
            ids.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(false), ids);
        assert_eq!(found(true), format!("{ids} {own}"));
    }

    #[test]
    fn the_hard_side_of_the_interval_decides_and_a_void_block_takes_its_pair_with_it() {
        let mut measured = measured();
        let orders = one(&measured, "orders_vs_static");
        assert_eq!((orders.median, orders.low), (Some(0.5), Some(0.4)));
        assert_eq!(orders.met, Some(false));
        let json = serde_json::to_value(&orders).expect("JSON");
        assert_eq!(json["side"], "at_least");
        let commits = one(&measured, "commits_per_order");
        assert_eq!((commits.high, commits.met), (Some(0.005), Some(true)));
        let reported = one(&measured, "wal_vs_pessimistic");
        assert_eq!((reported.promise.target, reported.met), (None, None));
        assert_eq!(one(&measured, "orders_crowd").values, [0.75]);

        for number in [2, 5] {
            measured.blocks[number].void = Some("the books do not balance".to_owned());
        }
        assert_eq!(one(&measured, "orders_vs_static").values, [0.6]);
        assert!(one(&measured, "orders_crowd").values.is_empty());
    }
}
