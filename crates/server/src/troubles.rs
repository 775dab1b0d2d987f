//! What keeps requests from being answered and is the operator's business: each cause stands
//! in the log once, until requests are answered again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long no request must have failed for the trouble to be over. What comes and goes
/// faster is one trouble.
const CALM: Duration = Duration::from_secs(5);

/// How long after it was last met a cause is news again, although nothing was sold since.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// How many causes are told; more than that in one go is one cause with changing details.
const CAUSES_MAX: usize = 50;

/// The causes, and when each was last met.
static TROUBLES: LazyLock<Mutex<HashMap<String, Instant>>> =
    LazyLock::new(Mutex::default);

/// Whether there are any, for those who are in a hurry.
static ANY: AtomicBool = AtomicBool::new(false);

/// A request failed for this cause.
pub(crate) fn tell(cause: &str) {
    let mut troubles = troubles();
    troubles.retain(|_, last| last.elapsed() < FORGOTTEN);
    if let Some(last) = troubles.get_mut(cause) {
        *last = Instant::now();
    } else if troubles.len() < CAUSES_MAX {
        tracing::error!(cause, "requests cannot be answered");
        troubles.insert(cause.to_owned(), Instant::now());
        ANY.store(true, Ordering::Relaxed);
    }
}

/// A purchase succeeded.
pub(crate) fn over() {
    if !ANY.load(Ordering::Relaxed) {
        return;
    }
    let mut troubles = troubles();
    if troubles.values().all(|last| last.elapsed() >= CALM) {
        troubles.clear();
        ANY.store(false, Ordering::Relaxed);
        tracing::warn!("purchases succeed again");
    }
}

fn troubles() -> MutexGuard<'static, HashMap<String, Instant>> {
    // Nothing panics while it holds the lock.
    TROUBLES.lock().unwrap_or_else(PoisonError::into_inner)
}
