//! `lab chaos`, from what was asked to what is told.

use std::time::Instant;

use anyhow::Context;
use flash_lab_crowd::{
    Ending, JsonFile, Progress, Seller, Strategy, open_files, output,
};

use crate::cli::ChaosArgs;
use crate::result::Chaos;
use crate::run::carry_out;
use crate::world::Recipe;

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
    let json = args.json.take().map(JsonFile::open).transpose()?;
    open_files::raise_for(OPEN_FILES)?;
    let sellers = args.sellers.sellers(&[Strategy::Engine])?;
    let [seller] = <[Seller; 1]>::try_from(sellers).map_err(|all| {
        Ending::Usage(format!("chaos has one seller at a time, not {}", all.len()))
    })?;
    if args.redis_url.is_some() && !seller.is(Strategy::Engine) {
        return Err(Ending::Usage(
            "--redis-url is for the engine: leave it out, or take --strategy engine"
                .to_owned(),
        )
        .into());
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
    for number in 0..args.runs {
        let seed = args.seed.wrapping_add(u64::from(number));
        let plan = recipe.plan(seed);
        progress.step(&format!("run {}/{}: seed {seed}", number + 1, args.runs));
        let run = carry_out(recipe.clone(), plan, &progress)
            .await
            .with_context(|| format!("the run with seed {seed} did not take place"))?;
        progress.note(&format!("run {}/{}: {run}", number + 1, args.runs));
        chaos.add(run);
        chaos.seconds = began.elapsed().as_secs_f64();
        if let Some(json @ JsonFile::Path(_)) = &json {
            // What was found so far survives an interruption.
            json.write(&chaos)?;
        }
    }
    drop(progress);
    if let Some(json) = &json {
        json.write(&chaos)?;
    }
    output::beside_json(json.as_ref(), &format!("{chaos}\n"))?;
    match chaos.seeds_of_violations().as_slice() {
        [] => Ok(()),
        seeds => Err(Ending::NotAsPromised(format!(
            "violations in {} of {} runs; repeat one with --runs 1 and --seed {}",
            seeds.len(),
            args.runs,
            seeds.join(" or ")
        ))
        .into()),
    }
}
