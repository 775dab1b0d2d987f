#![doc = include_str!("../README.md")]

mod admin;
mod answers;
mod api_error;
mod body;
pub mod cli;
mod docs;
mod fail_stop;
mod health;
mod metrics;
mod open_files;
mod openapi;
mod probe;
mod problem;
pub mod program;
mod request_id;
mod routes;
mod secrets;
mod serve;
mod site;
mod startup;
mod stores;
mod telemetry;
mod troubles;

pub use admin::AdminPolicy;
pub use fail_stop::end_on_panic;
pub use probe::Probe;
pub use serve::{CLOCK_LATENESS, KEEP_ALIVE, bind, listen, serve};
pub use site::{Limits, Site};
pub use startup::Shop;
