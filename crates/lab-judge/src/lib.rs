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

pub use cli::{EXAMPLES, JudgeArgs};
pub use command::run;
