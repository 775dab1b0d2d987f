#![doc = include_str!("../README.md")]
#![expect(
    clippy::missing_errors_doc,
    reason = "all of this is part of tests, where an error is a failed test"
)]

mod certificates;
mod conductor;
pub mod contract;
pub mod guarantee;
mod sale;
mod stores;
mod topology;

pub use certificates::Authority;
pub use conductor::{Conductor, WAIT};
pub use guarantee::Promise;
pub use sale::{Sale, order_of, purchase, sku};
pub use stores::Stores;
pub use topology::{Cluster, Node, PRIMARY, Sentinels, TlsRedis};

pub use flash_lab_wire::{Cable, Cut};
pub use redis;
