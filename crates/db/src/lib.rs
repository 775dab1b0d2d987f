#![doc = include_str!("../README.md")]

pub mod audit;
mod connect;
mod error;
mod migrate;
pub mod orders;
mod pool;
pub mod restocks;
pub mod schema;
pub mod skus;
mod url;

pub use connect::{Wire, address, connect, connect_bounded, connect_driven, risks};
pub use error::{DbError, expect_rows};
pub use migrate::migrate;
pub use pool::{Connection, Pool, PoolOptions, PoolStatus, failed_commit, probe};
pub use url::{NotEncoded, check_url};
