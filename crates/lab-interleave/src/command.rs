//! `lab interleave`, from what was asked to what is told.

use flash_lab_crowd::{
    Ending as CommandEnding, JsonFile, Progress, Seller, Strategy, output,
};
use serde::Serialize;

use crate::cli::InterleaveArgs;
use crate::explore::{Exploration, Matrix, explore};
use crate::schedule::Schedule;
use crate::stage::{Finish, Stage, start_stores};
use crate::text;

/// Where more than one strategy was asked for.
#[derive(Serialize)]
struct Runs<'a> {
    runs: &'a [Exploration],
}

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
    let json = args.json.take().map(JsonFile::open).transpose()?;
    let sellers = args.sellers.sellers(&Strategy::ALL)?;
    let progress = Progress::start();
    progress.step("starting private stores");
    let stores = start_stores().await?;
    let mut runs = Vec::new();
    for seller in &sellers {
        progress.step(&format!("{seller}: starting two servers"));
        let mut stage = Stage::open(stores.clone(), seller).await?;
        runs.push(match &args.schedule {
            Some(schedule) => replay(&mut stage, schedule).await?,
            None => {
                let count = |number| {
                    progress.follow(format_args!("{seller}: {number} schedules"));
                };
                explore(&mut stage, count).await?
            }
        });
    }
    progress.step("removing what was started");
    drop(stores);
    drop(progress);

    if let Some(json) = &json {
        match runs.as_slice() {
            [run] => json.write(run)?,
            runs => json.write(&Runs { runs })?,
        }
    }
    let look = output::look_beside_json(json.as_ref());
    output::beside_json(json.as_ref(), &text::explorations(&runs, &look))?;
    let is_replay = args.schedule.is_some();
    let broken: Vec<_> = sellers
        .iter()
        .zip(&runs)
        .filter_map(|(seller, run)| {
            let broken = broken_promise(seller, &run.matrix, is_replay)?;
            Some(format!("{seller}: {broken}"))
        })
        .collect();
    if !broken.is_empty() {
        let text = format!("not as promised: {}", broken.join("; "));
        return Err(CommandEnding::NotAsPromised(text).into());
    }
    let mended = sellers.iter().zip(&runs).find(|(seller, run)| {
        !is_replay && is_naive(seller) && run.matrix.oversold == 0
    });
    match mended {
        Some((_, run)) => Err(better_than_promised(&run.matrix).into()),
        None => Ok(()),
    }
}

fn better_than_promised(matrix: &Matrix) -> CommandEnding {
    CommandEnding::BetterThanPromised(format!(
        "better than promised: phase 1 is there to oversell, and in none of {} orders of \
         steps it did; scripts see exit code 3",
        matrix.schedules
    ))
}

/// Plays one schedule.
async fn replay(stage: &mut Stage, schedule: &Schedule) -> anyhow::Result<Exploration> {
    let transcript = stage.play(schedule, Finish::Both).await?;
    let mut exploration = Exploration::new(stage.seller().to_string());
    exploration.add(&transcript);
    Ok(exploration)
}

fn is_naive(seller: &Seller) -> bool {
    seller.strategy() == Some(Strategy::Naive)
}

/// Naive oversells in some order, or was mended; then it is like the others, which sell
/// the unit once in every order.
fn broken_promise(seller: &Seller, matrix: &Matrix, is_replay: bool) -> Option<String> {
    let is_as_it_was = is_replay || matrix.oversold > 0;
    if is_naive(seller) && is_as_it_was {
        return None;
    }
    let wrong = matrix.schedules - matrix.exact;
    (wrong > 0).then(|| {
        format!(
            "{wrong} of {} schedules did not sell the unit exactly once",
            matrix.schedules
        )
    })
}
