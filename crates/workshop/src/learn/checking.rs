//! `learn check`: builds an exercise, has it judged, and says what came of it.

use std::env;
use std::ffi::OsString;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};
use flash_lab_crowd::error::Ending;
use flash_lab_crowd::look::wrapped;
use flash_lab_crowd::output::to_stdout;
use flash_lab_crowd::progress::Progress as Shown;
use flash_lab_crowd::seller::Seller;
use flash_lab_interleave::{start_stores, to_text};
use flash_lab_judge::{Verdict, Word, details};
use flash_sandbox::{Found, SandboxError, find_postgres, find_redis};

use super::place::{built, read, workshop, write};
use super::playing;
use super::progress::{Failed, Progress, now};
use crate::judging::{Finding, broken, judge};
use crate::table::{Exercise, Table, root};

/// What is left of a line for a sentence.
const SENTENCE_COLUMNS: usize = 76;

/// Whoever has passed this one has a machine that is ready for a class.
const FIRST: &str = "e00";

/// Builds an exercise and judges it.
pub(crate) async fn check(table: &Table, exercise: &Exercise) -> anyhow::Result<()> {
    let shown = Shown::start();
    shown.step(&format!("building {}", exercise.id));
    let begin = Instant::now();
    build(exercise)?;
    let built_in = begin.elapsed();
    let program = built()?.join("examples").join(&exercise.id);
    if exercise.judge.says_itself {
        shown.step("examining");
        let found = Finding::said_by(&mut Command::new(&program))?;
        drop(shown);
        return told_by_itself(table, exercise, &found);
    }
    shown.step("starting private stores");
    let stores = start_stores().await?;
    let seller = Seller::own(&program)?;
    let begin = Instant::now();
    let verdict = judge(&stores, &seller, &exercise.judge, &shown).await?;
    let judged_in = begin.elapsed();
    drop(stores);
    drop(shown);

    let mut text = told(table, exercise, &verdict)?;
    if exercise.id == FIRST && verdict.verdict == Word::Held {
        let (built_in, judged_in) = (built_in.as_secs(), judged_in.as_secs());
        let machine = machine();
        text +=
            &format!("  ready: {machine}, build {built_in} s, judge {judged_in} s\n");
    }
    remember(exercise, &verdict, &text)?;
    to_stdout(&text)?;
    match verdict.verdict {
        Word::Held => Ok(()),
        Word::Broken => {
            Err(Ending::RuleBroken(format!("{}: not yet", exercise.id)).into())
        }
        Word::Unknown => bail!("could not judge {}", exercise.id),
    }
}

/// The same for an exercise that is no server.
fn told_by_itself(
    table: &Table,
    exercise: &Exercise,
    found: &Finding,
) -> anyhow::Result<()> {
    let (id, title) = (&exercise.id, &exercise.title);
    let held = found.held.iter().map(|it| format!("  held     {it}\n"));
    let held: String = held.collect();
    let mut progress = Progress::read()?;
    let done = progress.open(id);
    done.checks += 1;
    let Some((rule, sentence)) = &found.broken else {
        done.passed.get_or_insert_with(now);
        progress.save()?;
        let after = after_passing(table, exercise)?;
        return to_stdout(&format!("\n{id} {title}: passed\n\n{held}\n{after}"));
    };
    done.first_failure.get_or_insert_with(|| Failed {
        rule: rule.clone(),
        why: None,
        schedule: None,
    });
    progress.save()?;
    let lines = wrapped(&format!("{rule}: {sentence}"), SENTENCE_COLUMNS);
    let sentence = lines.join("\n           ");
    let begins = as_released(exercise)?;
    let text = format!(
        "\n{id} {title}: not yet\n\n{held}  BROKEN   {sentence}\n\n{begins}  \
         next: ./just learn hint {id}\n"
    );
    write(&workshop(&format!("last/{id}.txt")), &text)?;
    to_stdout(&text)?;
    Err(Ending::RuleBroken(format!("{id}: not yet")).into())
}

