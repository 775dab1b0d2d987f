//! A purchase request on its way through the rooms.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use flash_core::{Placement, PurchaseRequest, StrategyError};

/// What the buyer is told.
pub(crate) type Answer = Result<Placement, StrategyError>;

/// A request on its way.
pub(crate) struct Purchase {
    pub(crate) request: PurchaseRequest,
    /// When it came: whoever comes first is served first.
    pub(crate) since: Instant,
    is_abandoned: AtomicBool,
}

impl Purchase {
    pub(crate) fn new(request: PurchaseRequest) -> Self {
        Self {
            request,
            since: Instant::now(),
            is_abandoned: AtomicBool::new(false),
        }
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned.load(Ordering::Relaxed)
    }
}

/// A buyer who waits for the answer. Dropped before it is there, it says that he has left.
pub(crate) struct Waiting(Arc<Purchase>);

impl Waiting {
    pub(crate) fn new(purchase: &Arc<Purchase>) -> Self {
        Self(Arc::clone(purchase))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Relaxed);
    }
}
