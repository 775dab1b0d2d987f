#![doc = include_str!("../README.md")]

pub mod audit;
mod connect;
mod error;
mod migrate;
pub mod orders;
mod pool;
pub mod restocks;
pub mod schema;
mod session;
pub mod skus;
mod tls;
mod url;

pub use connect::{
    Wire, address, connect, connect_anywhere, connect_bounded, connect_driven, risks,
};
pub use error::{DbError, expect_rows};
pub use migrate::{check_schema, migrate};
pub use pool::{Connection, Pool, PoolOptions, PoolStatus, failed_commit, probe};
pub use session::check_session;
pub use tls::TlsError;
pub use url::{InvalidUrl, NotEncoded, check_url};
