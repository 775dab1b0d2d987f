#![doc = include_str!("../README.md")]

pub mod audit;
mod error;
mod migrate;
pub mod order_batch;
pub mod orders;
mod pool;
pub mod restocks;
pub mod schema;
pub mod skus;
pub mod statement;

pub use error::DbError;
pub use migrate::migrate;
pub use pool::{
    Connection, Pool, PoolOptions, PoolStatus, address, connect, connect_bounded,
};
