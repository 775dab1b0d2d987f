#![doc = include_str!("../README.md")]

mod admin;
mod answers;
mod api_error;
mod body;
pub mod cli;
mod code;
mod docs;
mod health;
mod metrics;
mod openapi;
mod routes;
mod serve;
mod stores;
mod telemetry;
mod troubles;

pub use admin::AdminPolicy;
pub use health::Probe;
pub use serve::{CLOCK_LATENESS, KEEP_ALIVE, Limits, Site, bind, serve};
pub use stores::Stores;
pub use telemetry::{LogFormat, start_logging};
