//! No prediction, no run: what a chapter runs is asked about first.

use std::io::{BufRead, stdin};
use std::process::Command;

use anyhow::{Context, bail};
use flash_lab_crowd::error::Ending;
use flash_lab_crowd::output::to_stdout;
use serde::Deserialize;

use super::place::{beside, read};
use super::progress::{Prediction, Progress, now};

/// What a chapter asks, and what it runs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Chapter {
    pub(crate) id: String,
    pub(crate) question: String,
    /// The program beside `learn`, and its arguments.
    pub(crate) run: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Chapters {
    #[serde(rename = "chapter")]
    chapters: Vec<Chapter>,
}

pub(crate) fn chapters() -> anyhow::Result<Vec<Chapter>> {
    let text = read("crates/workshop/predictions.toml".as_ref())?;
    let chapters: Chapters = toml::from_str(&text).context("predictions.toml")?;
    Ok(chapters.chapters)
}

fn find(name: &str) -> anyhow::Result<Chapter> {
    let number = |id: &str| id.trim_start_matches("ch").parse::<u32>().ok();
    let chapters = chapters()?;
    let found = chapters
        .iter()
        .find(|it| number(name).is_some() && number(&it.id) == number(name));
    found.cloned().with_context(|| {
        let ids: Vec<_> = chapters.iter().map(|it| it.id.as_str()).collect();
        format!("{name} runs nothing: there are {}", ids.join(", "))
    })
}

/// Writes a prediction down.
pub(crate) fn predict(name: &str, said: &[String]) -> anyhow::Result<()> {
    let chapter = find(name)?;
    let said = match said {
        [] => ask(&chapter)?,
        said => said.join(" "),
    };
    let mut progress = Progress::read()?;
    let prediction = Prediction {
        said,
        at: now(),
        result: None,
    };
    progress.predictions.insert(chapter.id.clone(), prediction);
    progress.save()?;
    to_stdout(&format!(
        "  written down; ./just learn run {}\n",
        chapter.id
    ))
}

fn ask(chapter: &Chapter) -> anyhow::Result<String> {
    to_stdout(&format!("\n  {}\n  your prediction: ", chapter.question))?;
    let mut line = String::new();
    stdin().lock().read_line(&mut line)?;
    let said = line.trim();
    if said.is_empty() {
        let text = format!(
            "no prediction, no run: ./just learn predict {} YOUR PREDICTION",
            chapter.id
        );
        return Err(Ending::Usage(text).into());
    }
    Ok(said.to_owned())
}

/// Asks for a prediction if there is none, runs, and shows both.
pub(crate) fn run(name: &str) -> anyhow::Result<()> {
    let chapter = find(name)?;
    if !Progress::read()?.predictions.contains_key(&chapter.id) {
        let said = ask(&chapter)?;
        predict(&chapter.id, &[said])?;
    }
    let (program, arguments) = chapter.run.split_first().context("nothing to run")?;
    let status = Command::new(beside(program)?).args(arguments).status();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    let code = status.code();
    if !matches!(code, Some(0 | 3)) {
        bail!("{program} ended with {status}");
    }
    let mut progress = Progress::read()?;
    let Some(prediction) = progress.predictions.get_mut(&chapter.id) else {
        bail!("the prediction is gone");
    };
    prediction.result = Some(format!("exit code {}", code.unwrap_or_default()));
    let said = prediction.said.clone();
    progress.save()?;
    to_stdout(&format!(
        "\n  the question:     {}\n  your prediction:  {said}\n  the result:       above\n",
        chapter.question
    ))?;
    Ok(())
}
