//! What proves the exercises: each start fails for the reason that `exercises.toml` names, each
//! solution holds, each near miss fails with a sentence of its own.
//!
//! It needs the examples of this package, which `cargo test -p flash-workshop` builds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use flash_workshop::judging::Finding;
use flash_workshop::table::{Exercise, Failure, Table, root};

#[path = "checks/gallery.rs"]
mod gallery;

/// The most lines of a task.
const TASK_LINES_MAX: usize = 40;

/// The most lines that a learner edits, as the exercise is released.
const PART_LINES_MAX: usize = 40;

fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(root().join(path));
    let text = text.with_context(|| path.display().to_string())?;
    Ok(text.replace("\r\n", "\n"))
}

async fn judged(exercise: &Exercise, variant: &str) -> Result<Finding> {
    let variant = format!("{}/{variant}", exercise.id);
    if exercise.judge.says_itself {
        let mut program = Command::new(gallery::gallery()?);
        return Finding::said_by(program.args(["--variant", &variant]));
    }
    gallery::judged(&variant, &exercise.judge).await
}

/// The sentence of the rule and that of the recognizer, as one text.
fn ensure_fails(found: &Finding, expected: &Failure, variant: &str) -> Result<String> {
    let broken = found.broken.as_ref();
    let (rule, sentence) = broken.with_context(|| format!("{variant} is not wrong"))?;
    let why = found.why.as_ref();
    let why = why.map(|(id, sentence)| (id.as_str(), sentence.as_str()));
    ensure!(
        expected.is(rule, sentence, why),
        "{variant} fails, but not as exercises.toml says: {rule} {sentence:?} {why:?}"
    );
    Ok(format!("{sentence} {}", why.map_or("", |it| it.1)))
}

async fn prove(id: &str) -> Result<()> {
    let table = Table::read()?;
    let exercise = table.find(id)?;
    // All of it is looked at before any of it is told.
    let mut wrong = Vec::new();
    if let Some(expected) = &exercise.start_fails {
        let start = judged(exercise, "start").await?;
        wrong.extend(ensure_fails(&start, expected, "start").err());
        wrong.extend(ensure_same(exercise, "start", &start).await.err());
    }
    let mut sentences = BTreeSet::new();
    for miss in &exercise.misses {
        let verdict = judged(exercise, &format!("miss/{}", miss.name)).await?;
        match ensure_fails(&verdict, &miss.fails, &miss.name) {
            Ok(sentence) if sentences.insert(sentence.clone()) => {}
            Ok(sentence) => {
                wrong
                    .push(anyhow!("{}: another miss says this: {sentence}", miss.name));
            }
            Err(error) => wrong.push(error),
        }
    }
    let solution = judged(exercise, "solution").await?;
    wrong.extend(ensure_holds(exercise, &solution).err());
    wrong.extend(ensure_same(exercise, "solution", &solution).await.err());
    let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    Ok(())
}

fn ensure_holds(exercise: &Exercise, solution: &Finding) -> Result<()> {
    if let Some((rule, sentence)) = &solution.broken {
        bail!("the solution is wrong: {rule} {sentence}");
    }
    ensure!(solution.not_judged.is_empty(), "{:?}", solution.not_judged);
    for rule in &exercise.rules {
        let held = &solution.held;
        ensure!(held.contains(rule), "{rule} is not judged; {held:?} are");
    }
    Ok(())
}

/// A judge who says this now and that then is none.
async fn ensure_same(
    exercise: &Exercise,
    variant: &str,
    first: &Finding,
) -> Result<()> {
    let again = judged(exercise, variant).await?;
    let (first, again) = (&first.json, &again.json);
    ensure!(
        first == again,
        "{variant}: judged twice, it said two things\n{first}\n{again}"
    );
    Ok(())
}

macro_rules! proved {
    ($($name:ident: $id:literal,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() -> Result<()> {
                prove($id).await
            }
        )*

        const PROVED: &[&str] = &[$($id),*];
    };
}

