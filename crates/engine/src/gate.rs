//! The gate: Redis admits as many as may fit, asked once for all that wait. Who is not
//! admitted is held, since the units may come back, and keeps his place before newcomers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use flash_core::{Sku, StrategyError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use crate::batcher::{Asked, Batcher, Taker, batcher};
use crate::purchase::Purchase;
use crate::redis::{Decided, Question, Redis};
use crate::stock::{Lines, Place, StockRoom};

/// The most permits that are given back before anybody else is admitted.
const RELEASES_AT_ONCE: usize = 256;

/// How many SKUs' fences are remembered. One that is forgotten costs a reconcile at most.
const FENCES_MAX: usize = 100_000;

/// How long nobody must have asked for a SKU before its gate is compared with PostgreSQL.
const QUIET: Duration = Duration::from_millis(500);

/// How many SKUs wait to be compared. The others come right when they run out.
const RECENT_MAX: usize = 1_000;

/// What the gate says to a request.
pub(crate) enum Admission {
    /// It may try.
    Admitted(Permit),
    /// Fewer units are free than it wants. It stands in line.
    Held(Place),
    /// Fewer units are free than it wants, and no line has room.
    Full,
    /// There is no gate, or one that has gone back behind what was seen of it.
    NotLoaded,
    /// Redis cannot be asked.
    RedisAway,
}

/// Units that Redis has counted down for a request. It gives them back when it is dropped
/// unspent; what dies with its process comes back when the gate is reconciled.
pub(crate) struct Permit {
    release: Option<Release>,
    releases: mpsc::UnboundedSender<Release>,
}

/// What this request was given, for the gate with that fence.
struct Release {
    purchase: Arc<Purchase>,
    fence: i64,
}

impl Permit {
    /// Its units are an order now.
    pub(crate) fn spend(mut self) {
        self.release = None;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            // The doorkeeper is gone only when the strategy is.
            let _ = self.releases.send(release);
        }
    }
}

/// A request at the gate, with its place if it was held before.
type Arrival = (Arc<Purchase>, Option<Place>);

/// Where requests ask to be admitted.
pub(crate) struct Gate {
    arrivals: Batcher<Arrival, Admission>,
    lines: Arc<Lines>,
    redis: Arc<Redis>,
}

impl Gate {
    /// Asks, together with all who wait.
    pub(crate) async fn admit(
        &self,
        purchase: &Arc<Purchase>,
        place: Option<Place>,
    ) -> Admission {
        let arrival = (Arc::clone(purchase), place);
        let answer = self.arrivals.ask(arrival).await;
        answer.unwrap_or(Admission::RedisAway)
    }

    pub(crate) fn lines(&self) -> Arc<Lines> {
        Arc::clone(&self.lines)
    }

    pub(crate) async fn free_units(
        &self,
        sku: &Sku,
    ) -> Result<Option<i64>, StrategyError> {
        self.redis.free_units(sku).await
    }

    /// Whether Redis does what selling needs of it.
    pub(crate) async fn ready(&self) -> Result<(), StrategyError> {
        self.redis.ready().await
    }
}

/// Who stands at the gate and speaks with Redis.
pub(crate) struct Doorkeeper {
    arrivals: Taker<Arrival, Admission>,
    released: mpsc::UnboundedReceiver<Release>,
    releases: mpsc::UnboundedSender<Release>,
    redis: Arc<Redis>,
    lines: Arc<Lines>,
    batch_max: usize,
    /// The newest fence that was seen of each gate: an older one has been rolled back.
    fences: HashMap<Sku, i64>,
    /// When somebody last asked for a SKU.
    recent: HashMap<Sku, Instant>,
}

/// The gate before a vault, and who stands there.
pub(crate) fn gate(
    redis: Arc<Redis>,
    queue_max: usize,
    batch_max: usize,
) -> (Gate, Doorkeeper) {
    let (arrivals, arriving) = batcher();
    let (releases, released) = mpsc::unbounded_channel();
    let lines = Arc::new(Lines::new(queue_max));
    let doorkeeper = Doorkeeper {
        arrivals: arriving,
        released,
        releases,
        redis: Arc::clone(&redis),
        lines: Arc::clone(&lines),
        batch_max,
        fences: HashMap::new(),
        recent: HashMap::new(),
    };
    let gate = Gate {
        arrivals,
        lines,
        redis,
    };
    (gate, doorkeeper)
}

