#![doc = include_str!("../README.md")]

mod batcher;
mod committers;
mod engine;
mod gate;
mod latch;
mod metrics;
mod presence;
mod purchase;
mod redis;
mod sql;
mod stock;
mod vault;
mod way;

pub use self::redis::{
    ADMITTED, Gates, PREFIX, gate_free_units, gate_key, redis_address,
};
pub use engine::{LEASE, Options, Strategy};
pub use metrics::{REFUSED_BY, REFUSED_TOTAL};
