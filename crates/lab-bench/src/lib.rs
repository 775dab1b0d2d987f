#![doc = include_str!("../README.md")]

mod cli;
mod arm;
mod plan;
mod statistics;
mod wire;
mod tally;
mod load;
mod pgbench;
mod books;
mod counters;
mod world;
mod block;
mod session;
mod environment;
mod ratios;
mod result;
mod tables;
mod plot;
mod page;
mod command;

pub use cli::{BenchArgs, EXAMPLES};
pub use command::run;
pub use statistics::{Estimate, estimate, median, significant};
