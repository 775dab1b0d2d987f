//! A table that becomes a list where it does not fit.

use std::fmt::Display;
use std::iter;

use console::{Alignment, Style, measure_text_width, pad_str, strip_ansi_codes};

use crate::look::{Look, wrapped_behind};

/// Characters between two columns.
const GAP: usize = 2;

/// A column of sentences needs so many characters to be read.
const SENTENCE_LEAST: usize = 40;

/// How far what belongs to a line stands in.
const INDENT: &str = "  ";

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

/// A name and its numbers, and a sentence about them where there is one.
#[derive(Debug, Clone)]
struct Row {
    cells: Vec<Cell>,
    note: String,
}

/// The title of a column, and what stands in it.
pub type Column<T> = (&'static str, fn(&T) -> Cell);

/// A name in the first column, numbers in the others.
#[derive(Debug, Clone)]
pub struct Sheet {
    header: Vec<String>,
    rows: Vec<Row>,
}

impl Sheet {
    /// A title may have two lines; a word that is broken at its end has a hyphen there.
    pub fn new<T: ToString>(header: impl IntoIterator<Item = T>) -> Self {
        Self {
            header: header.into_iter().map(|it| it.to_string()).collect(),
            rows: Vec::new(),
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
        self.add_with_note(cells, "");
    }

    /// The note stands below the row.
    pub fn add_with_note(&mut self, cells: Vec<Cell>, note: &str) {
        let note = note.to_owned();
        self.rows.push(Row { cells, note });
    }

    /// A table where it fits, else a list.
    pub fn text(&self, look: &Look) -> String {
        let widths = self.widths();
        let text = if widths.iter().sum::<usize>() <= look.columns {
            self.table(&widths, look)
        } else {
            self.list(look)
        };
        in_colors_of(look, &text)
    }

    /// With what keeps a column from the one before it.
    fn widths(&self) -> Vec<usize> {
        let width = |(at, title): (usize, &String)| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(at));
            let texts = title.lines().chain(cells.map(|it| it.0.as_str()));
            longest(texts) + if at == 0 { 0 } else { GAP }
        };
        self.header.iter().enumerate().map(width).collect()
    }

    fn table(&self, widths: &[usize], look: &Look) -> String {
        let lines = self.header.iter().map(|it| it.lines().count());
        let mut text = String::new();
        for line in 0..lines.max().unwrap_or_default() {
            let titles = self.header.iter().map(|it| it.lines().nth(line));
            text += &table_line(titles.map(Option::unwrap_or_default), widths);
        }
        text += &format!("{}\n", "─".repeat(widths.iter().sum()));
        for row in &self.rows {
            text += &table_line(row.cells.iter().map(|it| it.0.as_str()), widths);
            text += &below(&row.note, look);
        }
        text
    }

    fn list(&self, look: &Look) -> String {
        let titles: Vec<_> = self.header.iter().map(|it| in_one_line(it)).collect();
        let widest = longest(titles.iter().skip(1).map(String::as_str));
        let numbers = self.rows.iter().flat_map(|row| row.cells.iter().skip(1));
        let longest = longest(numbers.map(|it| it.0.as_str()));
        let mut text = String::new();
        for row in &self.rows {
            let mut cells = titles.iter().zip(&row.cells);
            text.extend(cells.next().map(|(_, name)| format!("{}\n", name.0)));
            for (title, Cell(number)) in cells {
                let number = pad_str(number, longest, Alignment::Right, None);
                text += &format!("{INDENT}{title:<widest$}{INDENT}{number}\n");
            }
            text += &below(&row.note, look);
        }
        text
    }
}

fn longest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(measure_text_width).max().unwrap_or_default()
}

/// The first to the left, the others to the right.
fn table_line<'a>(texts: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let sides = iter::once(Alignment::Left).chain(iter::repeat(Alignment::Right));
    let padded = texts.zip(widths).zip(sides);
    let line: String = padded
        .map(|((text, width), side)| pad_str(text, *width, side, None))
        .collect();
    format!("{}\n", line.trim_end())
}

/// The title of a column without its break.
fn in_one_line(title: &str) -> String {
    title.replace("-\n", "").replace('\n', " ")
}

fn in_colors_of(look: &Look, text: &str) -> String {
    if look.has_colors {
        text.to_owned()
    } else {
        strip_ansi_codes(text).into_owned()
    }
}

/// Lines that belong to the one above.
pub fn below(note: &str, look: &Look) -> String {
    if note.is_empty() {
        return String::new();
    }
    wrapped_behind(INDENT, INDENT, note, look.columns).join("\n") + "\n"
}

/// Rows of a mark, a name and a sentence; the sentence is wrapped beside them, or below
/// where it would have too little room.
pub fn sentences(rows: &[(Cell, &str, String)], look: &Look) -> String {
    let marks = longest(rows.iter().map(|(mark, ..)| mark.0.as_str()));
    let names = longest(rows.iter().map(|(_, name, _)| *name));
    let before = marks + GAP + names + GAP;
    let mut text = String::new();
    for (Cell(mark), name, sentence) in rows {
        let mark = pad_str(mark, marks, Alignment::Left, None);
        let head = format!("{mark}  {name:<names$}  ");
        if look.columns >= before + SENTENCE_LEAST {
            let further = " ".repeat(before);
            let lines = wrapped_behind(&head, &further, sentence, look.columns);
            text += &format!("{}\n", lines.join("\n"));
        } else {
            text += &format!("{}\n{}", head.trim_end(), below(sentence, look));
        }
    }
    in_colors_of(look, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: Look = Look {
        columns: 24,
        has_colors: false,
    };

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new(["strategy", "over-\nsold", "lost\nupdates"]);
        let cells = vec![Cell::new("naive"), Cell::fault(900), Cell::new(967)];
        sheet.add_with_note(cells, "what was lost, see `just diff 1 2`");
        sheet
    }

    #[test]
    fn a_table_has_its_numbers_on_the_right_and_colors_take_no_room() {
        let plain = "\
strategy  over-     lost
           sold  updates
────────────────────────
naive       900      967
  what was lost, see
  `just diff 1 2`
";
        assert_eq!(sheet().text(&NARROW), plain);
        let colored = sheet().text(&Look {
            has_colors: true,
            ..NARROW
        });
        assert!(colored.contains("\u{1b}[31m\u{1b}[1m900\u{1b}[0m"));
        assert_eq!(strip_ansi_codes(&colored), plain);
    }

    #[test]
    fn a_table_that_does_not_fit_is_a_list_with_whole_words() {
        let look = Look {
            columns: 23,
            ..NARROW
        };
        let list = "\
naive
  oversold      900
  lost updates  967
  what was lost, see
  `just diff 1 2`
";
        assert_eq!(sheet().text(&look), list);
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
