#![doc = include_str!("../README.md")]

pub mod audit;
pub mod bench;
pub mod chaos;
pub mod cli;
mod client;
mod crowd;
pub mod demo;
pub mod doctor;
pub mod error;
mod given;
pub mod interleave;
mod json_file;
mod lesson;
mod look;
mod open_files;
mod outcome;
pub mod page;
mod port;
mod progress;
mod promise;
mod report;
mod run;
mod server_process;
mod sheet;
pub mod static_route;
mod stores;
