//! `lab bench`: what the strategies bring, against each other and against what the
//! machine could do at most.

mod arm;
mod block;
mod books;
mod counters;
mod environment;
mod load;
mod markdown;
mod page;
mod percentiles;
mod pgbench;
mod plan;
mod plot;
mod ratios;
mod result;
mod scalability;
mod session;
mod shop;
mod statistics;
mod table;
mod world;

use crate::cli::BenchArgs;
use crate::error::Ending;
use crate::json_file::JsonFile;
use crate::progress::Progress;
use crate::{open_files, report};

use environment::Environment;
use plan::Plan;
use result::Report;
use session::Session;
use world::World;

/// Runs `lab bench`.
///
/// # Errors
///
/// Whatever keeps a block from taking place, or an exact strategy whose books are wrong.
/// A target that is missed is a result, not an error.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn run(mut args: BenchArgs) -> anyhow::Result<()> {
    let json = args.json.take().map(JsonFile::open).transpose()?;
    let html = args.html.take().map(JsonFile::open).transpose()?;
    let plan = Plan::new(&args);
    open_files::raise_for(plan.connections())?;

    let progress = Progress::start();
    progress.step("starting private stores");
    let world = World::start().await?;
    progress.note(&world.sandbox.announce());
    let environment = Environment::of(&world, &plan).await?;
    let mut session = Session::new(world, &plan, &progress);
    session.run().await?;
    progress.step("removing what was started");
    let Session {
        world, measured, ..
    } = session;
    drop(world);
    drop(progress);

    let result = Report::new(args.quick, environment, measured, &plan);
    report::beside_json(json.as_ref(), &table::terminal(&result))?;
    if let Some(json) = &json {
        json.write(&result)?;
    }
    if let Some(html) = &html {
        html.write_text(&page::html(&result))?;
    }
    if let Some(path) = &args.markdown {
        markdown::write(path, &result)?;
    }
    match result.violations {
        0 => Ok(()),
        violations => Err(Ending::NotAsPromised(format!(
            "{violations} blocks of exact strategies have books that do not balance"
        ))
        .into()),
    }
}
