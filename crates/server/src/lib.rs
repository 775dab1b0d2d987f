#![doc = include_str!("../README.md")]

mod admin;
mod answers;
mod api_error;
mod body;
pub mod cli;
mod code;
mod docs;
mod fail_stop;
mod health;
mod metrics;
mod open_files;
mod openapi;
mod request_id;
mod routes;
mod secrets;
mod serve;
mod stores;
mod telemetry;
mod troubles;

pub use admin::AdminPolicy;
pub use fail_stop::end_on_panic;
pub use health::Probe;
pub use open_files::{ADMIN_POOL_SIZE, connections_max};
pub use secrets::{Invalid, check_secrets};
pub use serve::{CLOCK_LATENESS, KEEP_ALIVE, Limits, Site, bind, listen, serve};
pub use stores::Stores;
pub use telemetry::{LogFormat, say, start_logging};
