//! What was done, for others: a report of one learner, and the medians of a class.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use chrono::NaiveDateTime;

use super::place::write;
use super::progress::{Done, Progress};
use crate::table::Table;

/// Writes `learn-report.json` and `learn-report.html`.
pub(crate) fn report(
    table: &Table,
    progress: &Progress,
    folder: &Path,
) -> anyhow::Result<String> {
    let (json, html) = (
        folder.join("learn-report.json"),
        folder.join("learn-report.html"),
    );
    write(&json, &(serde_json::to_string_pretty(progress)? + "\n"))?;
    write(&html, &page(table, progress)?)?;
    Ok(format!("  {}\n  {}\n", html.display(), json.display()))
}

fn page(table: &Table, progress: &Progress) -> anyhow::Result<String> {
    let mut rows = String::new();
    for exercise in &table.exercises {
        let done = progress
            .exercises
            .get(&exercise.id)
            .cloned()
            .unwrap_or_default();
        let first = done.first_failure.as_ref();
        let first = first.map_or(String::new(), |it| {
            format!("{} {}", it.rule, it.why.as_deref().unwrap_or_default())
        });
        let cells = [
            format!("{} {}", exercise.id, exercise.title),
            done.passed.clone().unwrap_or_default(),
            minutes(&done).map_or(String::new(), |it| it.to_string()),
            done.checks.to_string(),
            done.hints.to_string(),
            if done.gave_up { "yes" } else { "" }.to_owned(),
            first,
        ];
        writeln!(rows, "<tr>{}</tr>", cells.map(|it| cell(&it)).concat())?;
    }
    let predictions = progress.predictions.iter().map(|(id, it)| {
        let cells = [id.as_str(), &it.said, &it.at].map(cell).concat();
        format!("<tr>{cells}</tr>\n")
    });
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<title>Workshop</title>\n\
         <style>body{{font:16px sans-serif;margin:2rem}}td,th{{padding:.2rem .8rem;text-align:left}}\
         </style>\n<h1>Workshop</h1>\n<p>{}</p>\n<table>\n<tr><th>exercise<th>passed<th>minutes\
         <th>checks<th>hints<th>gave up<th>first failure</tr>\n{rows}</table>\n\
         <h2>Predictions</h2>\n<table>\n{}</table>\n</html>\n",
        escaped(&progress.machine),
        predictions.collect::<String>()
    ))
}

fn cell(text: &str) -> String {
    format!("<td>{}</td>", escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// From when it was opened to when it passed.
fn minutes(done: &Done) -> Option<i64> {
    let time = |text: &Option<String>| {
        NaiveDateTime::parse_from_str(text.as_deref()?, "%Y-%m-%dT%H:%M").ok()
    };
    Some((time(&done.passed)? - time(&done.opened)?).num_minutes())
}

/// The medians of all progress files in a folder.
pub(crate) fn class(table: &Table, folder: &Path) -> anyhow::Result<String> {
    let mut learners = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "json") {
            let text = fs::read_to_string(&path)?;
            let progress: Progress = serde_json::from_str(&text)
                .with_context(|| path.display().to_string())?;
            learners.push(progress);
        }
    }
    if learners.is_empty() {
        bail!("no progress files (*.json) in {}", folder.display());
    }
    let count = learners.len();
    let mut text = format!(
        "\n  {count} learners\n\n  {:<6}{:>8}{:>10}{:>9}{:>8}  first failure\n",
        "", "passed", "minutes", "guess", "hints"
    );
    for exercise in &table.exercises {
        let done: Vec<_> = learners
            .iter()
            .filter_map(|it| it.exercises.get(&exercise.id))
            .collect();
        let mut took: Vec<_> = done.iter().filter_map(|it| minutes(it)).collect();
        took.sort_unstable();
        let median = took.get(took.len() / 2);
        let passed = done.iter().filter(|it| it.passed.is_some()).count();
        let hints: usize = done.iter().map(|it| it.hints).sum();
        let mut reasons = BTreeMap::<_, usize>::new();
        for failed in done.iter().filter_map(|it| it.first_failure.as_ref()) {
            *reasons
                .entry(failed.why.as_deref().unwrap_or(&failed.rule))
                .or_default() += 1;
        }
        let reason = reasons.iter().max_by_key(|(_, count)| **count);
        writeln!(
            text,
            "  {:<6}{passed:>8}{:>10}{:>9}{hints:>8}  {}",
            exercise.id,
            median.map_or("-".to_owned(), ToString::to_string),
            exercise.minutes,
            reason.map_or("", |(reason, _)| *reason)
        )?;
    }
    Ok(text)
}
