//! Waiting for what other processes do.

use std::thread;
use std::time::{Duration, Instant};

/// Short against every wait here, long against the cost of one look.
const STEP: Duration = Duration::from_millis(5);

/// Looks again and again until `look` returns something or `limit` is over.
pub(crate) fn until<T>(
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::park_timeout(STEP);
    }
}
