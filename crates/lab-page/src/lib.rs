#![doc = include_str!("../README.md")]

mod cli;
mod turned_away;
mod board;
mod watcher;
mod shop;
mod source;
mod plays;
mod judge;
mod assets;
mod site;
mod file;
mod command;

pub use cli::{EXAMPLES, PageArgs, REPORT_EXAMPLES, ReportArgs};
pub use command::{report, run};
