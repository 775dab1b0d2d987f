//! What is judged, and what may be found.

use std::time::Duration;

use flash_lab_crowd::{Rule, Seller, Strategy};
use serde::Serialize;

use crate::books::Books;
use crate::journal::Entry;
use crate::probe::Probe;
use crate::schedule::PlannedSku;

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) sku: String,
    /// Whose purchase shows it, where one does.
    pub(crate) buyer: Option<String>,
    pub(crate) key: Option<String>,
    /// One sentence.
    pub(crate) what: String,
}

impl Violation {
    pub(crate) fn of_sku(rule: Rule, sku: &str, what: String) -> Self {
        Self {
            rule,
            sku: sku.to_owned(),
            buyer: None,
            key: None,
            what,
        }
    }

    pub(crate) fn of(rule: Rule, entry: &Entry, what: String) -> Self {
        Self {
            buyer: Some(entry.buyer.clone()),
            key: Some(entry.key.clone()),
            ..Self::of_sku(rule, &entry.sku, what)
        }
    }
}

/// What a strategy does not promise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Promise {
    /// "Sold out" is true, but for the second in which a latch may not have heard.
    #[default]
    Exact,
    /// Phase 3: a gate may be wrong for as long as it lives. It may refuse for units that are
    /// held, whose permit died, or that were added elsewhere, and the owner of an order that
    /// it does not know of. A request that its buyer gave up goes on, so that it may be sold
    /// to after the same one was refused elsewhere. It may do nothing else, and nothing longer.
    UntilGateExpires { lifetime_us: i64 },
}

impl Promise {
    /// What a strategy owes whose gates live so long.
    pub(crate) fn of(seller: &Seller, gate_lifetime: Duration) -> Self {
        match seller.strategy() {
            Some(Strategy::Hybrid) => Self::UntilGateExpires {
                lifetime_us: i64::try_from(gate_lifetime.as_micros())
                    .unwrap_or(i64::MAX),
            },
            _ => Self::Exact,
        }
    }
}

/// Everything that is judged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) skus: Vec<PlannedSku>,
    /// In the order in which they were sent.
    pub(crate) entries: Vec<Entry>,
    pub(crate) books: Books,
    pub(crate) probes: Vec<Probe>,
    pub(crate) promise: Promise,
    /// From when to when gates were set to nothing, in microseconds since the run began.
    pub(crate) emptied_us: Vec<(i64, i64)>,
}