impl Doorkeeper {
    /// Works until nobody can come any more.
    pub(crate) async fn work(mut self, stock: StockRoom) {
        let (mut batch, mut released) = (Vec::new(), Vec::new());
        let mut compare = tokio::time::interval(QUIET);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // It has a sender itself, so there is always one.
                _ = self.released.recv_many(&mut released, RELEASES_AT_ONCE) => {
                    self.release(&mut released).await;
                }
                count = self.arrivals.take(&mut batch, self.batch_max) => {
                    if count == 0 {
                        return;
                    }
                    self.admit(std::mem::take(&mut batch)).await;
                }
                _ = compare.tick() => self.compare_quiet(&stock),
            }
        }
    }

    /// Asks Redis for all that wait, in one round trip. While the answer is on its way the
    /// next ones gather.
    async fn admit(&mut self, batch: Vec<Asked<Arrival, Admission>>) {
        if self.redis.is_away() {
            for (_, reply) in batch {
                answer(reply, Admission::RedisAway);
            }
            return;
        }
        let mut by_sku: HashMap<Sku, Vec<_>> = HashMap::new();
        for asked in batch {
            let sku = &asked.0.0.request.sku;
            match by_sku.get_mut(sku) {
                Some(others) => others.push(asked),
                None => drop(by_sku.insert(sku.clone(), vec![asked])),
            }
        }
        by_sku.retain(|sku, asked| {
            let held = let_ask(asked, self.lines.waiting(sku));
            for (_, reply) in held {
                answer(reply, self.hold(sku));
            }
            !asked.is_empty()
        });
        if by_sku.is_empty() {
            return;
        }
        let questions: Vec<_> = by_sku
            .iter()
            .map(|(sku, asked)| Question {
                sku,
                seen_fence: self.fences.get(sku).copied().unwrap_or(0),
                units: asked
                    .iter()
                    .map(|((it, _), _)| it.request.units.get())
                    .collect(),
            })
            .collect();
        let decided = self.redis.admit(&questions).await;
        drop(questions);
        match decided {
            Ok(decided) => {
                for ((sku, asked), decided) in by_sku.into_iter().zip(decided) {
                    self.tell(&sku, asked, decided);
                }
            }
            Err(_) => {
                for (_, reply) in by_sku.into_values().flatten() {
                    answer(reply, Admission::RedisAway);
                }
            }
        }
    }

    fn tell(
        &mut self,
        sku: &Sku,
        asked: Vec<Asked<Arrival, Admission>>,
        decided: Option<Decided>,
    ) {
        let Some(Decided { fence, admitted }) = decided else {
            for (_, reply) in asked {
                answer(reply, Admission::NotLoaded);
            }
            return;
        };
        remember(&mut self.fences, sku, fence, FENCES_MAX);
        if self.recent.len() < RECENT_MAX || self.recent.contains_key(sku) {
            self.recent.insert(sku.clone(), Instant::now());
        }
        if admitted.contains(&true) {
            self.lines.moves(sku);
        }
        for (((purchase, place), reply), admitted) in asked.into_iter().zip(admitted) {
            if admitted {
                let permit = Permit {
                    release: Some(Release { purchase, fence }),
                    releases: self.releases.clone(),
                };
                answer(reply, Admission::Admitted(permit));
            } else {
                let held = place.map_or_else(|| self.hold(sku), Admission::Held);
                answer(reply, held);
            }
        }
    }

    fn hold(&self, sku: &Sku) -> Admission {
        let place = self.lines.join(sku);
        place.map_or(Admission::Full, Admission::Held)
    }

    /// Redis is told once of all that it gets back. Where it does not hear, the line does
    /// not move, and the gate is reconciled.
    async fn release(&mut self, released: &mut Vec<Release>) {
        let mut units = HashMap::new();
        for release in released.drain(..) {
            let request = &release.purchase.request;
            let gate = (request.sku.clone(), release.fence);
            *units.entry(gate).or_insert(0) += request.units.get();
        }
        if !self.redis.is_away() {
            // Its failure is known to all who ask next.
            let _ = self.redis.release(&units).await;
        }
    }

    /// Compares the gates that were in use and are not any more.
    fn compare_quiet(&mut self, stock: &StockRoom) {
        let mut quiet = Vec::new();
        self.recent.retain(|sku, asked| {
            let is_quiet = asked.elapsed() >= QUIET;
            if is_quiet {
                quiet.push(sku.clone());
            }
            !is_quiet
        });
        if !quiet.is_empty() && !self.redis.is_away() {
            let stock = stock.clone();
            tokio::spawn(async move { stock.compare(quiet).await });
        }
    }
}

