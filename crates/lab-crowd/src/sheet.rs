//! A table that becomes a list where it does not fit.

use std::fmt::Display;

use console::{Alignment, Style, measure_text_width, pad_str, strip_ansi_codes};
use serde::Serialize;

use crate::look::{Look, wrapped_behind};

/// Between two columns, and in front of what belongs to the line above.
const GAP: &str = "  ";

/// A column of sentences needs so many characters to be read.
const SENTENCE_LEAST: usize = 40;

/// A text in the color of its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell(String);

impl Cell {
    /// A text that means nothing more.
    pub fn new(text: impl ToString) -> Self {
        Self(text.to_string())
    }

    /// What is as it should be.
    pub fn good(text: impl Display) -> Self {
        Self::styled(text, Style::new().green())
    }

    /// What is worth a look.
    pub fn note(text: impl Display) -> Self {
        Self::styled(text, Style::new().yellow())
    }

    /// What is as it must not be.
    pub fn bad(text: impl Display) -> Self {
        Self::styled(text, Style::new().red().bold())
    }

    /// A number that should be zero.
    pub fn fault(count: i64) -> Self {
        if count == 0 {
            Self::new(count)
        } else {
            Self::bad(count)
        }
    }

    fn styled(text: impl Display, style: Style) -> Self {
        Self::new(style.force_styling(true).apply_to(text))
    }
}

