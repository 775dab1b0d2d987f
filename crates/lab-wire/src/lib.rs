#![doc = include_str!("../README.md")]

mod port;
mod link;
mod ask;
mod statement;
mod bytes;
mod value;
mod wire;
mod postgres;
mod redis;
mod hold;

pub use ask::{ask, info};
pub use hold::{hold_postgres, hold_redis};
pub use link::Link;
pub use port::Port;
pub use statement::{Does, Statement, Store};
pub use wire::{Steps, Turn};
