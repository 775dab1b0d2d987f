//! `lab bench`, from what was asked to what is told.

use anyhow::ensure;
use flash_lab_crowd::{Ending, JsonFile, Progress, Seller, open_files};

use crate::cli::BenchArgs;
use crate::environment::Environment;
use crate::plan::Plan;
use crate::result::Report;
use crate::tables::Tables;
use crate::world::World;
use crate::{counters, page, session};

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
    let json = JsonFile::open(args.json.take())?;
    let html = JsonFile::open(args.html.take())?;
    let plan = Plan::new(&args);
    let own = args.server.as_deref().map(Seller::own).transpose()?;
    open_files::raise_for(plan.connections())?;

    let progress = Progress::start();
    progress.step("looking whether this machine is busy");
    if let Some(warning) = counters::busy_share().await.and_then(busy_warning) {
        progress.note(&warning);
    }
    let mut world = World::start(own, &progress).await?;
    let environment = Environment::of(&world, &plan).await?;
    let measured = session::run(&mut world, &plan, &progress).await?;
    progress.step("removing what was started");
    drop(world);
    drop(progress);

    let result = Report::new(environment, measured, (&plan, args.quick))?;
    json.write(&result)?;
    let tables = Tables::of(&result)?;
    json.tell(|look| tables.terminal(look))?;
    html.write_text(&page::html(&result, &tables)?)?;
    if let Some(path) = &args.markdown {
        tables.write_markdown(path)?;
    }
    let violations = result.violations;
    let broken = "blocks of exact strategies have books that do not balance";
    let told = format!("{violations} {broken}");
    ensure!(violations == 0, Ending::NotAsPromised(told));
    Ok(())
}

/// A machine at rest has this share of its processor time taken, with some to spare.
const BUSY_SHARE: f64 = 0.1;

fn busy_warning(busy_share: f64) -> Option<String> {
    (busy_share > BUSY_SHARE).then(|| {
        format!(
            "this machine is busy: {:.0} % of its processor time goes to something else, \
             which widens every interval; Ctrl-C, end it, and begin again for better \
             numbers",
            busy_share * 100.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_is_told_and_one_at_rest_is_not() {
        assert_eq!(busy_warning(0.04), None);
        let warning = busy_warning(0.625).expect("a warning");
        assert!(warning.contains("62 %"), "{warning}");
    }
}
