//! What this process has seen of each gate.

use std::collections::HashMap;
use std::time::Instant;

use flash_core::Sku;

use crate::held::HELD_MAX;

/// How many SKUs' gates are remembered. One that is forgotten costs a reload at most.
const FENCES_MAX: usize = 100_000;

/// A gate with an older fence than was seen has been rolled back, and counts as not loaded.
#[derive(Default)]
pub(crate) struct Fences {
    seen: HashMap<Sku, Seen>,
}

#[derive(Default)]
struct Seen {
    fence: i64,
    /// When it was last reconciled.
    reconciled_at: Option<Instant>,
}

impl Fences {
    /// The newest fence that was seen; 0 for none.
    pub(crate) fn newest(&self, sku: &Sku) -> i64 {
        self.seen.get(sku).map_or(0, |seen| seen.fence)
    }

    pub(crate) fn see(&mut self, sku: &Sku, fence: i64) {
        let seen = self.entry(sku);
        seen.fence = fence.max(seen.fence);
    }

    /// Whether a gate that is missing may be reconciled. A Redis that forgets it again at
    /// once must not cost a commit for each buyer.
    pub(crate) fn may_reconcile(&self, sku: &Sku) -> bool {
        let last = self.seen.get(sku).and_then(|seen| seen.reconciled_at);
        last.is_none_or(|at| at.elapsed() >= HELD_MAX)
    }

    /// A gate was reconciled, and has this fence.
    pub(crate) fn reconciled(&mut self, sku: &Sku, fence: i64) {
        self.see(sku, fence);
        self.entry(sku).reconciled_at = Some(Instant::now());
    }

    fn entry(&mut self, sku: &Sku) -> &mut Seen {
        if self.seen.len() >= FENCES_MAX && !self.seen.contains_key(sku) {
            self.seen.clear();
        }
        // A clone of a name shares its text.
        self.seen.entry(sku.clone()).or_default()
    }
}
