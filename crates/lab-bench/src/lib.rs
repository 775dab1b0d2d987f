#![doc = include_str!("../README.md")]

mod cli;
mod arm;
mod plan;
mod statistics;
mod percentiles;
mod wire;
mod connection;
mod alarm;
mod books;
mod tally;
mod load;
mod pgbench;
mod shop;
mod world;
mod counters;
mod block;
mod session;
mod environment;
mod ratios;
mod result;
mod meaning;
mod table;
mod plot;
mod page;
mod markdown;
mod command;

pub use cli::{BenchArgs, EXAMPLES};
pub use command::run;
pub use statistics::{Estimate, estimate, median, significant};
