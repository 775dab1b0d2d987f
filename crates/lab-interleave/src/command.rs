//! `lab interleave`, from what was asked to what is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use flash_lab_crowd::{
    Ending as CommandEnding, JsonFile, Look, Progress, Seller, SellerArgs, Strategy,
};
use serde::Serialize;

use crate::explore::{Exploration, Matrix, explore};
use crate::schedule::{Finish, Schedule};
use crate::stage::{Stage, start_stores};
use crate::text;

/// What `interleave` is asked for.
#[derive(Debug, ClapArgs)]
pub struct InterleaveArgs {
    /// Who sells; where nobody is named, all four strategies.
    #[command(flatten)]
    pub sellers: SellerArgs,

    /// Play this one only: whose turn it is, step by step, 1 or 2
    #[arg(long, value_name = "TURNS")]
    pub schedule: Option<Schedule>,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
}

/// Ends the help.
pub const EXAMPLES: &str = include_str!("examples.txt");

/// Runs `lab interleave`.
///
/// # Errors
///
/// Whatever keeps a schedule from being played, or a strategy that broke its promise.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn run(mut args: InterleaveArgs) -> anyhow::Result<()> {
    let json = JsonFile::open(args.json.take())?;
    let sellers = args.sellers.sellers(&Strategy::ALL)?;
    let progress = Progress::start();
    progress.step("starting private stores");
    let stores = start_stores().await?;
    let mut runs = Vec::new();
    for seller in &sellers {
        progress.step(&format!("{seller}: starting two servers"));
        let mut stage = Stage::open(stores.clone(), seller).await?;
        let count = |number| {
            progress.follow(format_args!("{seller}: {number} schedules"));
        };
        let transcripts = match &args.schedule {
            Some(schedule) => vec![stage.play(schedule, Finish::Both).await?],
            None => explore(&mut stage, count).await?,
        };
        runs.push(Exploration::of(&stage, &transcripts));
    }
    progress.step("removing what was started");
    drop(stores);
    drop(progress);
    tell(&json, &runs, |look| text::explorations(&runs, look))?;

    let is_replay = args.schedule.is_some();
    let runs = || sellers.iter().zip(&runs);
    let broken = runs().filter_map(|(seller, run)| {
        let broken = broken_promise(seller, &run.matrix, is_replay)?;
        Some(format!("{seller}: {broken}"))
    });
    let broken: Vec<_> = broken.collect();
    if !broken.is_empty() {
        let text = format!("not as promised: {}", broken.join("; "));
        return Err(CommandEnding::NotAsPromised(text).into());
    }
    let is_mended = |(seller, run): &(&Seller, &Exploration)| {
        !is_replay && is_naive(seller) && run.matrix.oversold == 0
    };
    match runs().find(is_mended) {
        Some((_, run)) => Err(CommandEnding::BetterThanPromised(format!(
            "better than promised: phase 1 is there to oversell, and in none of {} orders \
             of steps it did; scripts see exit code 3",
            run.matrix.schedules
        ))
        .into()),
        None => Ok(()),
    }
}

/// Tells what came of each seller: as JSON where that was asked for, and to read.
///
/// # Errors
///
/// Nobody takes it.
pub fn tell<T: Serialize>(
    json: &JsonFile,
    runs: &[T],
    text: impl FnOnce(&Look) -> String,
) -> anyhow::Result<()> {
    match runs {
        [run] => json.write(run)?,
        runs => json.write(&BTreeMap::from([("runs", runs)]))?,
    }
    json.tell(text)
}

fn is_naive(seller: &Seller) -> bool {
    seller.is(Strategy::Naive)
}

/// Naive oversells in some order, or was mended; then it is like the others, which sell
/// the unit once in every order.
fn broken_promise(seller: &Seller, matrix: &Matrix, is_replay: bool) -> Option<String> {
    let is_as_it_was = is_replay || matrix.oversold > 0;
    let wrong = matrix.schedules - matrix.exact;
    if wrong == 0 || (is_naive(seller) && is_as_it_was) {
        return None;
    }
    Some(format!(
        "{wrong} of {} schedules did not sell the unit exactly once",
        matrix.schedules
    ))
}
