//! What is final: SKUs that PostgreSQL has said are sold out.
//!
//! A latch is set from PostgreSQL's word only, carries the keys of all orders of its SKU,
//! and is lifted by whatever adds units anywhere. It is believed only as long as PostgreSQL
//! has lately confirmed it: what is heard of added units makes it faster, not right.

use std::collections::HashMap;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel_async::AsyncPgConnection;
use flash_core::{Placement, PurchaseRequest, Sku, reason};
use flash_db::{Connection, DbError, Pool};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_postgres::AsyncMessage;

use crate::sql;

/// What a latch answers.
pub(crate) const NOTHING_LEFT: Placement = Placement::SoldOut {
    available_units: Some(0),
};

/// How many SKUs' winners are remembered; the others are answered by PostgreSQL.
const LATCHES_MAX: usize = 10_000;

/// How many winners are read at once.
const PAGE: u16 = 1_000;

/// How long to wait before listening again.
const RETRY: Duration = Duration::from_millis(200);

/// All latches of this process.
pub(crate) struct Latches {
    /// The winners of all SKUs that are or were latched, so that nobody is learnt twice.
    known: papaya::HashMap<Sku, Arc<Winners>>,
    hasher: RandomState,
    /// How long a latch is believed after PostgreSQL has confirmed it.
    lease: Duration,
    started: Instant,
}

/// Fingerprints of the buyers and keys that have an order of a SKU. Two keys that share one
/// only cost a look into PostgreSQL.
#[derive(Default)]
struct Winners {
    fingerprints: papaya::HashSet<u64>,
    /// The number of the newest order that was learnt.
    number: AtomicI64,
    /// The fence under which nothing was left.
    fence: AtomicI64,
    /// Milliseconds until PostgreSQL last said that nothing is left; 0 without a latch.
    confirmed_ms: AtomicU64,
    /// How often units were added or sold: what was read before is not final.
    lifts: Mutex<u64>,
}

/// A SKU that PostgreSQL is asked about. What is lifted from here on stays so, whatever
/// it answers.
pub(crate) struct Look {
    latches: Arc<Latches>,
    sku: Sku,
    winners: Arc<Winners>,
    lifts: u64,
    begun: Instant,
}

impl Latches {
    pub(crate) fn new(lease: Duration) -> Self {
        Self {
            known: papaya::HashMap::new(),
            hasher: RandomState::new(),
            lease,
            started: Instant::now(),
        }
    }

