//! The newest fence that this process has seen of each gate.

use std::collections::HashMap;

use flash_core::Sku;

/// How many SKUs' fences are remembered. One that is forgotten costs a reload at most.
const FENCES_MAX: usize = 100_000;

/// A gate with an older fence than was seen has been rolled back, and counts as not loaded.
#[derive(Default)]
pub(crate) struct Fences {
    seen: HashMap<Sku, i64>,
}

impl Fences {
    /// The newest fence that was seen; 0 for none.
    pub(crate) fn newest(&self, sku: &Sku) -> i64 {
        self.seen.get(sku).copied().unwrap_or(0)
    }

    pub(crate) fn see(&mut self, sku: &Sku, fence: i64) {
        if let Some(seen) = self.seen.get_mut(sku) {
            *seen = fence.max(*seen);
        } else {
            if self.seen.len() >= FENCES_MAX {
                self.seen.clear();
            }
            self.seen.insert(sku.clone(), fence);
        }
    }
}