fn build(exercise: &Exercise) -> anyhow::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or(OsString::from("cargo"));
    // All that is built selects the workspace, so that nothing is built twice.
    let status = Command::new(cargo)
        .current_dir(root())
        .args(["build", "--workspace", "--locked", "--quiet"])
        .args([
            "--features",
            "flash-workshop/learn",
            "--example",
            &exercise.id,
        ])
        .status();
    let status = match status {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = "there is no cargo: https://rustup.rs";
            return Err(Ending::MissingProgram(text.to_owned()).into());
        }
        status => status.context("cannot run cargo")?,
    };
    if !status.success() {
        bail!(
            "{} does not compile; nothing else is broken by that",
            exercise.id
        );
    }
    Ok(())
}

fn told(
    table: &Table,
    exercise: &Exercise,
    verdict: &Verdict,
) -> anyhow::Result<String> {
    let (id, title) = (&exercise.id, &exercise.title);
    let word = match verdict.verdict {
        Word::Held => "passed",
        Word::Broken => "not yet",
        Word::Unknown => "could not be judged",
    };
    let mut text = format!("\n{id} {title}: {word}\n\n");
    text += &details(verdict);
    if verdict.verdict == Word::Broken {
        text += as_released(exercise)?;
    }
    text += &match verdict.verdict {
        Word::Held => format!("\n{}", after_passing(table, exercise)?),
        _ => format!(
            "  next: ./just learn hint {id} · ./just learn why {id}{}\n",
            if playing::can_play(verdict) {
                " --page"
            } else {
                ""
            }
        ),
    };
    Ok(text)
}

/// Whoever has typed nothing yet has done nothing wrong.
fn as_released(exercise: &Exercise) -> anyhow::Result<&'static str> {
    let released = read(&exercise.answer("start.rs"))?;
    Ok(match read(&exercise.exercise("strategy.rs"))? == released {
        true => "  as released: this is how it begins\n",
        false => "",
    })
}

fn after_passing(table: &Table, exercise: &Exercise) -> anyhow::Result<String> {
    let progress = Progress::read()?;
    let is_open = |it: &&Exercise| it.id != exercise.id && !progress.has_passed(&it.id);
    let next = table.exercises.iter().find(is_open);
    let next = next.map_or("./just learn report".to_owned(), |it| {
        format!("./just learn show {}", it.id)
    });
    let why = read(&exercise.answer("why.md"))?;
    let id = &exercise.id;
    Ok(format!(
        "{why}\n  one solution: ./just learn solution {id}\n  next: {next}\n"
    ))
}

/// Keeps the verdict for `why`, and what came of it for `list`.
fn remember(exercise: &Exercise, verdict: &Verdict, text: &str) -> anyhow::Result<()> {
    let id = &exercise.id;
    let broken = broken(verdict);
    let transcript = broken.and_then(|it| it.transcript.as_ref());
    let full =
        transcript.map_or(text.to_owned(), |it| format!("{text}\n{}", to_text(it)));
    write(&workshop(&format!("last/{id}.txt")), &full)?;
    let json = serde_json::to_string_pretty(verdict)?;
    write(&workshop(&format!("last/{id}.json")), &json)?;

    let mut progress = Progress::read()?;
    progress.machine = machine();
    let done = progress.open(id);
    done.checks += 1;
    match (verdict.verdict, broken) {
        (Word::Held, _) => {
            done.passed.get_or_insert_with(now);
        }
        (_, Some(broken)) => {
            done.first_failure.get_or_insert_with(|| Failed {
                rule: broken.id.to_string(),
                why: broken.why.as_ref().map(|it| it.id.to_owned()),
                schedule: broken.schedule.as_ref().map(ToString::to_string),
            });
        }
        _ => {}
    }
    progress.save()
}

/// What the machine is, in one line.
pub(crate) fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let version = |found: Result<Found, SandboxError>| {
        found.map_or("not found".to_owned(), |it| it.version)
    };
    let (postgres, redis) = (version(find_postgres()), version(find_redis()));
    format!("{cpus} cpus, PostgreSQL {postgres}, Redis {redis}")
}
