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

pub use error::SandboxError;
pub use find::{Found, find_postgres, find_redis};
pub use sandbox::{Options, Sandbox};
pub use supervised::Supervised;
