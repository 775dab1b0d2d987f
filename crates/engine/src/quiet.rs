//! Gates that were in use and are not any more: the time to see whether they are right.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use flash_core::Sku;

use crate::supply::Supply;

/// How long nobody must have asked for a SKU before its gate is compared with PostgreSQL.
pub(crate) const QUIET: Duration = Duration::from_millis(500);

/// How many SKUs are remembered. The others come right when they run out.
const RECENT_MAX: usize = 1_000;

/// When somebody last asked for a SKU.
#[derive(Default)]
pub(crate) struct Recent {
    asked: HashMap<Sku, Instant>,
}

impl Recent {
    pub(crate) fn asked(&mut self, sku: &Sku) {
        if let Some(asked) = self.asked.get_mut(sku) {
            *asked = Instant::now();
        } else if self.asked.len() < RECENT_MAX {
            self.asked.insert(sku.clone(), Instant::now());
        }
    }

    /// Takes the SKUs that have become quiet.
    pub(crate) fn take_quiet(&mut self) -> Vec<Sku> {
        let mut quiet = Vec::new();
        self.asked.retain(|sku, asked| {
            let is_quiet = asked.elapsed() >= QUIET;
            if is_quiet {
                quiet.push(sku.clone());
            }
            !is_quiet
        });
        quiet
    }
}

/// Compares gates one after the other, once each.
pub(crate) async fn compare(supply: Supply, quiet: Vec<Sku>) {
    for sku in quiet {
        if let Err(error) = supply.compare(&sku).await {
            tracing::debug!(%sku, %error, "a gate was not compared");
        }
    }
}
