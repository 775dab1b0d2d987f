#![doc = include_str!("../README.md")]

mod batch;
mod bouncer;
mod breaker;
mod door;
mod event;
mod fences;
mod gate;
mod held;
mod latch;
mod listener;
mod metrics;
mod presence;
mod quiet;
mod strategy;
mod supply;
mod ticket;
mod vault;
mod vault_queue;

pub use gate::Gate;
pub use strategy::{Options, Strategy};
