//! How much is measured: for a look, for a report, for a test.

use std::time::Duration;

use crate::arm::SERIES;
use crate::cli::BenchArgs;

/// The largest crowd.
pub(crate) const CROWD: usize = 1_000;

/// Who asks once everything is sold: enough to keep both sides busy.
const REFUSED: usize = 256;

/// Connections of the overload: three crowds.
const OVERLOAD_CROWDS: usize = 3;

/// Times the capacity that is offered in the overload.
pub(crate) const OVERLOAD: f64 = 3.0;

/// SKUs of the work over many.
pub(crate) const MANY_SKUS: u64 = 1_000;

/// Units of the burst.
pub(crate) const BURST_UNITS: u64 = 100;

/// Buyers of the series.
const LEVELS: [usize; 5] = [1, 16, 64, 256, CROWD];

/// Clients of pgbench.
pub(crate) const PGBENCH_CLIENTS: [usize; 3] = [1, 8, 64];

/// Shares of the capacity at which latency is measured, without the half, which has a
/// comparison of its own.
pub(crate) const STEADY_SHARES: [f64; 3] = [0.3, 0.7, 0.9];

/// Sections that compare two setups.
const COMPARISONS: usize = 13;

/// The same for a program of somebody's own.
const OWN_COMPARISONS: usize = 2;

/// Bursts of naive in a round, which are shown and not compared.
const BURSTS_SHOWN: usize = 1;

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
    pub(crate) rounds: usize,
    pub(crate) levels: Vec<usize>,
    pub(crate) crowd: usize,
    pub(crate) refused: usize,
    pub(crate) overload_crowd: usize,
    /// Whether a program of somebody's own is measured, too.
    pub(crate) has_own: bool,
}

impl Plan {
    pub(crate) fn new(args: &BenchArgs) -> Self {
        let (block_ms, quads, rounds) = if args.quick {
            (600, 1, 2)
        } else {
            (2_500, 4, 3)
        };
        let crowd = args.buyers_max.map_or(CROWD, usize::from).min(CROWD);
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
            refused: REFUSED.min(crowd),
            overload_crowd: OVERLOAD_CROWDS * crowd,
            has_own: args.server.is_some(),
        }
    }

    /// How many blocks a whole run has.
    pub(crate) fn blocks(&self) -> usize {
        let series = SERIES.len() * self.levels.len();
        let per_round = series + BURSTS_SHOWN + STEADY_SHARES.len();
        let own = if self.has_own { OWN_COMPARISONS } else { 0 };
        (COMPARISONS + own) * 4 * self.quads
            + PGBENCH_CLIENTS.len()
            + per_round * self.rounds
    }

    /// Open files that the largest crowd needs.
    pub(crate) fn connections(&self) -> u32 {
        self.overload_crowd.try_into().unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: BenchArgs,
    }

    fn plan(arguments: &[&str]) -> Plan {
        let line = ["bench"].iter().chain(arguments);
        Plan::new(&Line::parse_from(line).args)
    }

    #[test]
    fn a_quick_run_measures_the_same_crowds_more_briefly() {
        let (full, quick) = (plan(&[]), plan(&["--quick"]));
        assert_eq!(full.levels, [1, 16, 64, 256, 1_000]);
        assert_eq!(full.levels, quick.levels);
        assert!(quick.block < full.block && quick.quads < full.quads);
        assert_eq!((full.blocks(), quick.blocks()), (298, 113));
    }

    #[test]
    fn a_smaller_crowd_bounds_everything() {
        let plan = plan(&["--buyers-max", "20"]);
        assert_eq!(plan.levels, [1, 16, 20]);
        assert_eq!(
            (plan.crowd, plan.refused, plan.overload_crowd),
            (20, 20, 60)
        );
    }
}
