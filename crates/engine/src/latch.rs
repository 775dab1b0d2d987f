//! What is final: SKUs that PostgreSQL has said are sold out.
//!
//! A latch is set from PostgreSQL's word only, carries the keys of all orders of its SKU,
//! and is lifted by whatever adds units anywhere: the listener hears of it. It counts only
//! while the listener is known to hear.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use flash_core::{Placement, PurchaseRequest, Sku};

/// How long after the listener's last sign of life a latch counts. In a healthy system a
/// latch is lifted within milliseconds of the commit that adds units; this bounds how long
/// a process that cannot hear keeps saying "sold out". A link that is slower than this
/// turns the latches off.
const LEASE: Duration = Duration::from_millis(250);

/// What a latch answers.
pub(crate) const NOTHING_LEFT: Placement = Placement::SoldOut {
    available_units: Some(0),
};

/// How many SKUs can be latched at once; more are answered by PostgreSQL.
const LATCHES_MAX: usize = 10_000;

/// All latches of this process.
pub(crate) struct Latches {
    latched: papaya::HashMap<Sku, Winners>,
    /// SKUs that are being looked at, and whether units were added in the meantime.
    looking: Mutex<HashMap<Sku, bool>>,
    hasher: RandomState,
    started: Instant,
    /// Milliseconds from `started` to the listener's last sign of life.
    heard_ms: AtomicU64,
}

/// Fingerprints of the buyers and keys that have an order. Two keys that share one only
/// cost a look into PostgreSQL.
pub(crate) struct Winners(HashSet<u64>);

impl Latches {
    pub(crate) fn new() -> Self {
        Self {
            latched: papaya::HashMap::new(),
            looking: Mutex::new(HashMap::new()),
            hasher: RandomState::new(),
            started: Instant::now(),
            heard_ms: AtomicU64::new(0),
        }
    }

    /// Whether a request is refused for good: its SKU is latched, and it is not the retry
    /// of a winner. Takes no lock and does no I/O.
    pub(crate) fn refuse(&self, request: &PurchaseRequest) -> bool {
        let latched = self.latched.pin();
        let Some(winners) = latched.get(&request.sku) else {
            return false;
        };
        self.is_heard() && !self.is_winner(winners, request)
    }

    pub(crate) fn is_winner(
        &self,
        winners: &Winners,
        request: &PurchaseRequest,
    ) -> bool {
        let (buyer, key) = (&request.buyer_id, &request.idempotency_key);
        winners
            .0
            .contains(&self.fingerprint(buyer.as_str(), key.as_str()))
    }

    pub(crate) fn winners<'a>(
        &self,
        keys: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Winners {
        Winners(
            keys.map(|(buyer, key)| self.fingerprint(buyer, key))
                .collect(),
        )
    }

    fn fingerprint(&self, buyer_id: &str, idempotency_key: &str) -> u64 {
        self.hasher.hash_one((buyer_id, idempotency_key))
    }

    /// Says that the stock of a SKU is about to be looked at. From here on a lift is
    /// remembered, so that [`latch`](Self::latch) does not set what is out of date.
    pub(crate) fn begin_look(&self, sku: &Sku) {
        // A look that is under way keeps what it was told.
        self.looking().entry(sku.clone()).or_insert(false);
    }

    /// Ends the look; latches the SKU if it was found sold out and nothing was added since.
    pub(crate) fn end_look(&self, sku: &Sku, sold_out: Option<Winners>) {
        let mut looking = self.looking();
        let lifted = looking.remove(sku).unwrap_or(true);
        let latched = self.latched.pin();
        if let Some(winners) = sold_out
            && !lifted
            && latched.len() < LATCHES_MAX
        {
            latched.insert(sku.clone(), winners);
        }
    }

    /// Whether PostgreSQL's word on a SKU is known here.
    pub(crate) fn is_latched(&self, sku: &Sku) -> bool {
        self.latched.pin().contains_key(sku)
    }

    /// Units were added to a SKU.
    pub(crate) fn lift(&self, sku: &Sku) {
        let mut looking = self.looking();
        if let Some(lifted) = looking.get_mut(sku) {
            *lifted = true;
        }
        self.latched.pin().remove(sku);
    }

    /// Units may have been added to any SKU.
    pub(crate) fn lift_all(&self) {
        let mut looking = self.looking();
        for lifted in looking.values_mut() {
            *lifted = true;
        }
        self.latched.pin().clear();
    }

    /// The listener has heard everything that was committed before this moment.
    pub(crate) fn heard_at(&self, moment: Instant) {
        let heard = moment.saturating_duration_since(self.started).as_millis();
        self.heard_ms
            .store(heard.try_into().unwrap_or(u64::MAX), Ordering::Release);
    }

    fn is_heard(&self) -> bool {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Acquire));
        self.started.elapsed().saturating_sub(heard) < LEASE
    }

    fn looking(&self) -> std::sync::MutexGuard<'_, HashMap<Sku, bool>> {
        // Nothing panics while it holds the lock.
        self.looking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
