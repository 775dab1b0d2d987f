#![doc = include_str!("../README.md")]

mod bouncer;
mod door;
mod gate;
mod strategy;
mod vault;

pub use gate::Gate;
pub use strategy::{Options, Strategy};
