//! What is final: SKUs that PostgreSQL has said are sold out.
//!
//! A latch is set from PostgreSQL's word only, carries the keys of all orders of its SKU,
//! and is lifted by whatever adds units anywhere. It is believed only as long as PostgreSQL
//! has lately confirmed it: what is heard of added units makes it faster, not right.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flash_core::{Placement, PurchaseRequest, Sku};

/// What a latch answers.
pub(crate) const NOTHING_LEFT: Placement = Placement::SoldOut {
    available_units: Some(0),
};

/// How many SKUs' winners are remembered; the others are answered by PostgreSQL.
const LATCHES_MAX: usize = 10_000;

/// All latches of this process.
pub(crate) struct Latches {
    latched: papaya::HashMap<Sku, Arc<Winners>>,
    /// The winners of all SKUs that are or were latched, so that nobody is learnt twice.
    known: Mutex<HashMap<Sku, Arc<Winners>>>,
    /// SKUs that are being looked at, and whether units were added in the meantime.
    looking: Mutex<HashMap<Sku, bool>>,
    hasher: RandomState,
    /// How long a latch is believed after PostgreSQL has confirmed it.
    lease: Duration,
    started: Instant,
}

/// Fingerprints of the buyers and keys that have an order of a SKU. Two keys that share one
/// only cost a look into PostgreSQL.
#[derive(Default)]
pub(crate) struct Winners {
    fingerprints: papaya::HashSet<u64>,
    /// The number of the newest order that was learnt.
    number: AtomicI64,
    /// The fence under which nothing was left.
    fence: AtomicI64,
    /// Milliseconds until PostgreSQL last said that nothing is left.
    confirmed_ms: AtomicU64,
}

impl Winners {
    /// The number of the newest order that was learnt.
    pub(crate) fn number(&self) -> i64 {
        self.number.load(Ordering::Acquire)
    }
}

/// A latch as it is shown to PostgreSQL.
pub(crate) struct Latched {
    pub(crate) sku: Sku,
    pub(crate) fence: i64,
    pub(crate) number: i64,
}

impl Latches {
    pub(crate) fn new(lease: Duration) -> Self {
        Self {
            latched: papaya::HashMap::new(),
            known: Mutex::default(),
            looking: Mutex::default(),
            hasher: RandomState::new(),
            lease,
            started: Instant::now(),
        }
    }

    /// Whether a request is refused for good: its SKU is latched, and it is not the retry
    /// of a winner. Takes no lock and does no I/O.
    pub(crate) fn refuses(&self, request: &PurchaseRequest) -> bool {
        let latched = self.latched.pin();
        let Some(winners) = latched.get(&request.sku) else {
            return false;
        };
        let confirmed = winners.confirmed_ms.load(Ordering::Acquire);
        let confirmed = Duration::from_millis(confirmed);
        self.started.elapsed().saturating_sub(confirmed) < self.lease
            && !self.is_winner(winners, request)
    }

    fn is_winner(&self, winners: &Winners, request: &PurchaseRequest) -> bool {
        let (buyer, key) = (&request.buyer_id, &request.idempotency_key);
        let fingerprint = self.fingerprint(buyer.as_str(), key.as_str());
        winners.fingerprints.pin().contains(&fingerprint)
    }

    fn fingerprint(&self, buyer_id: &str, idempotency_key: &str) -> u64 {
        self.hasher.hash_one((buyer_id, idempotency_key))
    }

    /// The winners of a SKU as far as they are known; none where too many SKUs are.
    pub(crate) fn winners(&self, sku: &Sku) -> Option<Arc<Winners>> {
        let mut known = locked(&self.known);
        if known.len() >= LATCHES_MAX && !known.contains_key(sku) {
            let latched = self.latched.pin();
            known.retain(|sku, _| latched.contains_key(sku));
            if known.len() >= LATCHES_MAX {
                return None;
            }
        }
        Some(Arc::clone(known.entry(sku.clone()).or_default()))
    }