/// The title of a column, and what stands in it.
pub type Column<T> = (&'static str, fn(&T) -> Cell);

/// A name in the first column, numbers in the others.
#[derive(Debug, Clone, Serialize)]
pub struct Sheet {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// What stands below each row.
    notes: Vec<String>,
}

impl Sheet {
    /// A title may have two lines; a word that is broken at its end has a hyphen there.
    pub fn new<T: ToString>(header: impl IntoIterator<Item = T>) -> Self {
        Self {
            header: header.into_iter().map(|it| it.to_string()).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A row for each item.
    pub fn of<T>(items: &[T], columns: &[Column<T>]) -> Self {
        let mut sheet = Self::new(columns.iter().map(|(title, _)| title));
        for item in items {
            sheet.add(columns.iter().map(|(_, cell)| cell(item)).collect());
        }
        sheet
    }

    /// Adds a row.
    pub fn add(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells.into_iter().map(|it| it.0).collect());
        self.notes.push(String::new());
    }

    /// Each note stands below its row.
    #[must_use]
    pub fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes = notes.into_iter().collect();
        self
    }

    /// A table where it fits, else a list.
    pub fn text(&self, look: &Look) -> String {
        let titles = self.titles();
        let mut lines = aligned(&[&titles[..], &self.rows].concat());
        let width = longest(&lines);
        if width > look.columns {
            return self.list(look);
        }
        let rows = lines.split_off(titles.len());
        lines.push("─".repeat(width));
        for (row, note) in rows.into_iter().zip(&self.notes) {
            lines.push(row);
            lines.extend(below(note, look));
        }
        in_colors_of(look, &lines)
    }

    /// The lines of the header.
    fn titles(&self) -> Vec<Vec<String>> {
        let line = |at: usize| {
            let titles = self.header.iter().map(|it| it.lines().nth(at));
            titles.map(|it| it.unwrap_or_default().to_owned()).collect()
        };
        let lines = self.header.iter().map(|it| it.lines().count()).max();
        (0..lines.unwrap_or_default()).map(line).collect()
    }

    fn list(&self, look: &Look) -> String {
        let pair = |(title, number): (&String, &String)| {
            let whole = title.replace("-\n", "").replace('\n', " ");
            vec![format!("{GAP}{whole}"), number.clone()]
        };
        let rows = self.rows.iter();
        let pairs = rows.flat_map(|row| self.header.iter().zip(row).skip(1).map(pair));
        let mut pairs = aligned(&pairs.collect::<Vec<_>>()).into_iter();
        let mut lines = Vec::new();
        for (row, note) in self.rows.iter().zip(&self.notes) {
            lines.extend(row.first().cloned());
            lines.extend(pairs.by_ref().take(row.len() - 1));
            lines.extend(below(note, look));
        }
        in_colors_of(look, &lines)
    }
}

/// The first of each line to the left, the others to the right.
fn aligned(grid: &[Vec<String>]) -> Vec<String> {
    let columns = grid.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at| longest(grid.iter().filter_map(|line| line.get(at)));
    let widths: Vec<_> = (0..columns).map(width).collect();
    let padded = |line: &Vec<String>| {
        let mut padded = String::new();
        for (at, (text, width)) in line.iter().zip(&widths).enumerate() {
            padded += &match at {
                0 => pad_str(text, *width, Alignment::Left, None),
                _ => pad_str(text, *width + GAP.len(), Alignment::Right, None),
            };
        }
        padded.trim_end().to_owned()
    };
    grid.iter().map(padded).collect()
}

fn longest(texts: impl IntoIterator<Item: AsRef<str>>) -> usize {
    let widths = texts.into_iter().map(|it| measure_text_width(it.as_ref()));
    widths.max().unwrap_or_default()
}

fn in_colors_of(look: &Look, lines: &[String]) -> String {
    let text = lines.join("\n") + "\n";
    if look.has_colors {
        return text;
    }
    strip_ansi_codes(&text).into_owned()
}

/// Lines that belong to the one above.
pub(crate) fn below(note: &str, look: &Look) -> Vec<String> {
    match note {
        "" => Vec::new(),
        note => wrapped_behind(GAP, GAP, note, look.columns),
    }
}

/// Rows of a mark, a name and a sentence; the sentence is wrapped beside them, or below
/// where it would have too little room.
pub fn sentences(rows: &[(Cell, &str, String)], look: &Look) -> String {
    let marks = longest(rows.iter().map(|(mark, ..)| &mark.0));
    let names = longest(rows.iter().map(|(_, name, _)| name));
    let further = " ".repeat(marks + names + 2 * GAP.len());
    let mut lines = Vec::new();
    for (Cell(mark), name, sentence) in rows {
        let mark = pad_str(mark, marks, Alignment::Left, None);
        let head = format!("{mark}{GAP}{name:<names$}{GAP}");
        if look.columns >= further.len() + SENTENCE_LEAST {
            lines.extend(wrapped_behind(&head, &further, sentence, look.columns));
        } else {
            lines.push(head.trim_end().to_owned());
            lines.extend(below(sentence, look));
        }
    }
    in_colors_of(look, &lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Look = Look {
        columns: 24,
        has_colors: false,
    };

    #[test]
    fn a_table_that_does_not_fit_is_a_list_with_whole_words() {
        let mut sheet = Sheet::new(["strategy", "over-\nsold", "lost\nupdates"]);
        let cells = vec![Cell::new("naive"), Cell::fault(900), Cell::new(967)];
        sheet.add(cells);
        let sheet = sheet.with_notes(["what was lost, see `just diff 1 2`".into()]);
        let note = "  what was lost, see\n  `just diff 1 2`\n";
        let table = "\
strategy  over-     lost
           sold  updates
────────────────────────
naive       900      967
";
        let list = "naive\n  oversold      900\n  lost updates  967\n";
        for (columns, expected) in [(24, table), (23, list)] {
            let text = |has_colors| {
                let look = Look {
                    columns,
                    has_colors,
                };
                sheet.text(&look)
            };
            assert_eq!(text(false), format!("{expected}{note}"));
            // Colors take no room, and are left out where they are not wanted.
            assert!(text(true).contains("\u{1b}[31m\u{1b}[1m900\u{1b}[0m"));
            assert_eq!(strip_ansi_codes(&text(true)), text(false));
        }
    }

    #[test]
    fn a_sentence_stands_beside_its_name_or_below_it() {
        let rows = [(
            Cell::good("ok"),
            "Rust",
            "cargo\n/a/word/that/is/too/long".into(),
        )];
        let beside = "ok  Rust  cargo\n          /a/word/that/is/too/long\n";
        assert_eq!(sentences(&rows, &Look::FILE), beside);
        let below = "ok  Rust\n  cargo\n  /a/word/that/is/too/long\n";
        assert_eq!(sentences(&rows, &NARROW), below);
    }
}
