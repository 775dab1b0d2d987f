//! What `chaos` is asked for.

use std::path::PathBuf;

use clap::{Args as ClapArgs, value_parser};

use super::Strategy;

/// What `chaos` is asked for.
#[derive(Debug, ClapArgs)]
pub struct ChaosArgs {
    /// Runs, 1 to 100000; each takes some seconds and has stores of its own
    #[arg(long, default_value_t = DEFAULT_RUNS, value_name = "N",
          value_parser = value_parser!(u32).range(1..=100_000))]
    pub runs: u32,

    /// Seed of the first run; each further run takes the next number
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,

    /// Who sells
    #[arg(long, value_enum, value_name = "STRATEGY", default_value_t = Strategy::Hybrid)]
    pub strategy: Strategy,

    /// Requests in one transaction of hybrid at most; 1 is the textbook hybrid
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=10_000))]
    pub batch_max: Option<u16>,

    /// File for the result as JSON, - for standard output (the summary then goes to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
}

/// Enough to meet each kind of fault.
pub const DEFAULT_RUNS: u32 = 10;

pub(super) const EXAMPLES: &str = "\
Examples:
  lab chaos --runs 200 --seed 1
  lab chaos --runs 1 --seed 42              the same faults at the same times once more
  lab chaos --batch-max 1                   the textbook hybrid
  lab chaos --strategy naive --runs 3       violations, exit code 3

A seed settles what is sold, who is how patient, and which fault comes when; how the
processes then race is theirs. A violation is told with its seed, the schedule, and what
was asked and answered.

Exit codes: 0 no violation, 1 error, 2 usage, 3 a violation, 69 a needed program is missing";
