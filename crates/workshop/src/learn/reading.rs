//! The verbs that only read: list, show, why, hint, solution; and reset.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use flash_lab_crowd::error::Ending;

use super::place::{read, workshop, write};
use super::progress::Progress;
use crate::table::{Exercise, Table, root};

/// What there is, what was done, and the one command that comes next.
pub(crate) fn list(table: &Table, progress: &Progress) -> String {
    let mut text =
        "\nThe workshop: code that runs and is wrong, and a judge that says why.\n\n"
            .to_owned();
    for exercise in &table.exercises {
        let done = progress.exercises.get(&exercise.id);
        let state = match done {
            Some(done) if done.passed.is_some() => "passed",
            Some(done) if done.gave_up => "given up",
            Some(done) if done.checks > 0 => "not yet",
            Some(_) => "opened",
            None => "",
        };
        let (id, level, title) = (&exercise.id, exercise.level, &exercise.title);
        let minutes = exercise.minutes;
        let line = format!("  {id}  {level}  {title:<38} {minutes:>3} min  {state}");
        text += line.trim_end();
        text += "\n";
    }
    let next = table
        .exercises
        .iter()
        .find(|it| !progress.has_passed(&it.id));
    text + &match next {
        Some(next) if progress.exercises.contains_key(&next.id) => {
            format!("\n  next: ./just learn check {}\n", next.id)
        }
        Some(next) => format!("\n  next: ./just learn show {}\n", next.id),
        None => "\n  All of them hold. What is there to judge about your own shop? \
                 ./just judge --server PROGRAM\n"
            .to_owned(),
    }
}

/// The task, and which file it is about.
pub(crate) fn show(exercise: &Exercise) -> anyhow::Result<String> {
    let task = read(&exercise.exercise("task.md"))?;
    let file = exercise.exercise("strategy.rs");
    let chapter = chapter(exercise)?;
    Ok(format!(
        "{task}\n  read: {}\n  edit: {}\n  then: ./just learn check {}\n",
        chapter.display(),
        file.display(),
        exercise.id
    ))
}

/// The chapter that leads to an exercise, from the root of the workspace.
fn chapter(exercise: &Exercise) -> anyhow::Result<PathBuf> {
    let pages = Path::new("docs/book/src");
    let begin = format!("{}-", exercise.chapter);
    for entry in fs::read_dir(root().join(pages))? {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with(&begin) {
            return Ok(pages.join(name));
        }
    }
    bail!("there is no chapter {}", exercise.chapter)
}

/// The last verdict in full.
pub(crate) fn why(exercise: &Exercise) -> anyhow::Result<String> {
    let id = &exercise.id;
    let last = workshop(&format!("last/{id}.txt"));
    if !last.is_file() {
        bail!("nothing is known of {id} yet: ./just learn check {id}");
    }
    Ok(fs::read_to_string(&last)?)
}

/// The next of three hints.
pub(crate) fn hint(
    exercise: &Exercise,
    progress: &mut Progress,
) -> anyhow::Result<String> {
    let done = progress.open(&exercise.id);
    let position = done.hints.min(exercise.hints.len().saturating_sub(1));
    done.hints = position + 1;
    let hint = exercise.hints.get(position).context("there is no hint")?;
    progress.save()?;
    let more = exercise.hints.len() - position - 1;
    let more = match more {
        0 => format!("no more; ./just learn solution {} --give-up", exercise.id),
        more => format!("{more} more"),
    };
    Ok(format!("\n  hint {}: {hint}\n  ({more})\n", position + 1))
}

/// Puts an exercise back as it was released.
pub(crate) fn reset(exercise: &Exercise) -> anyhow::Result<String> {
    let (path, start) = (
        exercise.exercise("strategy.rs"),
        exercise.answer("start.rs"),
    );
    let (theirs, start) = (read(&path).unwrap_or_default(), read(&start)?);
    let id = &exercise.id;
    if theirs == start {
        return Ok(format!("  {id} is as it was released.\n"));
    }
    let time = chrono::Local::now().format("%Y%m%d-%H%M%S");
    let kept = workshop(&format!("attempts/{id}-{time}.rs"));
    write(&kept, &theirs)?;
    write(&root().join(&path), &start)?;
    Ok(format!(
        "  {id} is as it was released; what you wrote is kept in {}\n",
        kept.display()
    ))
}

/// A solution, and why it is one.
pub(crate) fn solution(
    exercise: &Exercise,
    progress: &mut Progress,
    give_up: bool,
) -> anyhow::Result<String> {
    let id = &exercise.id;
    if !progress.has_passed(id) && !give_up {
        let text = format!(
            "{id} has not passed yet: ./just learn hint {id}, or ./just learn solution {id} \
             --give-up"
        );
        return Err(Ending::Usage(text).into());
    }
    if !progress.has_passed(id) {
        progress.open(id).gave_up = true;
        progress.save()?;
    }
    let (code, why) = (exercise.answer("solution.rs"), exercise.answer("why.md"));
    Ok(format!("{}\n{}", read(&code)?, read(&why)?))
}
