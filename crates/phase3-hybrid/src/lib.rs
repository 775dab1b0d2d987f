#![doc = include_str!("../README.md")]

mod batch;
mod bouncer;
mod breaker;
mod door;
mod gate;
mod latch;
mod listener;
mod strategy;
mod supply;
mod ticket;
mod vault;

pub use gate::Gate;
pub use strategy::{Options, Strategy};
