#![doc = include_str!("../README.md")]

mod account;
mod config;
mod directory;
mod error;
mod find;
mod install;
mod poll;
mod progress;
mod sandbox;
#[cfg(test)]
mod shells;
mod supervised;
mod supervisor;
mod pgbouncer;

pub use error::SandboxError;
pub use find::{Found, find_pgbouncer, find_postgres, find_redis};
pub use pgbouncer::{PgBouncer, PoolMode};
pub use sandbox::{Certificate, Options, Sandbox};
pub use supervised::Supervised;
