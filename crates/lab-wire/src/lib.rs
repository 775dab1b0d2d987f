#![doc = include_str!("../README.md")]

mod ask;
mod statement;
mod value;
mod protocol;
mod postgres;
mod redis;
mod cable;

pub use ask::{ask, info};
pub use cable::{Cable, Cut, Steps, Turn};
pub use statement::{Does, Statement, Store};
