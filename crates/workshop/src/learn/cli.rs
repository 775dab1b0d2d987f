//! What `learn` is asked for.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Does the exercises of the workshop
#[derive(Debug, Parser)]
#[command(name = "learn", version, after_help = EXAMPLES)]
pub struct Args {
    /// Without one: what there is, and what comes next
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What is done.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// List the exercises, and say what comes next
    List,
    /// Show a task
    Show {
        /// Such as e01
        exercise: String,
    },
    /// Build an exercise, and judge it on real stores
    Check {
        /// Such as e01
        exercise: String,
    },
    /// Show the last verdict in full
    Why {
        /// Such as e01
        exercise: String,
        /// Play it step by step in the browser, at the address that is printed
        #[arg(long)]
        page: bool,
    },
    /// Give a hint: the first of three, then the second, then the third
    Hint {
        /// Such as e01
        exercise: String,
    },
    /// Put an exercise back as it was released, and keep what was there
    Reset {
        /// Such as e01
        #[arg(required_unless_present = "all")]
        exercise: Option<String>,
        /// Every exercise
        #[arg(long)]
        all: bool,
    },
    /// Write down what you expect before you run it
    Predict {
        /// Such as ch03
        chapter: String,
        /// What you expect
        prediction: Vec<String>,
    },
    /// Run what a chapter runs; asks for a prediction first
    Run {
        /// Such as ch03
        chapter: String,
    },
    /// Show a solution, after yours has passed
    Solution {
        /// Such as e01
        exercise: String,
        /// Show it although yours has not passed; that is written down
        #[arg(long)]
        give_up: bool,
    },
    /// Write your progress as one HTML file and one JSON file
    Report {
        /// Where to
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Print how long a class took, from the progress files in a folder
    Class {
        /// Where they are
        folder: PathBuf,
    },
    /// Write what a room without network needs
    Stick {
        /// Where to
        folder: PathBuf,
    },
    /// Run what the book shows, and write it down with the machine and the date
    Record {
        /// The name of the run, such as demo-naive
        id: String,
        /// What is run; without it, what was run before
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

const EXAMPLES: &str = "\
Examples:
  learn                    what there is, and what comes next
  learn show e01           the task
  learn check e01          judge what you wrote
  learn hint e01           when you are stuck
  learn why e01            every step of the order that breaks it
  learn why e01 --page     the same, to be played in the browser

Exit codes of check: 0 passed, 1 could not judge, or does not compile, 2 usage, 3 not yet,
69 a needed program is missing";
