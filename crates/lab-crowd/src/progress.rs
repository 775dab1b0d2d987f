//! What is happening right now, on standard error.

use std::fmt::Display;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::ProgressBar;

/// How often the spinner moves.
const TICK: Duration = Duration::from_millis(100);

/// One line that changes on a terminal; a plain line per step anywhere else.
pub struct Progress {
    /// Only on a terminal.
    line: Option<ProgressBar>,
}

impl Progress {
    /// Shows nothing yet.
    pub fn start() -> Self {
        let line = std::io::stderr()
            .is_terminal()
            .then(ProgressBar::new_spinner);
        if let Some(line) = &line {
            line.enable_steady_tick(TICK);
        }
        Self { line }
    }

    /// Begins the next step.
    pub fn step(&self, text: &str) {
        match &self.line {
            Some(line) => line.set_message(text.to_owned()),
            None => eprintln!("{text}"),
        }
    }

    /// Counts within a step; without a terminal only the last one is told.
    pub fn count(&self, who: impl Display, done: u32, of: u32, what: &str) {
        match &self.line {
            Some(line) => line.set_message(format!("{who}: {done}/{of} {what}")),
            None if done == of => eprintln!("{who}: {done}/{of} {what}"),
            None => {}
        }
    }

    /// Shows how far a step has come; without a terminal it is not told.
    pub fn follow(&self, text: impl Display) {
        if let Some(line) = &self.line {
            line.set_message(text.to_string());
        }
    }

    /// Says something that stays.
    pub fn note(&self, text: &str) {
        match &self.line {
            Some(line) => line.println(text),
            None => eprintln!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
