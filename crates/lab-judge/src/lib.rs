#![doc = include_str!("../README.md")]

mod cli;
mod verdict;
mod rules;
mod why;
mod http;
mod race;
mod crash;
mod text;
mod command;

pub use cli::{EXAMPLES, JudgeArgs, Scope, StageName};
pub use command::{judge, run};
pub use text::details;
pub use verdict::{FaultAt, Judged, Looked, Verdict, Why, Word};
