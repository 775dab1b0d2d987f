//! A transcript to read: a column for each buyer, and the stock beside them. A narrow
//! terminal gets one column, with the buyer's name in each step.

use std::borrow::Cow;

use flash_core::Verdict;
use flash_lab_crowd::{Cell, Look, Sheet, count, paragraph};
use flash_lab_wire::Store;
use textwrap::WordSplitter;

use crate::explore::Exploration;
use crate::schedule::Buyer;
use crate::transcript::{Ending, NOT_ADMITTED, Step, Transcript, Wait, is_held};

/// Beside the text of both buyers: the number, the stock, and what keeps them apart.
const BESIDE_TWO: usize = 13;

/// Beside the one column: the number, the name, the stock, and what keeps them apart.
const BESIDE_ONE: usize = 16;

/// The least that a column needs to be read.
const COLUMN_LEAST: usize = 28;

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
    if let Some(ending) = &transcript.ending {
        page.text += &format!("\n{}", paragraph(&verdict(ending), look));
    }
    let head = format!(
        "{}: schedule {}\nOne unit is left, and Ann and Bob both want it. Each line is what \
         a server sends for one of them, → what it gets back.",
        transcript.strategy, transcript.schedule
    );
    format!("{}\n{}", paragraph(&head, look), page.text)
}

/// The matrix, and a transcript for each strategy.
pub(crate) fn explorations(runs: &[Exploration], look: &Look) -> String {
    let titles = "strategy schedules oversold exact blocked refused\nearly";
    let mut table = Sheet::new(titles.split(' '));
    for run in runs {
        let matrix = &run.matrix;
        let oversold = i64::try_from(matrix.oversold).unwrap_or(i64::MAX);
        table.add(vec![
            Cell::new(&run.strategy),
            Cell::new(matrix.schedules),
            Cell::fault(oversold),
            Cell::new(matrix.exact),
            Cell::new(matrix.blocked),
            Cell::new(matrix.refused_early),
        ]);
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

/// Lines of two buyers: a column for each and the stock beside them, or one column for both.
pub struct Page {
    text: String,
    /// Characters of the number of a step.
    number: usize,
    /// Characters of a buyer's text.
    column: usize,
    /// Whether each buyer has a column.
    has_two: bool,
}

impl Page {
    /// The widest that a column is read well.
    pub const COLUMN_MOST: usize = 37;

    /// Two columns, as wide as they are read well.
    #[must_use]
    pub fn wide() -> Self {
        Self {
            text: String::new(),
            number: 3,
            column: Self::COLUMN_MOST,
            has_two: true,
        }
    }

    /// As many columns as there is room for.
    fn new(look: &Look) -> Self {
        let half = look.columns.saturating_sub(BESIDE_TWO) / 2;
        let has_two = half >= COLUMN_LEAST;
        let whole = look.columns.saturating_sub(BESIDE_ONE);
        Self {
            number: 2,
            column: match has_two {
                true => half.min(Self::COLUMN_MOST),
                false => whole.max(COLUMN_LEAST),
            },
            has_two,
            ..Self::wide()
        }
    }

    /// What was written.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn header(&mut self) {
        let rule = if self.has_two {
            self.line("", ["T1: ann", "T2: bob"], "stock");
            BESIDE_TWO + 2 * self.column
        } else {
            self.line("", ["", ""], "stock");
            BESIDE_ONE + self.column - 2
        };
        self.text += &format!("{}\n", "─".repeat(rule));
    }

    /// The texts of both buyers, or the name and the text of one.
    pub fn line(&mut self, number: &str, [one, two]: [&str; 2], stock: &str) {
        let (width, second) = (self.number, self.column);
        let first = if self.has_two { second } else { 3 };
        let line =
            format!("{number:>width$}  {one:<first$}  {two:<second$}  {stock:>5}");
        self.text += &format!("{}\n", line.trim_end());
    }

    /// Lines of one buyer, the first with a number and the stock.
    pub fn lines(&mut self, buyer: Buyer, number: &str, stock: &str, lines: &[String]) {
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
        let purpose = purpose.map(|it| self.wrapped(it, "-- ", "   "));
        let mut lines = purpose.unwrap_or_default();
        lines.extend(self.wrapped(&step.statement.readable, "", "  "));
        let other = step.buyer.other();
        if step.waited_for == Some(Wait::Lock) {
            lines.push(format!("  ⋮ waits: T{other} holds the row"));
        } else if let Some(returned) = &step.returned {
            if *returned != step.statement.readable {
                let returned = explained(step, returned);
                lines.extend(self.result(&returned, "  → ", "    "));
            }
            if step.waited_for == Some(Wait::Gate) {
                lines.push(format!("  ⋮ waits: T{other} has the permit"));
            } else {
                lines.extend(step.answer.as_deref().map(|it| told("  ", it)));
            }
        }
        let stock = step.available_units_after.to_string();
        self.lines(step.buyer, &number.to_string(), &stock, &lines);
    }

    /// What ends the wait of an earlier step.
    fn came_back(&mut self, step: &Step) {
        let is_lock = step.waited_for == Some(Wait::Lock);
        let returned = step.returned.as_ref().filter(|_| is_lock);
        let returned = returned.map(|it| self.result(it, "  ⋮ → ", "      "));
        let mut lines = returned.unwrap_or_default();
        let before = if is_lock { "  " } else { "  ⋮ " };
        lines.extend(step.answer.as_deref().map(|it| told(before, it)));
        self.lines(step.buyer, "", "", &lines);
    }

    /// The first lines of what came back.
    fn result(&self, text: &str, first: &str, further: &str) -> Vec<String> {
        let mut lines = self.wrapped(text, first, further);
        let is_cut = lines.len() > RESULT_LINES;
        lines.truncate(RESULT_LINES);
        if let Some(last) = lines.last_mut().filter(|_| is_cut) {
            last.push_str(" …");
        }
        lines
    }

    /// Breaks a text between words; a word that is too long is broken anywhere.
    fn wrapped(&self, text: &str, first: &str, further: &str) -> Vec<String> {
        let options = textwrap::Options::new(self.column)
            .initial_indent(first)
            .subsequent_indent(further)
            .word_splitter(WordSplitter::NoHyphenation);
        let lines = textwrap::wrap(text, options).into_iter();
        lines.map(Cow::into_owned).collect()
    }
}

fn told(before: &str, answer: &str) -> String {
    let answer = match answer {
        "accepted" => "you have it",
        other => other,
    };
    format!("{before}is told: {answer}")
}

/// What the gate says is a 1 or a 0, in the engine after a fence.
fn explained(step: &Step, returned: &str) -> String {
    let explained = match (step.statement.store, step.waited_for) {
        (Store::PostgreSQL, _) => return returned.to_owned(),
        (Store::Redis, _) if is_held(returned) => "not admitted",
        (Store::Redis, _) if returned != NOT_ADMITTED => "admitted",
        _ if step.available_units_after > 0 => "not admitted; the unit is only held",
        _ => "not admitted",
    };
    format!("{returned}: {explained}")
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