proved! {
    green: "e00",
    one_statement: "e01",
    key_first: "e02",
    unlocked_too_early: "e03",
    serializable_and_again: "e04",
    the_gate_in_lua: "e05",
    told_failed_and_bought: "e07",
    a_test_that_cannot_be_lucky: "e06",
    the_unit_nobody_can_buy: "e08",
    say_it_with_an_interval: "e09",
    break_into_the_sale: "e10",
}

#[test]
fn every_exercise_is_proved() -> Result<()> {
    for exercise in Table::read()?.exercises {
        ensure!(PROVED.contains(&exercise.id.as_str()), "{}", exercise.id);
    }
    Ok(())
}

#[test]
fn what_a_learner_edits_is_as_it_was_released() -> Result<()> {
    for exercise in Table::read()?.exercises {
        ensure!(
            read(&exercise.exercise("strategy.rs"))?
                == read(&exercise.answer("start.rs"))?,
            "this change solves {}; keep solutions on your branch, see CONTRIBUTING.md",
            exercise.id
        );
    }
    Ok(())
}

#[test]
fn an_exercise_has_all_that_a_learner_needs() -> Result<()> {
    for exercise in Table::read()?.exercises {
        let id = &exercise.id;
        let task = read(&exercise.exercise("task.md"))?;
        let lines = task.lines().count();
        ensure!(lines <= TASK_LINES_MAX, "{id}: task.md has {lines} lines");
        for heading in ["## Given", "## To do", "## Holds when", "## Try"] {
            ensure!(task.contains(heading), "{id}: task.md has no {heading}");
        }
        ensure!(
            !read(&exercise.answer("why.md"))?.is_empty() && exercise.minutes > 0,
            "{id}"
        );
        ensure_linked(&exercise)?;
        ensure!(exercise.hints.len() == 3, "{id} has three hints");
        let start = read(&exercise.answer("start.rs"))?;
        let part = start
            .split_once("// YOUR PART\n")
            .and_then(|(_, rest)| rest.split_once("// END"));
        let (part, _) = part.with_context(|| format!("{id}: // YOUR PART … // END"))?;
        let lines = part.lines().count();
        ensure!(lines <= PART_LINES_MAX, "{id}: {lines} lines to edit");
        ensure!(!start.contains("todo!("), "{id} does not run");
        ensure_misses(&exercise)?;
    }
    Ok(())
}

#[test]
fn there_are_enough_near_misses() -> Result<()> {
    let exercises = Table::read()?.exercises;
    let counts: Vec<_> = exercises.iter().map(|it| it.misses.len()).collect();
    let of_four = counts.iter().filter(|it| **it >= 4).count();
    ensure!(
        counts.iter().sum::<usize>() >= 30 && of_four >= 3,
        "{counts:?}"
    );
    Ok(())
}

/// The chapter that leads to it names its task, and its example is built for who asks for
/// it, and for nobody else.
fn ensure_linked(exercise: &Exercise) -> Result<()> {
    let (id, task) = (&exercise.id, exercise.exercise("task.md"));
    let chapters = flash_workshop::page::pages()?.into_iter();
    let chapter = format!("{}-", exercise.chapter);
    let mut chapters = chapters.filter(|it| it.path.starts_with(&chapter));
    let task = task.display().to_string();
    ensure!(
        chapters.any(|it| it.text.contains(&task)),
        "chapter {} does not name {task}",
        exercise.chapter
    );
    let example = format!(
        "name = \"{id}\"\npath = \"exercises/{}/main.rs\"\nrequired-features = [\"learn\"]\n",
        exercise.folder_name()
    );
    let manifest = read(Path::new("crates/workshop/Cargo.toml"))?;
    ensure!(manifest.contains(&example), "Cargo.toml has no\n{example}");
    Ok(())
}

/// Each near miss that there is, is in the table, and the other way round.
fn ensure_misses(exercise: &Exercise) -> Result<()> {
    let folder = root().join(exercise.answer("misses"));
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        files.insert(name.trim_end_matches(".rs").to_owned());
    }
    let named: BTreeSet<_> = exercise.misses.iter().map(|it| it.name.clone()).collect();
    ensure!(files == named, "{}: {files:?} {named:?}", exercise.id);
    ensure!(
        named.len() >= 3 || exercise.start_fails.is_none(),
        "{} has three near misses",
        exercise.id
    );
    Ok(())
}
