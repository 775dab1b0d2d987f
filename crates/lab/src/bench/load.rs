//! The generator of load: many kept connections, one thread, no work that could be done
//! before the clock starts.

mod alarm;
mod connection;
mod drive;
mod tally;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;

pub(crate) use tally::Tally;
pub(crate) use wire::{Template, is_whole};

/// What it is, for a report.
pub(crate) const WHAT: &str =
    "one thread, closed or open loop, connections opened before the clock starts";

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each buyer asks again as soon as there is an answer.
    Closed { lasting: Duration },
    /// Each buyer asks once, all at the same moment.
    Once,
    /// Requests are due at random times, whatever the answers do.
    Open { per_second: f64, lasting: Duration },
}

/// Who asks for what.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// The SKUs are called this, a dash, and four digits from 0000 on.
    pub(crate) prefix: String,
    pub(crate) skus: u64,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// Number of the first buyer; no number is used twice.
    pub(crate) first_buyer: u64,
}

/// Applies a load in a thread of its own and counts the answers.
///
/// # Errors
///
/// Connections that cannot be opened. What the server does is counted.
///
/// # Cancel safety
///
/// A dropped future ends the load within a tenth of a second.
pub(crate) async fn apply(load: Load) -> anyhow::Result<Tally> {
    let called_off = CallOff::default();
    let flag = Arc::clone(&called_off.0);
    tokio::task::spawn_blocking(move || drive::drive(&load, &flag))
        .await
        .context("the generator of load was lost")?
}

/// Calls the load off when it is dropped.
#[derive(Default)]
struct CallOff(Arc<AtomicBool>);

impl Drop for CallOff {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
