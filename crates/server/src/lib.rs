#![doc = include_str!("../README.md")]

mod admin;
mod api_error;
mod body;
pub mod cli;
mod health;
mod routes;
mod serve;
mod telemetry;

pub use admin::AdminPolicy;
pub use serve::{Limits, Site, bind, serve};
pub use telemetry::{LogFormat, start_logging};
