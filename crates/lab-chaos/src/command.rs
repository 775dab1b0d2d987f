//! `lab chaos`, from what was asked to what is told.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, value_parser};
use flash_lab_crowd::open_files;
use flash_lab_crowd::{Ending, JsonFile, Progress, Seller, SellerArgs, Strategy};

use crate::result::Chaos;
use crate::run::carry_out;
use crate::way::Way;
use crate::world::Recipe;
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

    /// Who sells, one at a time; where nobody is named, the engine.
    #[command(flatten)]
    pub sellers: SellerArgs,

    /// Requests in one transaction of the engine at most; 1 commits for each winner alone
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=10_000))]
    pub batch_max: Option<u16>,

    /// What servers speak to PostgreSQL over
    #[arg(long, value_enum, default_value_t, value_name = "WAY")]
    pub postgresql: Way,

    /// A Redis of your own for the engine, in any form of `server --help`: it is not broken,
    /// all else is
    #[arg(
        long,
        env = "CHAOS_REDIS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub redis_url: Option<String>,

    /// File for the result as JSON, - for standard output (the summary then goes to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
}

/// Enough to meet each kind of fault.
const DEFAULT_RUNS: u32 = 10;

/// Ends the help.
pub const EXAMPLES: &str = "\
Examples:
  lab chaos --runs 200 --seed 1
  lab chaos --runs 1 --seed 42              the same faults at the same times once more
  lab chaos --strategy hybrid --runs 50     permits that die come back with the next gate
  lab chaos --strategy naive --runs 3       violations, exit code 3
  lab chaos --postgresql tls                the same faults, behind TLS
  lab chaos --server ./my-server --runs 3   a program of your own: nobody cancels or restocks

A seed settles what is sold, who is how patient, and which fault comes when; how the
processes then race is theirs. A violation is told with its seed, the schedule, and what
was asked and answered.

With --redis-url the faults are those of servers and PostgreSQL, and the gates stay behind.

Hybrid is held to what it promises: its gates live for 500 ms here, and for so long it may
refuse for units that are only held, or whose permit died, or an owner whose order it does
not know of. An oversell, a second order or wrong books are never forgiven, nor is a unit
that cannot be bought once the gate has expired.

Exit codes: 0 no violation, 1 error, 2 usage, 3 a violation, 69 a needed program is missing";
/// Buyers have a connection to each instance, and each server is behind two proxies.
const OPEN_FILES: u32 = 2_000;

/// Runs `lab chaos`.
///
/// # Errors
///
/// Whatever keeps a run from taking place, or a violation.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn run(mut args: ChaosArgs) -> anyhow::Result<()> {
    let json = JsonFile::open(args.json.take())?;
    open_files::raise_for(OPEN_FILES)?;
    let sellers = args.sellers.sellers(&[Strategy::Engine])?;
    let [seller] = <[Seller; 1]>::try_from(sellers).map_err(|all| {
        Ending::Usage(format!("chaos has one seller at a time, not {}", all.len()))
    })?;
    if args.redis_url.is_some() && !seller.is(Strategy::Engine) {
        let text =
            "--redis-url is for the engine: leave it out, or take --strategy engine";
        bail!(Ending::Usage(text.to_owned()));
    }
    let began = Instant::now();
    let progress = Progress::start();
    let mut chaos = Chaos::new(&seller, args.batch_max);
    let recipe = Recipe {
        seller,
        batch_max: args.batch_max,
        way: args.postgresql,
        redis_url: args.redis_url,
    };
    let runs = args.runs;
    for number in 1..=runs {
        let seed = args.seed.wrapping_add(u64::from(number - 1));
        progress.step(&format!("run {number}/{runs}: seed {seed}"));
        let run = carry_out(&recipe, seed, &progress)
            .await
            .with_context(|| format!("the run with seed {seed} did not take place"))?;
        progress.note(&format!("run {number}/{runs}: {run}"));
        chaos.add(run);
        chaos.seconds = began.elapsed().as_secs_f64();
        if let JsonFile::Path(_) = json {
            // What was found so far survives an interruption.
            json.write(&chaos)?;
        }
    }
    drop(progress);
    json.write(&chaos)?;
    json.tell(|_| format!("{chaos}\n"))?;
    let seeds = chaos.seeds_of_violations();
    if !seeds.is_empty() {
        bail!(Ending::NotAsPromised(format!(
            "violations in {} of {runs} runs; repeat one with --runs 1 and --seed {}",
            seeds.len(),
            seeds.join(" or ")
        )));
    }
    Ok(())
}
