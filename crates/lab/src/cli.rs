//! The command line.

mod bench;
mod chaos;
mod page;

use std::fmt;
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use flash_core::Sku;

pub use bench::{BenchArgs, StaticRouteArgs};
pub use chaos::{ChaosArgs, DEFAULT_RUNS};
pub use page::{PageArgs, ReportArgs, TermArgs};

use crate::interleave::Schedule;

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
    #[command(after_help = page::EXAMPLES)]
    Page(PageArgs),
    /// Write a sale of all phases as one HTML file
    #[command(after_help = page::REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Sell while servers, stores and connections break, and judge what comes of it
    #[command(after_help = chaos::EXAMPLES)]
    Chaos(ChaosArgs),
    /// Measure what each strategy can do, against the others and the machine's limit
    #[command(after_help = bench::EXAMPLES)]
    Bench(BenchArgs),
    /// Answer every order with the same bytes: the ceiling that `bench` measures
    #[command(hide = true)]
    StaticRoute(StaticRouteArgs),
    /// Let two buyers of one unit take their steps in every possible order
    #[command(after_help = INTERLEAVE_EXAMPLES)]
    Interleave(InterleaveArgs),
    /// Count the books of a database: oversold, lost updates, lost units; never writes
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(AuditArgs),
    /// List what this machine has and lacks, and what each thing is needed for
    Doctor,
}

/// Where the stores are; a command says what it does without.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct StoreArgs {
    /// PostgreSQL
    #[arg(
        long,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "postgres://USER:PASSWORD@HOST/DATABASE"
    )]
    pub database_url: Option<String>,

    /// Redis, or Valkey; for a socket `redis+unix:///PATH`
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "redis://HOST:PORT"
    )]
    pub redis_url: Option<String>,
}

impl StoreArgs {
    /// A variable that is set to nothing gives no store.
    #[must_use]
    pub fn without_empty(self) -> Self {
        let given = |url: Option<String>| url.filter(|url| !url.trim().is_empty());
        Self {
            database_url: given(self.database_url),
            redis_url: given(self.redis_url),
        }
    }
}

/// What `demo-oversell` is asked for.
#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// What the sale has.
    #[command(flatten)]
    pub terms: TermArgs,

    /// Who sells; can be given several times
    #[arg(long = "strategy", value_enum, value_name = "STRATEGY",
          default_values_t = Strategy::value_variants().to_vec())]
    pub strategies: Vec<Strategy>,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,

    /// The stores; those that are not given are started and removed at the end.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What `interleave` is asked for.
#[derive(Debug, ClapArgs)]
pub struct InterleaveArgs {
    /// Who sells; can be given several times
    #[arg(long = "strategy", value_enum, value_name = "STRATEGY",
          default_values_t = Strategy::value_variants().to_vec())]
    pub strategies: Vec<Strategy>,

    /// Play this one only: whose turn it is, step by step, 1 or 2
    #[arg(long, value_name = "TURNS")]
    pub schedule: Option<Schedule>,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
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
}

/// A strategy of the server, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// Read, decide, write: oversells
    Naive,
    /// SELECT … FOR UPDATE: exact, one buyer at a time
    Pessimistic,
    /// Redis counts down first, then FOR UPDATE: exact, and the crowd never reaches the row
    Hybrid,
    /// Hybrid for a real sale: one transaction for all that wait, safe under crashes
    Engine,
}

impl Strategy {
    /// The steps of the lesson, in their order.
    pub const PHASES: [Self; 3] = [Self::Naive, Self::Pessimistic, Self::Hybrid];

    /// Whether its server asks Redis.
    #[must_use]
    pub fn uses_redis(self) -> bool {
        matches!(self, Self::Hybrid | Self::Engine)
    }

    /// The name as it stands on the command line of the server.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::Pessimistic => "pessimistic",
            Self::Hybrid => "hybrid",
            Self::Engine => "engine",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A hundred units: more than one page of winners, few enough to picture.
pub const DEFAULT_UNITS: u32 = 100;

/// Ten for each unit.
pub const DEFAULT_BUYERS: u32 = 1000;

/// As many buyers as can be inside a transaction at once: what makes the race.
pub const DEFAULT_POOL_SIZE: u16 = 32;

const DEMO_EXAMPLES: &str = "\
Examples:
  lab demo-oversell                                 100 units, 1000 buyers, all four
  lab demo-oversell --strategy naive --units 1      one unit is enough
  lab demo-oversell --units 1000                    tells phase 3 and the engine apart
  lab demo-oversell --buyers 5000 --json out.json
  lab demo-oversell --json - | jq '.runs[].audit.verdict'

Without --database-url (or --redis-url) a private PostgreSQL (or Redis) is started and
removed at the end. A database that is given keeps one SKU demo-… and its orders per run.

Times are in milliseconds, counted from the moment that releases all buyers at once.
Exit codes: 0 each strategy did as promised, 1 error, 2 usage, 3 one did not (also where
phase 1 was mended and does not oversell), 69 a needed program is missing";

const INTERLEAVE_EXAMPLES: &str = "\
Examples:
  lab interleave --strategy naive           every order, and the shortest one that
                                            oversells, which is this one:
  lab interleave --strategy naive --schedule 111222222111
  lab interleave --strategy hybrid --json - | jq .matrix

Each buyer has a server of its own; a proxy between the servers and the stores holds
each statement until its turn. A step is a statement of the transaction that sells, or the
question to Redis; whatever else a server says to its stores passes at once. A buyer who
waits for a lock is seen to wait, and the other one goes on; the step ends by itself when
the lock is free. A turn of a buyer who waits or is done passes to the other one. After the
last turn the first buyer goes on whenever there is a choice, until both have answers.

refused early: a buyer was refused, and nobody waited for a lock. Hybrid refuses at once
whom Redis does not admit, also while the unit is only held; the engine lets such a buyer
wait for the word of PostgreSQL. Hybrid's gates live for ten minutes here, so that no clock
decides.
JSON: one object for one strategy, {\"runs\":[…]} for several; with --schedule the matrix
counts this one schedule. `sql` is what was sent, `readable` is at most 160 characters.

Exit codes: 0 naive oversold in some order (not asked with --schedule), the others in
none, 1 error, 2 usage, 3 not as promised, 69 a needed program is missing";

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

    #[test]
    fn without_strategies_the_phases_sell_in_their_order_and_then_the_engine() {
        let args = Args::parse_from(["lab", "demo-oversell"]);
        let Command::DemoOversell(demo) = args.command else {
            panic!("another command");
        };
        let names: Vec<_> = demo.strategies.iter().map(|it| it.as_str()).collect();
        assert_eq!(names, ["naive", "pessimistic", "hybrid", "engine"]);
    }

    #[test]
    fn the_help_names_a_strategy_as_the_server_does() {
        for strategy in Strategy::value_variants() {
            let value = strategy.to_possible_value().expect("none is hidden");
            assert_eq!(value.get_name(), strategy.as_str());
        }
    }
}