/// Puts those who ask for a SKU in the order of their arrival. While somebody who is held
/// has not come back, newcomers do not ask: they are returned.
fn let_ask<A>(
    asked: &mut Vec<Asked<Arrival, A>>,
    waiting: usize,
) -> Vec<Asked<Arrival, A>> {
    asked.sort_by_key(|((purchase, _), _)| purchase.since);
    let back = asked
        .iter()
        .filter(|((_, place), _)| place.is_some())
        .count();
    if waiting <= back {
        return Vec::new();
    }
    let (held, newcomers) =
        asked.drain(..).partition(|((_, place), _)| place.is_some());
    *asked = held;
    newcomers
}

/// Who has gone away meanwhile gives back what he was given.
fn answer(reply: oneshot::Sender<Admission>, admission: Admission) {
    drop(reply.send(admission));
}

fn remember(fences: &mut HashMap<Sku, i64>, sku: &Sku, fence: i64, max: usize) {
    if let Some(seen) = fences.get_mut(sku) {
        *seen = fence.max(*seen);
        return;
    }
    if fences.len() >= max {
        fences.clear();
    }
    fences.insert(sku.clone(), fence);
}

#[cfg(test)]
mod tests {
    use flash_core::{BuyerId, IdempotencyKey, PurchaseRequest, Units};

    use super::*;

    fn sku() -> Sku {
        Sku::new("tee").expect("a sku")
    }

    fn arrives(buyer: &str, place: Option<Place>) -> Asked<Arrival, ()> {
        let request = PurchaseRequest {
            sku: sku(),
            buyer_id: BuyerId::new(buyer).expect("a buyer"),
            units: Units::new(1).expect("units"),
            idempotency_key: IdempotencyKey::new("k1").expect("a key"),
        };
        let (reply, _) = oneshot::channel();
        ((Arc::new(Purchase::new(request)), place), reply)
    }

    fn names(asked: &[Asked<Arrival, ()>]) -> Vec<&str> {
        let purchases = asked.iter().map(|((purchase, _), _)| purchase);
        purchases.map(|it| it.request.buyer_id.as_str()).collect()
    }

    #[test]
    fn who_waits_keeps_the_place_before_newcomers() {
        let lines = Arc::new(Lines::new(9));
        let (ann, bob) = (arrives("ann", None), arrives("bob", None));
        let (first, second) = (lines.join(&sku()), lines.join(&sku()));

        // While bob is not back, a newcomer does not ask before him.
        let mut asked = vec![arrives("cat", None), ((ann.0.0, first), ann.1)];
        let held = let_ask(&mut asked, lines.waiting(&sku()));
        assert_eq!((names(&asked), names(&held)), (vec!["ann"], vec!["cat"]));

        // Once all are back, the newcomer asks behind them, whoever came to the gate first.
        asked.push(arrives("dan", None));
        asked.insert(0, ((bob.0.0, second), bob.1));
        let held = let_ask(&mut asked, lines.waiting(&sku()));
        assert_eq!(names(&asked), ["ann", "bob", "dan"]);
        assert!(held.is_empty());
        asked.clear();
        assert_eq!(lines.waiting(&sku()), 0);
    }
}