    /// Adds orders to the winners, in the order of their numbers.
    pub(crate) fn learn(&self, winners: &Winners, orders: &[(String, String, i64)]) {
        let fingerprints = winners.fingerprints.pin();
        for (buyer_id, key, _) in orders {
            fingerprints.insert(self.fingerprint(buyer_id, key));
        }
        if let Some((_, _, number)) = orders.last() {
            winners.number.fetch_max(*number, Ordering::Release);
        }
    }

    /// Says that the stock of a SKU is about to be looked at. From here on a lift is
    /// remembered, so that what is out of date is not latched.
    pub(crate) fn begin_look(&self, sku: &Sku) {
        // A look that is under way keeps what it was told.
        locked(&self.looking).entry(sku.clone()).or_insert(false);
    }

    /// Ends the look, which began at that moment; latches the SKU if it was found sold out
    /// under a fence and nothing was added since.
    pub(crate) fn end_look(
        &self,
        sku: &Sku,
        begun: Instant,
        sold_out: Option<(Arc<Winners>, i64)>,
    ) {
        let mut looking = locked(&self.looking);
        let lifted = looking.remove(sku).unwrap_or(true);
        if let Some((winners, fence)) = sold_out
            && !lifted
        {
            winners.fence.store(fence, Ordering::Release);
            self.confirm_at(&winners, begun);
            self.latched.pin().insert(sku.clone(), winners);
        }
    }

    /// Whether PostgreSQL's word on a SKU is known here.
    pub(crate) fn is_latched(&self, sku: &Sku) -> bool {
        self.latched.pin().contains_key(sku)
    }

    /// All latches, to be shown to PostgreSQL.
    pub(crate) fn all(&self) -> Vec<Latched> {
        let latched = |(sku, winners): (&Sku, &Arc<Winners>)| Latched {
            sku: sku.clone(),
            fence: winners.fence.load(Ordering::Acquire),
            number: winners.number(),
        };
        self.latched.pin().iter().map(latched).collect()
    }

    /// PostgreSQL has confirmed this latch; it was asked at that moment.
    pub(crate) fn confirm(&self, confirmed: &Latched, asked: Instant) {
        let latched = self.latched.pin();
        let Some(winners) = latched.get(&confirmed.sku) else {
            return;
        };
        if winners.fence.load(Ordering::Acquire) == confirmed.fence {
            self.confirm_at(winners, asked);
        }
    }

    fn confirm_at(&self, winners: &Winners, moment: Instant) {
        let confirmed = moment.saturating_duration_since(self.started).as_millis();
        let confirmed = confirmed.try_into().unwrap_or(u64::MAX);
        winners.confirmed_ms.store(confirmed, Ordering::Release);
    }

    /// Units were added to a SKU, or sold: nothing that was read before is final.
    pub(crate) fn lift(&self, sku: &Sku) {
        let mut looking = locked(&self.looking);
        if let Some(lifted) = looking.get_mut(sku) {
            *lifted = true;
        }
        self.latched.pin().remove(sku);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds a lock.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use flash_core::{BuyerId, IdempotencyKey, Units};

    use super::*;

    #[test]
    fn a_sale_during_a_look_keeps_it_from_latching() {
        let (latch, sku) =
            (Latches::new(Duration::MAX), Sku::new("tee").expect("a sku"));
        let request = PurchaseRequest {
            sku: sku.clone(),
            buyer_id: BuyerId::new("ann").expect("a buyer"),
            units: Units::new(1).expect("units"),
            idempotency_key: IdempotencyKey::new("k1").expect("a key"),
        };
        for is_sold in [true, false] {
            latch.begin_look(&sku);
            let winners = latch.winners(&sku).expect("room");
            if is_sold {
                latch.lift(&sku);
            }
            latch.end_look(&sku, Instant::now(), Some((winners, 1)));
            assert_eq!(latch.refuses(&request), !is_sold);
        }
    }
}
