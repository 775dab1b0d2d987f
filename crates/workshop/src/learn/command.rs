//! From what was asked to what is said.

use flash_lab_crowd::error::Ending;
use flash_lab_crowd::output::to_stdout;

use super::cli::Verb;
use super::place::{from_caller, refuse_windows_drive};
use super::progress::Progress;
use super::{checking, playing, predicting, reading, recording, report, stick};
use crate::table::{Exercise, Table};

/// Does what was asked for.
///
/// # Errors
///
/// The exit code is that of [`flash_lab_crowd::error::exit_code`].
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn run(verb: Option<Verb>) -> anyhow::Result<()> {
    refuse_windows_drive()?;
    let table = Table::read()?;
    let find = |name: &str| -> anyhow::Result<&Exercise> {
        table
            .find(name)
            .map_err(|it| Ending::Usage(it.to_string()).into())
    };
    let mut progress = Progress::read()?;
    let text = match verb.unwrap_or(Verb::List) {
        Verb::List => reading::list(&table, &progress),
        Verb::Show { exercise } => {
            let exercise = find(&exercise)?;
            progress.open(&exercise.id);
            progress.save()?;
            reading::show(exercise)?
        }
        Verb::Check { exercise } => {
            return checking::check(&table, find(&exercise)?).await;
        }
        Verb::Why {
            exercise,
            page: true,
        } => return playing::play(find(&exercise)?).await,
        Verb::Why { exercise, .. } => reading::why(find(&exercise)?)?,
        Verb::Hint { exercise } => reading::hint(find(&exercise)?, &mut progress)?,
        Verb::Reset { all: true, .. } => {
            let each = table.exercises.iter().map(reading::reset);
            each.collect::<anyhow::Result<String>>()?
        }
        Verb::Reset { exercise, .. } => {
            reading::reset(find(&exercise.unwrap_or_default())?)?
        }
        Verb::Predict {
            chapter,
            prediction,
        } => return predicting::predict(&chapter, &prediction),
        Verb::Run { chapter } => return predicting::run(&chapter),
        Verb::Solution { exercise, give_up } => {
            reading::solution(find(&exercise)?, &mut progress, give_up)?
        }
        Verb::Report { folder } => {
            report::report(&table, &progress, &from_caller(&folder))?
        }
        Verb::Class { folder } => report::class(&table, &from_caller(&folder))?,
        Verb::Stick { folder } => stick::write(&from_caller(&folder))?,
        Verb::Record { id, command } => recording::record(&id, &command)?,
    };
    to_stdout(&text)
}
