//! A transcript to read: a column for each buyer, and the stock beside them. A narrow
//! terminal gets one column, with the buyer's name in each step.

use flash_core::Verdict;
use flash_lab_crowd::{Cell, Look, Sheet, count, paragraph};
use flash_lab_wire::Store;

use crate::explore::Exploration;
use crate::schedule::Buyer;
use crate::transcript::{Ending, NOT_ADMITTED, SOLD_OUT, Step, Transcript, Wait};

/// Beside the text of both buyers: the number, the stock, and what keeps them apart.
const BESIDE_TWO: usize = 13;

/// Beside the one column: the number, the name, the stock, and what keeps them apart.
const BESIDE_ONE: usize = 16;

/// A column is read well between these widths.
const COLUMN_LEAST: usize = 28;
const COLUMN_MOST: usize = 37;

/// Lines that a result may take; the JSON has all of it.
const RESULT_LINES: usize = 2;

/// Writes a transcript for people who keep it.
#[must_use]
pub fn to_text(transcript: &Transcript) -> String {
    told_on(&Look::FILE, transcript)
}

fn told_on(look: &Look, transcript: &Transcript) -> String {
    let mut page = Page::new(look);
    page.header();
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
    let ending = ending.map_or_else(String::new, |it| {
        format!("\n{}", paragraph(&verdict(it), look))
    });
    let head = format!(
        "{}: schedule {}\nOne unit is left, and Ann and Bob both want it. Each line is what \
         a server sends for one of them, → what it gets back.",
        transcript.strategy, transcript.schedule
    );
    format!("{}\n{}{ending}", paragraph(&head, look), page.text)
}

