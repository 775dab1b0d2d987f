//! How a result may look: for a file, or for the terminal that it goes to.

use std::env;

use console::Term;

/// What every table fits into, and what a terminal has that does not tell its width.
pub const COLUMNS: usize = 80;

/// A terminal of this width or less is as good as none.
const COLUMNS_LEAST: usize = 20;

/// Room and colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Characters of a line.
    pub columns: usize,
    /// Whether colors mean something where it goes.
    pub has_colors: bool,
}

impl Look {
    /// Text that is kept.
    pub const FILE: Self = Self {
        columns: COLUMNS,
        has_colors: false,
    };

    /// What standard output takes.
    pub fn of_stdout() -> Self {
        Self::of(&Term::stdout())
    }

    /// What standard error takes.
    pub(crate) fn of_stderr() -> Self {
        Self::of(&Term::stderr())
    }

    fn of(term: &Term) -> Self {
        let asked = env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let found = || Some(usize::from(term.size_checked()?.1));
        // `NO_COLOR` set to nothing is not set: https://no-color.org.
        let no_color = env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        Self {
            columns: asked
                .or_else(found)
                .filter(|columns| *columns > COLUMNS_LEAST)
                .unwrap_or(COLUMNS),
            has_colors: term.is_term() && !no_color,
        }
    }
}

/// Breaks a text between words into lines of at most so many characters. A longer word
/// has a line of its own; a command between backticks counts as one word, to be copied.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in words(paragraph) {
            let length = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && length > columns {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        lines.push(line);
    }
    lines
}

fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_inside = false;
    for part in text.split_whitespace() {
        match words.last_mut().filter(|_| is_inside) {
            Some(word) => {
                word.push(' ');
                word.push_str(part);
            }
            None => words.push(part.to_owned()),
        }
        is_inside ^= part.matches('`').count() % 2 == 1;
    }
    words
}

/// A text in lines that fit.
pub fn paragraph(text: &str, look: &Look) -> String {
    let columns = look.columns.min(COLUMNS);
    wrapped(text, columns).join("\n") + "\n"
}

/// A number with its noun.
pub fn count(number: i64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_only() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a /long/path\nand", 5), ["a", "/long/path", "and"]);
    }
}