    /// Whether a request is refused for good: its SKU is latched, and it is not the retry
    /// of a winner. Takes no lock and does no I/O.
    pub(crate) fn refuses(&self, request: &PurchaseRequest) -> bool {
        let known = self.known.pin();
        let Some(winners) = known.get(&request.sku).filter(|it| it.is_latched()) else {
            return false;
        };
        let confirmed_ms = winners.confirmed_ms.load(Ordering::Acquire);
        let confirmed = Duration::from_millis(confirmed_ms);
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

    /// Whether PostgreSQL's word on a SKU is known here.
    pub(crate) fn is_latched(&self, sku: &Sku) -> bool {
        self.known.pin().get(sku).is_some_and(|it| it.is_latched())
    }

    /// Begins a look at the stock of a SKU; none where too many are latched.
    pub(crate) fn begin_look(self: &Arc<Self>, sku: &Sku) -> Option<Look> {
        let known = self.known.pin();
        if known.len() >= LATCHES_MAX && !known.contains_key(sku) {
            known.retain(|_, winners| winners.is_latched());
            if known.len() >= LATCHES_MAX {
                return None;
            }
        }
        let winners = known.get_or_insert_with(sku.clone(), Arc::default);
        Some(self.look((sku, winners)))
    }

    fn look(self: &Arc<Self>, (sku, winners): (&Sku, &Arc<Winners>)) -> Look {
        Look {
            latches: Arc::clone(self),
            sku: sku.clone(),
            winners: Arc::clone(winners),
            lifts: *winners.lifts.lock(),
            begun: Instant::now(),
        }
    }

    /// Units were added to a SKU, or sold: nothing that was read before is final.
    pub(crate) fn lift(&self, sku: &Sku) {
        if let Some(winners) = self.known.pin().get(sku) {
            let mut lifts = winners.lifts.lock();
            *lifts += 1;
            winners.confirmed_ms.store(0, Ordering::Release);
        }
    }

    /// Shows all latches to PostgreSQL. Those that hold are confirmed, the others lifted and
    /// returned, with what is available now.
    pub(crate) async fn confirm(
        self: &Arc<Self>,
        pool: &Pool,
    ) -> Result<HashMap<Sku, i64>, DbError> {
        let looks: Vec<_> = {
            let known = self.known.pin();
            let latched = known.iter().filter(|(_, winners)| winners.is_latched());
            latched.map(|it| self.look(it)).collect()
        };
        if looks.is_empty() {
            return Ok(HashMap::new());
        }
        let latched = looks.iter().map(|it| sql::Latched {
            sku: it.sku.as_str(),
            fence: it.winners.fence.load(Ordering::Acquire),
            number: it.winners.number.load(Ordering::Acquire),
        });
        let latched: Vec<_> = latched.collect();
        let changed = sql::changed(&*pool.get().await?, &latched).await?;
        for look in &looks {
            if changed.contains_key(&look.sku) {
                self.lift(&look.sku);
            } else {
                look.confirm();
            }
        }
        Ok(changed)
    }
}

impl Winners {
    fn is_latched(&self) -> bool {
        self.confirmed_ms.load(Ordering::Acquire) > 0
    }
}

impl Look {
    /// Learns the winners of a SKU that was found sold out under this fence, and latches it.
    /// Those of a SKU that has many are learnt away from the thread that sells.
    pub(crate) async fn latch(
        self,
        mut conn: Connection,
        fence: i64,
    ) -> Result<(), DbError> {
        self.winners.fence.store(fence, Ordering::Release);
        if self.learn_page(&mut conn).await? {
            self.confirm();
            return Ok(());
        }
        let runtime = Handle::current();
        let learning = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                while !self.learn_page(&mut conn).await? {}
                self.confirm();
                Ok(())
            })
        });
        // Whoever panics ends the process.
        learning.await.unwrap_or(Err(DbError::Silent))
    }

    /// PostgreSQL said that nothing is left: that is final, unless anything was lifted since
    /// the look began.
    fn confirm(&self) {
        let passed = self.begun.saturating_duration_since(self.latches.started);
        let passed_ms = passed.as_millis().try_into().unwrap_or(u64::MAX);
        let lifts = self.winners.lifts.lock();
        if *lifts == self.lifts {
            let confirmed_ms = &self.winners.confirmed_ms;
            confirmed_ms.store(passed_ms.max(1), Ordering::Release);
        }
    }

    /// Learns the next winners; true when these were all.
    async fn learn_page(&self, conn: &mut AsyncPgConnection) -> Result<bool, DbError> {
        let number = &self.winners.number;
        let after = number.load(Ordering::Acquire);
        let page = sql::keys_after(conn, &self.sku, after, PAGE).await?;
        let fingerprints = self.winners.fingerprints.pin();
        for (buyer_id, key, new) in &page {
            fingerprints.insert(self.latches.fingerprint(buyer_id, key));
            number.fetch_max(*new, Ordering::Release);
        }
        Ok(page.len() < PAGE.into())
    }
}

/// Listens to what PostgreSQL tells of added units, in whatever process they were added, as
/// long as the strategy lives.
pub(crate) async fn listen(database_url: String, latches: Arc<Latches>) {
    type Failure = Box<dyn std::error::Error + Send + Sync>;
    let mut deaf = false;
    loop {
        let hearing = async {
            let (client, mut connection) =
                flash_db::connect_driven(&database_url).await?;
            let ask = async {
                client
                    .batch_execute(&format!("LISTEN {}", sql::CHANNEL))
                    .await?;
                if std::mem::take(&mut deaf) {
                    tracing::warn!("added units are heard of again");
                }
                Ok(())
            };
            let hear = async {
                while let Some(message) =
                    poll_fn(|cx| connection.poll_message(cx)).await
                {
                    if let AsyncMessage::Notification(heard) = message?
                        && let Ok(sku) = Sku::new(heard.payload())
                    {
                        latches.lift(&sku);
                    }
                }
                Err::<(), _>(Failure::from("the connection was closed"))
            };
            tokio::try_join!(ask, hear)
        };
        let heard: Result<_, Failure> = hearing.await;
        if let Err(error) = heard
            && !std::mem::replace(&mut deaf, true)
        {
            let reason = reason(&*error);
            tracing::warn!(reason, "added units are not heard of, only looked for");
        }
        tokio::time::sleep(RETRY).await;
    }
}

#[cfg(test)]
mod tests {
    use flash_core::{BuyerId, IdempotencyKey, Units};

    use super::*;

    #[test]
    fn a_sale_during_a_look_keeps_it_from_latching() {
        let latch = Arc::new(Latches::new(Duration::MAX));
        let sku = Sku::new("tee").expect("a sku");
        let request = PurchaseRequest {
            sku: sku.clone(),
            buyer_id: BuyerId::new("ann").expect("a buyer"),
            units: Units::new(1).expect("units"),
            idempotency_key: IdempotencyKey::new("k1").expect("a key"),
        };
        for is_sold in [true, false] {
            let look = latch.begin_look(&sku).expect("room");
            if is_sold {
                latch.lift(&sku);
            }
            look.confirm();
            assert_eq!(latch.refuses(&request), !is_sold);
        }
    }
}
