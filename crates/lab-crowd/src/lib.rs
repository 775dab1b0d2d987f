#![doc = include_str!("../README.md")]

pub mod cli;
pub mod error;
pub mod look;
pub mod sheet;
pub mod output;
pub mod progress;
pub mod open_files;
pub mod client;
pub mod outcome;
pub mod rule;
pub mod run;
pub mod crowd;
pub mod stores;
pub mod server_process;
pub mod seller;
pub mod audit;
pub mod environment;
mod lesson;
pub mod promise;
pub mod report;
