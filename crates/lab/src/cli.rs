//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use flash_core::Sku;
use flash_lab_bench::BenchArgs;
use flash_lab_chaos::ChaosArgs;
use flash_lab_crowd::{SellerArgs, StoreArgs, TermArgs};
use flash_lab_interleave::InterleaveArgs;
use flash_lab_judge::JudgeArgs;
use flash_lab_page::{PageArgs, ReportArgs};

/// Shows what flash-sale strategies promise, and counts whether they keep it.
#[derive(Debug, Parser)]
#[command(name = "lab", version, after_help = EXIT_CODES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the lab can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sell the same units once per strategy and count who oversells
    #[command(after_help = DEMO_EXAMPLES)]
    DemoOversell(DemoArgs),
    /// Show a sale live in the browser, and the race step by step
    #[command(after_help = flash_lab_page::EXAMPLES)]
    Page(PageArgs),
    /// Write a sale of all phases as one HTML file
    #[command(after_help = flash_lab_page::REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Sell while servers, stores and connections break, and judge what comes of it
    #[command(after_help = flash_lab_chaos::EXAMPLES)]
    Chaos(ChaosArgs),
    /// Measure what each strategy can do, against the others and the machine's limit
    #[command(after_help = flash_lab_bench::EXAMPLES)]
    Bench(BenchArgs),
    /// Let two buyers of one unit take their steps in every possible order
    #[command(after_help = flash_lab_interleave::EXAMPLES)]
    Interleave(InterleaveArgs),
    /// Judge a server, ours or yours, and say why it is wrong
    #[command(after_help = flash_lab_judge::EXAMPLES)]
    Judge(JudgeArgs),
    /// Count the books of a database: oversold, lost updates, lost units; never writes
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(AuditArgs),
    /// List what this machine has and lacks, and what each thing is needed for
    Doctor,
}

/// What `demo-oversell` is asked for.
#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// What the sale has.
    #[command(flatten)]
    pub terms: TermArgs,

    /// Who sells; where nobody is named, all four strategies.
    #[command(flatten)]
    pub sellers: SellerArgs,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,

    /// The stores; those that are not given are started and removed at the end.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What `audit` is asked for.
#[derive(Debug, ClapArgs)]
pub struct AuditArgs {
    /// Audit this SKU only [default: all]
    #[arg(long)]
    pub sku: Option<Sku>,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,

    /// The stores of the sale; Redis only for the drift of the gate.
    #[command(flatten)]
    pub stores: StoreArgs,

    /// What the keys of its servers begin with in Redis
    #[arg(long, env = "REDIS_PREFIX", default_value = flash_engine::PREFIX,
          value_name = "TEXT")]
    pub redis_prefix: String,
}

const DEMO_EXAMPLES: &str = "\
Examples:
  lab demo-oversell                                 100 units, 1000 buyers, all four
  lab demo-oversell --strategy naive --units 1      one unit is enough
  lab demo-oversell --units 1000                    tells phase 3 and the engine apart
  lab demo-oversell --server ./my-server            a program of your own
  lab demo-oversell --buyers 5000 --json out.json
  lab demo-oversell --json - | jq '.runs[].audit.verdict'

Without --database-url (or --redis-url) a private PostgreSQL (or Redis) is started and
removed at the end. A database that is given keeps one SKU demo-… and its orders per run.

Times are in milliseconds, counted from the moment that releases all buyers at once.
Exit codes: 0 each strategy did as promised, 1 error, 2 usage, 3 one did not (also where
phase 1 was mended and does not oversell), 69 a needed program is missing";

const AUDIT_EXAMPLES: &str = "\
Examples:
  lab audit --database-url postgres://shop@db/shop
  DATABASE_URL=… REDIS_URL=… lab audit --sku tee --json -

Exit codes: 0 every SKU is exact, 1 error, 2 usage, 3 one is not";

const EXIT_CODES: &str = "\
Exit codes: 0 as promised, 1 error, 2 usage, 3 an invariant is violated (or the promised
oversell did not happen), 69 a needed program is missing";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
