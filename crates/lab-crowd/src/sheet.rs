//! A table that becomes a list where it does not fit.

use crate::look::{Look, wrapped};

/// Characters between two columns.
const GAP: usize = 2;

/// A column of sentences needs so many characters to be read.
const SENTENCE_LEAST: usize = 40;

/// How far what belongs to a line stands in.
const INDENT: &str = "  ";

/// What a cell means, which its color shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing that its text does not say.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Note,
    /// As it must not be.
    Bad,
}

impl Tone {
    /// Select graphic rendition.
    ///
    /// # Source
    ///
    /// ECMA-48, 5th edition, section 8.3.117.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Note => Some("33"),
            Self::Bad => Some("1;31"),
        }
    }
}

/// A text with a meaning.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text that means nothing more.
    pub fn new(text: impl ToString) -> Self {
        Self::toned(text, Tone::Plain)
    }

    /// A text in its color.
    pub fn toned(text: impl ToString, tone: Tone) -> Self {
        let text = text.to_string();
        Self { text, tone }
    }

    /// A number that should be zero.
    pub fn fault(count: i64) -> Self {
        Self::toned(count, if count == 0 { Tone::Plain } else { Tone::Bad })
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    /// Padded to a width, which colors do not count for.
    fn padded(&self, width: usize, to_the_right: bool, look: &Look) -> String {
        let blank = " ".repeat(width.saturating_sub(self.width()));
        let text = match self.tone.code().filter(|_| look.has_colors) {
            Some(code) => format!("\u{1b}[{code}m{}\u{1b}[0m", self.text),
            None => self.text.clone(),
        };
        if to_the_right {
            blank + &text
        } else {
            text + &blank
        }
    }
}

/// A name and its numbers, and a sentence about them where there is one.
#[derive(Debug, Clone)]
struct Row {
    cells: Vec<Cell>,
    note: String,
}

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
        if whole(&widths) <= look.columns {
            self.table(&widths, look)
        } else {
            self.list(look)
        }
    }

    fn widths(&self) -> Vec<usize> {
        let longest = |title: &String| {
            let lines = title.lines().map(|line| line.chars().count());
            lines.max().unwrap_or_default()
        };
        let mut widths: Vec<_> = self.header.iter().map(longest).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = cell.width().max(*width);
            }
        }
        widths
    }

    fn table(&self, widths: &[usize], look: &Look) -> String {
        let lines = self.header.iter().map(|it| it.lines().count());
        let mut text = String::new();
        for line in 0..lines.max().unwrap_or_default() {
            let title =
                |it: &String| Cell::new(it.lines().nth(line).unwrap_or_default());
            let titles: Vec<_> = self.header.iter().map(title).collect();
            text += &table_line(&titles, widths, look);
        }
        text += &format!("{}\n", "─".repeat(whole(widths)));
        for row in &self.rows {
            text += &table_line(&row.cells, widths, look);
            text += &below(&row.note, look);
        }
        text
    }

    fn list(&self, look: &Look) -> String {
        let titles: Vec<_> = self.header.iter().map(|it| in_one_line(it)).collect();
        let length = |title: &String| title.chars().count();
        let widest = titles.iter().skip(1).map(length).max().unwrap_or_default();
        let numbers = self.rows.iter().flat_map(|row| row.cells.iter().skip(1));
        let longest = numbers.map(Cell::width).max().unwrap_or_default();
        let mut text = String::new();
        for row in &self.rows {
            let name = row.cells.first().map(|it| it.padded(0, false, look));
            text += &format!("{}\n", name.unwrap_or_default());
            for (title, cell) in titles.iter().zip(&row.cells).skip(1) {
                let number = cell.padded(longest, true, look);
                text += &format!("{INDENT}{title:<widest$}{INDENT}{number}\n");
            }
            text += &below(&row.note, look);
        }
        text
    }
}

/// The width of all columns with what keeps them apart.
fn whole(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

fn table_line(cells: &[Cell], widths: &[usize], look: &Look) -> String {
    let padded: Vec<_> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(at, (cell, width))| cell.padded(*width, at > 0, look))
        .collect();
    format!("{}\n", padded.join(&" ".repeat(GAP)).trim_end())
}

/// Lines that belong to the one above.
pub fn below(note: &str, look: &Look) -> String {
    wrapped(note, look.columns - INDENT.len())
        .iter()
        .map(|line| format!("{INDENT}{line}\n"))
        .collect()
}

/// The title of a column without its break.
fn in_one_line(title: &str) -> String {
    title.replace("-\n", "").replace('\n', " ")
}

/// Rows of a mark, a name and a sentence; the sentence is wrapped beside them, or below
/// where it would have too little room.
pub fn sentences(rows: &[(Cell, &str, String)], look: &Look) -> String {
    let marks = rows.iter().map(|(mark, ..)| mark.width()).max();
    let names = rows.iter().map(|(_, name, _)| name.chars().count()).max();
    let (marks, names) = (marks.unwrap_or_default(), names.unwrap_or_default());
    let before = marks + GAP + names + GAP;
    let fits = look.columns >= before + SENTENCE_LEAST;
    let indent = if fits { before } else { GAP };
    let mut text = String::new();
    for (mark, name, sentence) in rows {
        let mut lines = wrapped(sentence, look.columns - indent).into_iter();
        let first = if fits { lines.next() } else { None };
        let line = format!(
            "{}  {name:<names$}  {}",
            mark.padded(marks, false, look),
            first.unwrap_or_default()
        );
        text += &format!("{}\n", line.trim_end());
        for line in lines {
            text += &format!("{}{line}\n", " ".repeat(indent));
        }
    }
    text
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
        sheet.add_with_note(cells, "what was lost");
        sheet
    }

    #[test]
    fn a_table_has_its_numbers_on_the_right() {
        assert_eq!(
            sheet().text(&Look::FILE),
            "          over-     lost\n\
             strategy   sold  updates\n\
             ────────────────────────\n\
             naive       900      967\n  what was lost\n"
                .replace("          over-", "strategy  over-")
                .replace("strategy   sold", "           sold")
        );
    }

    #[test]
    fn a_table_that_does_not_fit_is_a_list_with_whole_words() {
        let look = Look {
            columns: 23,
            ..NARROW
        };
        assert_eq!(
            sheet().text(&look),
            "naive\n  oversold      900\n  lost updates  967\n  what was lost\n"
        );
        assert!(sheet().text(&NARROW).contains('─'));
    }

    #[test]
    fn colors_take_no_room_and_are_left_out_where_they_are_not_wanted() {
        let colored = Look {
            has_colors: true,
            ..Look::FILE
        };
        let text = sheet().text(&colored);
        assert!(text.contains("\u{1b}[1;31m900\u{1b}[0m"), "{text}");
        let plain = text.replace("\u{1b}[1;31m", "").replace("\u{1b}[0m", "");
        assert_eq!(plain, sheet().text(&Look::FILE));
    }

    #[test]
    fn a_sentence_stands_beside_its_name_or_below_it() {
        let rows = [(Cell::new("ok"), "Rust", "cargo here".to_owned())];
        assert_eq!(sentences(&rows, &Look::FILE), "ok  Rust  cargo here\n");
        assert_eq!(sentences(&rows, &NARROW), "ok  Rust\n  cargo here\n");
    }
}
