//! What is measured, how long and in which order: for a look, for a report, for a test.

use std::time::Duration;

use crate::arm::{Arm, SERIES, Setup, Work};
use crate::cli::BenchArgs;

/// The largest crowd.
const CROWD: u16 = 1_000;

/// Who asks once everything is sold: enough to keep both sides busy.
const REFUSED: u16 = 256;

/// Connections of the overload: three crowds.
const OVERLOAD_CROWDS: u16 = 3;

/// Times the capacity that is offered in the overload.
const OVERLOAD: f64 = 3.0;

/// Buyers of the series.
const LEVELS: [u16; 5] = [1, 16, 64, 256, CROWD];

/// Clients of pgbench.
const PGBENCH_CLIENTS: [u16; 3] = [1, 8, 64];

/// Stands for the number of clients with which pgbench was at its best.
pub(crate) const BEST_CLIENTS: u16 = 0;

/// Shares of the capacity at which latency is measured, without the half, which has a
/// comparison of its own.
const STEADY_SHARES: [f64; 3] = [0.3, 0.7, 0.9];

/// The time in which pgbench connects is part of what it is given.
const PGBENCH_LEAST: Duration = Duration::from_secs(2);

/// Sizes and repetitions.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) block: Duration,
    pub(crate) pgbench_block: Duration,
    /// Times that two setups are measured A, B, B, A.
    pub(crate) quads: usize,
    /// Times that all crowds of the series are measured.
    rounds: usize,
    pub(crate) levels: Vec<u16>,
    pub(crate) crowd: u16,
    /// Whether a program of somebody's own is measured, too.
    pub(crate) has_own: bool,
}

/// A name, and setups that are measured one after the other, while no server runs but
/// theirs.
pub(crate) type Section = (&'static str, Vec<Setup>);

impl Plan {
    pub(crate) fn new(args: &BenchArgs) -> Self {
        let (block_ms, quads, rounds) = match args.quick {
            true => (600, 1, 2),
            false => (2_500, 4, 3),
        };
        let crowd = args.buyers_max.unwrap_or(CROWD).min(CROWD);
        let mut levels = LEVELS.map(|level| level.min(crowd)).to_vec();
        levels.dedup();
        let asked = args.rounds.map(usize::from);
        let block = Duration::from_millis(args.block_ms.unwrap_or(block_ms));
        let least = args.block_ms.map_or(PGBENCH_LEAST, Duration::from_millis);
        Self {
            block,
            pgbench_block: block.max(least),
            quads: asked.unwrap_or(quads),
            rounds: asked.unwrap_or(rounds),
            levels,
            crowd,
            has_own: args.server.is_some(),
        }
    }

    /// Open files that the largest crowd needs.
    pub(crate) fn connections(&self) -> u32 {
        (OVERLOAD_CROWDS * self.crowd).into()
    }

    fn setup(&self, arm: Arm, work: Work) -> Setup {
        Setup {
            arm,
            work,
            buyers: match work {
                Work::Refusals => REFUSED.min(self.crowd),
                Work::Overload => OVERLOAD_CROWDS * self.crowd,
                _ => self.crowd,
            },
            rate: (work == Work::Overload).then_some(OVERLOAD),
        }
    }

    /// All sections of a run in the order in which they are measured.
    pub(crate) fn sections(&self) -> Vec<Section> {
        use Arm::{Engine, EngineRedisDown, Hybrid, Naive, Own, Pessimistic, Static};
        use Work::{Burst, Orders, OrdersManySkus, Overload, Refusals, Steady};
        let engine = self.setup(Engine, Orders);
        let pgbench = |buyers| Setup {
            buyers,
            ..self.setup(Arm::Pgbench, Orders)
        };
        let steady = |share| Setup {
            rate: Some(share),
            ..self.setup(Engine, Steady)
        };
        // What drifts meets both alike.
        let compare = |name, a, b| (name, [a, b, b, a].repeat(self.quads));
        let arms =
            |name, work, a, b| compare(name, self.setup(a, work), self.setup(b, work));

        let mut sections = vec![
            arms("refusals", Refusals, Static, Engine),
            arms("hybrid-refusals", Refusals, Pessimistic, Hybrid),
            arms("static", Orders, Static, Engine),
            arms("same", Orders, Engine, Engine),
            compare("many-skus", engine, self.setup(Engine, OrdersManySkus)),
            arms("redis-down", Orders, Engine, EngineRedisDown),
            ("pgbench-clients", PGBENCH_CLIENTS.map(pgbench).to_vec()),
            compare("pgbench", pgbench(BEST_CLIENTS), engine),
            arms("hybrid", Orders, Hybrid, Engine),
            arms("pessimistic", Orders, Pessimistic, Engine),
        ];
        if self.has_own {
            sections.push(arms("own", Orders, Pessimistic, Own));
            sections.push(arms("own-refusals", Refusals, Pessimistic, Own));
        }
        let naive = [self.setup(Naive, Burst)];
        sections.extend([
            arms("burst", Burst, Pessimistic, Engine),
            arms("hybrid-burst", Burst, Pessimistic, Hybrid),
            ("burst-naive", naive.repeat(self.rounds)),
        ]);
        for round in 0..self.rounds {
            sections.extend(SERIES.map(|arm| ("series", self.levels_of(arm, round))));
        }
        sections.extend([
            ("steady", STEADY_SHARES.map(steady).repeat(self.rounds)),
            compare("half-load", pgbench(1), steady(0.5)),
            compare("overload", engine, self.setup(Engine, Overload)),
        ]);
        sections
    }

    /// All crowds of an arm; every second round the other way round.
    fn levels_of(&self, arm: Arm, round: usize) -> Vec<Setup> {
        let at_level = |buyers: &u16| Setup {
            buyers: *buyers,
            ..self.setup(arm, Work::Orders)
        };
        let mut setups: Vec<_> = self.levels.iter().map(at_level).collect();
        if round % 2 == 1 {
            setups.reverse();
        }
        setups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_measures_the_same_crowds_more_briefly() {
        let mut args = BenchArgs::default();
        let full = Plan::new(&args);
        args.quick = true;
        let quick = Plan::new(&args);
        assert_eq!(full.levels, [1, 16, 64, 256, 1_000]);
        assert_eq!(full.levels, quick.levels);
        assert!(quick.block < full.block && quick.quads < full.quads);
        let blocks = |plan: &Plan| plan.sections().iter().map(|it| it.1.len()).sum();
        let counts: [usize; 2] = [blocks(&full), blocks(&quick)];
        assert_eq!(counts, [298, 113]);
    }

    #[test]
    fn a_smaller_crowd_bounds_everything() {
        let plan = Plan::new(&BenchArgs {
            buyers_max: Some(20),
            ..BenchArgs::default()
        });
        assert_eq!(
            (&plan.levels[..], plan.connections()),
            (&[1, 16, 20][..], 60)
        );
        for work in [Work::Orders, Work::Refusals] {
            assert_eq!(plan.setup(Arm::Engine, work).buyers, 20);
        }
    }
}
