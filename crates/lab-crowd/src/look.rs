//! How a result may look: for a file, or for the terminal that it goes to.

use std::env;

use console::Term;
use textwrap::{Options, WordSeparator, WordSplitter, wrap};

/// What every table fits into, and what a terminal has that does not tell its width.
pub const COLUMNS: usize = 80;

/// A terminal of this width or less is as good as none.
const COLUMNS_LEAST: usize = 20;

/// A space at which no line is broken.
const NO_BREAK_SPACE: char = '\u{a0}';

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
    wrapped_behind("", "", text, columns)
}

/// The same, with something in front of the first line, and of all others.
pub(crate) fn wrapped_behind(
    first: &str,
    further: &str,
    text: &str,
    columns: usize,
) -> Vec<String> {
    let options = Options::new(columns)
        .initial_indent(first)
        .subsequent_indent(further)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    let mut is_command = false;
    let unbroken = text.chars().map(|letter| {
        is_command ^= letter == '`';
        match letter {
            ' ' if is_command => NO_BREAK_SPACE,
            letter => letter,
        }
    });
    wrap(&unbroken.collect::<String>(), options)
        .iter()
        .map(|line| line.replace(NO_BREAK_SPACE, " "))
        .collect()
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
