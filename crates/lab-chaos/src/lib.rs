#![doc = include_str!("../README.md")]

mod fault;
mod schedule;
mod way;
mod postgres;
mod redis;
mod world;
mod journal;
mod buyers;
mod saboteur;
mod evidence;
mod gates;
mod sold_out;
mod judge;
mod result;
mod run;
mod command;

pub use command::{ChaosArgs, EXAMPLES, run};
