//! What is happening right now, on standard error.

use std::fmt::Display;
use std::time::Duration;

use indicatif::ProgressBar;

/// How often the spinner moves.
const TICK: Duration = Duration::from_millis(100);

/// One line that changes on a terminal; a plain line per step anywhere else.
pub struct Progress {
    line: ProgressBar,
}

impl Progress {
    /// Shows nothing yet.
    pub fn start() -> Self {
        let line = ProgressBar::new_spinner();
        if !line.is_hidden() {
            line.enable_steady_tick(TICK);
        }
        Self { line }
    }

    /// Begins the next step.
    pub fn step(&self, text: &str) {
        self.follow(text);
        self.tell_elsewhere(text);
    }

    /// Counts within a step; without a terminal only the last one is told.
    pub fn count(&self, who: impl Display, done: u32, of: u32, what: &str) {
        let text = format!("{who}: {done}/{of} {what}");
        self.follow(&text);
        if done == of {
            self.tell_elsewhere(&text);
        }
    }

    /// Shows how far a step has come; without a terminal it is not told.
    pub fn follow(&self, text: impl Display) {
        self.line.set_message(text.to_string());
    }

    /// Says something that stays.
    pub fn note(&self, text: &str) {
        self.line.println(text);
        self.tell_elsewhere(text);
    }

    /// Where there is no terminal, nothing is seen of the line.
    fn tell_elsewhere(&self, text: &str) {
        if self.line.is_hidden() {
            eprintln!("{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}
