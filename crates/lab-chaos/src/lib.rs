#![doc = include_str!("../README.md")]

mod way;
mod cli;
mod fault;
mod schedule;
mod postgres;
mod redis;
mod process;
mod world;
mod journal;
mod buyers;
mod saboteur;
mod books;
mod gates;
mod probe;
mod evidence;
mod returned;
mod sold_out;
mod judge;
mod story;
mod result;
mod run;
mod command;

pub use cli::{ChaosArgs, EXAMPLES};
pub use command::run;
