//! A transcript to read: a column for each buyer, and the stock beside them.

use comfy_table::Cell;
use flash_core::Verdict;

use super::explore::Exploration;
use super::schedule::Buyer;
use super::transcript::{Ending, SOLD_OUT, Step, Store, Transcript, Wait};
use crate::report;

/// Characters of a buyer's column: two of them, the number and the stock fit 88.
const COLUMN: usize = 37;

/// Lines that a result may take; the JSON has all of it.
const RESULT_LINES: usize = 2;

/// Writes a transcript for people.
#[must_use]
pub fn transcript(transcript: &Transcript) -> String {
    let mut page = Page::default();
    page.line("", "T1: ann", "T2: bob", "stock");
    page.text.push_str(&"─".repeat(4 + 2 * (COLUMN + 2) + 5));
    page.text.push('\n');
    for (position, step) in transcript.steps.iter().enumerate() {
        let number = position + 1;
        page.step(number, step);
        for earlier in transcript.steps.iter().take(position) {
            if earlier.waited_until == Some(number) {
                page.came_back(earlier);
            }
        }
    }
    let ending = transcript.ending.as_ref();
    let ending = ending.map_or_else(String::new, |it| format!("\n{}\n", verdict(it)));
    format!(
        "{}: schedule {}\nOne unit is left, and Ann and Bob both want it. Each line is what \
         a server sends for\none of them, → what it gets back.\n\n{}{ending}",
        transcript.strategy, transcript.schedule, page.text
    )
}

/// The matrix, and a transcript for each strategy.
pub(super) fn explorations(runs: &[Exploration]) -> String {
    let mut table = report::new_table(vec![
        "strategy",
        "schedules",
        "oversold",
        "exact",
        "blocked",
        "refused\nearly",
    ]);
    for run in runs {
        let matrix = &run.matrix;
        let mut row = vec![Cell::new(&run.strategy), Cell::new(matrix.schedules)];
        row.push(report::fault(
            i64::try_from(matrix.oversold).unwrap_or(i64::MAX),
        ));
        row.extend([matrix.exact, matrix.blocked, matrix.refused_early].map(Cell::new));
        table.add_row(row);
    }
    report::align_numbers(&mut table);
    let transcripts: String = runs
        .iter()
        .filter_map(|run| run.shortest_oversell.as_ref().or(run.chosen.as_ref()))
        .map(|it| format!("\n{}", transcript(it)))
        .collect();
    format!("\n{}\n\n{LEGEND}\n{transcripts}", table.trim_fmt())
}

/// What the words of the matrix and of a transcript mean.
const LEGEND: &str = "\
schedules: orders in which two buyers of the last unit can take their steps;
oversold: both got it; exact: one got it and the books say so; blocked: a buyer
waited for a lock of the other one; refused early: a buyer was refused, and
nobody waited for a lock; stock: what is committed in the stock row";

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, number: &str, one: &str, two: &str, stock: &str) {
        let line = format!("{number:>2}  {one:<COLUMN$}  {two:<COLUMN$}  {stock:>5}");
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Lines in the column of one buyer, the first with a number and the stock.
    fn lines(&mut self, buyer: Buyer, number: &str, stock: &str, lines: &[String]) {
        for (position, line) in lines.iter().enumerate() {
            let (number, stock) = if position == 0 {
                (number, stock)
            } else {
                ("", "")
            };
            match buyer {
                Buyer::One => self.line(number, line, "", stock),
                Buyer::Two => self.line(number, "", line, stock),
            }
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        let purpose = step.statement.purpose.map(|it| format!("-- {it}"));
        let mut lines: Vec<_> = purpose.into_iter().collect();
        lines.extend(wrapped(&step.statement.readable, "", "  "));
        let other = step.buyer.other();
        match (&step.returned, step.waited_for) {
            (_, Some(Wait::Lock)) => {
                lines.push(format!("  ⋮ waits: T{other} holds the row"));
            }
            (Some(returned), waited_for) => {
                if *returned != step.statement.readable {
                    lines.extend(result(&explained(step, returned), "  → ", "    "));
                }
                if waited_for == Some(Wait::Gate) {
                    lines.push(format!("  ⋮ waits: T{other} has the permit"));
                } else if let Some(answer) = &step.answer {
                    lines.push(told(answer));
                }
            }
            (None, _) => {}
        }
        let stock = step.available_units_after.to_string();
        self.lines(step.buyer, &number.to_string(), &stock, &lines);
    }

    /// What ends the wait of an earlier step.
    fn came_back(&mut self, step: &Step) {
        let mut lines = Vec::new();
        if step.waited_for == Some(Wait::Lock)
            && let Some(returned) = &step.returned
        {
            lines.extend(result(returned, "  ⋮ → ", "      "));
        }
        lines.extend(step.answer.as_deref().map(told));
        if let Some(first) = lines.first_mut()
            && step.waited_for == Some(Wait::Gate)
        {
            *first = format!("  ⋮ {}", first.trim_start());
        }
        self.lines(step.buyer, "", "", &lines);
    }
}

fn told(answer: &str) -> String {
    match answer {
        "accepted" => "  is told: you have it".to_owned(),
        SOLD_OUT => "  is told: sold out".to_owned(),
        other => format!("  is told: {other}"),
    }
}

/// What the gate says is a fence and a 1 or a 0.
fn explained(step: &Step, returned: &str) -> String {
    match (step.statement.store, step.waited_for) {
        (Store::Redis, Some(Wait::Gate)) => format!("{returned}: not admitted"),
        (Store::Redis, _) => format!("{returned}: admitted"),
        (Store::PostgreSQL, _) => returned.to_owned(),
    }
}

/// The first lines of what came back.
fn result(text: &str, first: &str, further: &str) -> Vec<String> {
    let mut lines = wrapped(text, first, further);
    if lines.len() > RESULT_LINES {
        lines.truncate(RESULT_LINES);
        if let Some(last) = lines.last_mut() {
            last.push_str(" …");
        }
    }
    lines
}

/// Breaks a text between words; a word that is too long is broken anywhere.
fn wrapped(text: &str, first: &str, further: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split(' ') {
        let length = line.chars().count() + word.chars().count();
        if !is_empty && length + 1 > COLUMN {
            lines.push(std::mem::replace(&mut line, further.to_owned()));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        for letter in word.chars() {
            if line.chars().count() >= COLUMN {
                lines.push(std::mem::replace(&mut line, further.to_owned()));
            }
            line.push(letter);
        }
        is_empty = false;
    }
    lines.push(line);
    lines
}

fn verdict(ending: &Ending) -> String {
    let Ending {
        oversold_units,
        accepted_units,
        available_units,
        ..
    } = ending;
    match ending.verdict {
        Verdict::Oversold => format!(
            "oversold by {oversold_units}: {accepted_units} orders for 1 unit, and the \
             stock row says {available_units}.\nBoth had read the number before either \
             had committed what became of it."
        ),
        Verdict::Exact if *accepted_units == 1 => format!(
            "exact: 1 order for 1 unit, and the stock row says {available_units}."
        ),
        other => format!(
            "{}: {accepted_units} orders for 1 unit, and the stock row says \
             {available_units}.",
            format!("{other:?}").to_lowercase()
        ),
    }
}