/// The matrix, and a transcript for each strategy.
pub(crate) fn explorations(runs: &[Exploration], look: &Look) -> String {
    let mut table = Sheet::new([
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
        row.push(Cell::fault(
            i64::try_from(matrix.oversold).unwrap_or(i64::MAX),
        ));
        row.extend([matrix.exact, matrix.blocked, matrix.refused_early].map(Cell::new));
        table.add(row);
    }
    let transcripts: String = runs
        .iter()
        .filter_map(|run| run.shortest_oversell.as_ref().or(run.chosen.as_ref()))
        .map(|it| format!("\n{}", told_on(look, it)))
        .collect();
    let legend = paragraph(LEGEND, look);
    format!("\n{}\n{legend}{transcripts}", table.text(look))
}

/// What the words of the matrix and of a transcript mean.
const LEGEND: &str = "\
schedules: orders in which two buyers of the last unit can take their steps; oversold: \
both got it; exact: one got it and the books say so; blocked: a buyer waited for a lock \
of the other one; refused early: a buyer was refused, and nobody waited for a lock; \
stock: what is committed in the stock row.";

struct Page {
    text: String,
    /// Characters of a buyer's text.
    column: usize,
    /// Whether each buyer has a column.
    has_two: bool,
}

impl Page {
    fn new(look: &Look) -> Self {
        let half = look.columns.saturating_sub(BESIDE_TWO) / 2;
        let has_two = half >= COLUMN_LEAST;
        let whole = look.columns.saturating_sub(BESIDE_ONE);
        Self {
            text: String::new(),
            column: if has_two {
                half.min(COLUMN_MOST)
            } else {
                whole.max(COLUMN_LEAST)
            },
            has_two,
        }
    }

    fn header(&mut self) {
        let column = self.column;
        let rule = if self.has_two {
            self.line("", ["T1: ann", "T2: bob"], "stock");
            BESIDE_TWO + 2 * column
        } else {
            self.line("", ["", ""], "stock");
            BESIDE_ONE + column - 2
        };
        self.text += &format!("{}\n", "─".repeat(rule));
    }

    /// The texts of both buyers, or the name and the text of one.
    fn line(&mut self, number: &str, [one, two]: [&str; 2], stock: &str) {
        let second = self.column;
        let first = if self.has_two { second } else { 3 };
        let line = format!("{number:>2}  {one:<first$}  {two:<second$}  {stock:>5}");
        self.text += &format!("{}\n", line.trim_end());
    }

    /// Lines of one buyer, the first with a number and the stock.
    fn lines(&mut self, buyer: Buyer, number: &str, stock: &str, lines: &[String]) {
        let mut beside = [number, stock, buyer.name()];
        for line in lines {
            let [number, stock, name] = std::mem::take(&mut beside);
            let texts = match (self.has_two, buyer) {
                (true, Buyer::One) => [line, ""],
                (true, Buyer::Two) => ["", line],
                (false, _) => [name, line],
            };
            self.line(number, texts, stock);
        }
    }

    fn step(&mut self, number: usize, step: &Step) {
        let purpose = step.statement.purpose;
        let mut lines =
            purpose.map_or_else(Vec::new, |it| self.wrapped(it, "-- ", "   "));
        lines.extend(self.wrapped(&step.statement.readable, "", "  "));
        let other = step.buyer.other();
        match (&step.returned, step.waited_for) {
            (_, Some(Wait::Lock)) => {
                lines.push(format!("  ⋮ waits: T{other} holds the row"));
            }
            (Some(returned), waited_for) => {
                if *returned != step.statement.readable {
                    let returned = explained(step, returned);
                    lines.extend(self.result(&returned, "  → ", "    "));
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
            lines.extend(self.result(returned, "  ⋮ → ", "      "));
        }
        lines.extend(step.answer.as_deref().map(told));
        if let Some(first) = lines.first_mut()
            && step.waited_for == Some(Wait::Gate)
        {
            *first = format!("  ⋮ {}", first.trim_start());
        }
        self.lines(step.buyer, "", "", &lines);
    }

    /// The first lines of what came back.
    fn result(&self, text: &str, first: &str, further: &str) -> Vec<String> {
        let mut lines = self.wrapped(text, first, further);
        if lines.len() > RESULT_LINES {
            lines.truncate(RESULT_LINES);
            if let Some(last) = lines.last_mut() {
                last.push_str(" …");
            }
        }
        lines
    }

    /// Breaks a text between words; a word that is too long is broken anywhere.
    fn wrapped(&self, text: &str, first: &str, further: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in text.split(' ') {
            let length = line.chars().count() + word.chars().count();
            if !is_empty && length + 1 > self.column {
                lines.push(std::mem::replace(&mut line, further.to_owned()));
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            for letter in word.chars() {
                if line.chars().count() >= self.column {
                    lines.push(std::mem::replace(&mut line, further.to_owned()));
                }
                line.push(letter);
            }
            is_empty = false;
        }
        lines.push(line);
        lines
    }
}

fn told(answer: &str) -> String {
    match answer {
        "accepted" => "  is told: you have it".to_owned(),
        SOLD_OUT => "  is told: sold out".to_owned(),
        other => format!("  is told: {other}"),
    }
}

/// What the gate says is a 1 or a 0, in the engine after a fence.
fn explained(step: &Step, returned: &str) -> String {
    match (step.statement.store, step.waited_for) {
        (Store::Redis, Some(Wait::Gate)) => format!("{returned}: not admitted"),
        (Store::Redis, _) if returned == NOT_ADMITTED => {
            let held = if step.available_units_after > 0 {
                "; the unit is only held"
            } else {
                ""
            };
            format!("{returned}: not admitted{held}")
        }
        (Store::Redis, _) => format!("{returned}: admitted"),
        (Store::PostgreSQL, _) => returned.to_owned(),
    }
}

fn verdict(ending: &Ending) -> String {
    let (sold, says) = (ending.accepted_units, ending.available_units);
    let orders = format!("{} for 1 unit", count(sold, "order"));
    let row = format!("the stock row should say {} and says {says}", 1 - sold);
    match ending.verdict {
        Verdict::Oversold => format!(
            "oversold by {}: {orders}; {row}: {}.\nBoth had read the number before either \
             had committed what became of it.",
            ending.oversold_units,
            count(ending.lost_updates, "lost update")
        ),
        Verdict::Exact if sold == 1 => {
            format!("exact: {orders}; the stock row says {says}.")
        }
        other => format!("{}: {orders}; {row}.", format!("{other:?}").to_lowercase()),
    }
}
