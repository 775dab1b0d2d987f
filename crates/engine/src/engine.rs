use std::sync::Arc;
use std::time::Duration;

use flash_core::{InventoryStrategy, Placement, PurchaseRequest, StrategyError};
use flash_core::{Order, OrderId, Readiness, Restock, Sku, Stock, Store};
use flash_db::{DbError, Pool};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::batcher::{Batcher, batcher};
use crate::committers::Committer;
use crate::gate::{Admission, Gate, gate};
use crate::latch::{Latches, NOTHING_LEFT};
use crate::listener::{confirm, listen};
use crate::metrics::METRICS;
use crate::presence::Presence;
use crate::purchase::{Answer, Purchase, Waiting};
use crate::redis::Redis;
use crate::stock::StockRoom;

/// Exact and fast: Redis turns the crowd away in memory, PostgreSQL decides.
pub struct Strategy {
    rooms: Arc<Rooms>,
    /// For how many more there is room at the gate.
    room: Arc<Semaphore>,
    /// Where they walk: beside the rooms, so that a step costs no system call.
    runtime: Handle,
    /// The committers that have not said yet whether they have a connection.
    opening: Mutex<Vec<oneshot::Receiver<Result<(), DbError>>>>,
    /// Who works in the rooms; they stop with the strategy.
    _staff: JoinSet<()>,
}

/// Limits of the engine.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The most requests at the gate, again in line for held units, and again before the
    /// vault; one more is told `Busy`.
    pub queue_max: usize,
    /// The most requests in one transaction.
    pub batch_max: usize,
    /// How many transactions may be under way.
    pub lanes: usize,
    /// How long a batch waits for its row locks before it is `Busy`.
    pub lock_wait: Duration,
}

/// Where a request goes, in this order.
struct Rooms {
    latch: Arc<Latches>,
    gate: Gate,
    stock: StockRoom,
    vault: Batcher<Arc<Purchase>, Answer>,
    presence: Arc<Presence>,
}

impl Rooms {
    /// The whole way of a request.
    async fn walk(
        &self,
        purchase: &Arc<Purchase>,
        room: OwnedSemaphorePermit,
    ) -> Answer {
        let request = &purchase.request;
        let (mut room, mut place) = (Some(room), None);
        let permit = loop {
            if purchase.is_abandoned() {
                return Err(StrategyError::Busy);
            }
            if self.latch.refuses(request) {
                METRICS.refused_by_bouncer.inc();
                return Ok(NOTHING_LEFT);
            }
            match self.gate.admit(purchase, place.take()).await {
                Admission::Admitted(permit) => break Some(permit),
                Admission::RedisAway => {
                    METRICS.past_redis.inc();
                    break None;
                }
                Admission::NotLoaded => {
                    if !self.stock.reconcile(&request.sku).await? {
                        METRICS.past_redis.inc();
                        break None;
                    }
                }
                Admission::Full => return Err(StrategyError::Busy),
                Admission::Held(waiting) => {
                    room = None;
                    let left = self.stock.look(&request.sku).await?;
                    if left.available_units < request.units.get()
                        && !self.latch.refuses(request)
                    {
                        // Refused, or the retry of a winner: PostgreSQL knows.
                        break None;
                    }
                    place = Some(waiting);
                }
            }
        };
        drop(room);
        let answer = self.vault.ask(Arc::clone(purchase)).await;
        let answer = answer.unwrap_or(Err(StrategyError::OutcomeUnknown));
        if let Some(permit) = permit
            && let Ok(Placement::Accepted { replayed, .. }) = &answer
            && !replayed
        {
            permit.spend();
        }
        answer
    }
}

impl Strategy {
    /// Admits by this Redis and sells from the stock rows of this database. `pool` serves
    /// everything but selling; the lanes have connections of their own. Needs a tokio
    /// runtime, and works in it until it is dropped.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Store`] when the URL is not a Redis connection URL.
    pub fn start(
        pool: Pool,
        database_url: &str,
        redis_url: &str,
        options: Options,
    ) -> Result<Self, StrategyError> {
        let redis = Arc::new(Redis::new(redis_url)?);
        let latch = Arc::new(Latches::new());
        let presence = Arc::new(Presence::new(options.lanes));
        let (vault, admitted) = batcher();
        let (gate, doorkeeper) = gate(
            Arc::clone(&redis),
            admitted.clone(),
            options.queue_max,
            options.batch_max,
        );
        let stock = StockRoom::new(
            pool,
            Arc::clone(&redis),
            Arc::clone(&latch),
            gate.lines(),
            options.lock_wait,
        );

        let mut staff = JoinSet::new();
        let mut opening = Vec::new();
        for number in 0..options.lanes {
            let committer = Committer {
                number,
                database_url: database_url.to_owned(),
                lock_wait: options.lock_wait,
                batch_max: options.batch_max,
                queue: admitted.clone(),
                stock: stock.clone(),
                presence: Arc::clone(&presence),
            };
            let (opened, opening_lane) = oneshot::channel();
            opening.push(opening_lane);
            staff.spawn(committer.work(opened));
        }
        staff.spawn(doorkeeper.work(stock.clone()));
        staff.spawn(crate::redis::watch(redis));
        staff.spawn(listen(database_url.to_owned(), Arc::clone(&latch)));
        staff.spawn(confirm(stock.clone()));
        let rooms = Rooms {
            latch,
            gate,
            stock,
            vault,
            presence,
        };
        Ok(Self {
            rooms: Arc::new(rooms),
            room: Arc::new(Semaphore::new(options.queue_max)),
            runtime: Handle::current(),
            opening: Mutex::new(opening),
            _staff: staff,
        })
    }

    /// Waits until every lane has its connection, so that the first buyers do not.
    ///
    /// # Errors
    ///
    /// Why one of them has none; it goes on trying.
    pub async fn warm_up(&self) -> Result<(), DbError> {
        for opening in self.opening.lock().await.drain(..) {
            opening.await.unwrap_or(Err(DbError::Silent))?;
        }
        Ok(())
    }
}

impl InventoryStrategy for Strategy {
    const NAME: &'static str = "engine";

    /// A request that nobody waits for any more, and whose batch was not sent yet, is
    /// dropped unsold.
    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        if self.rooms.latch.refuses(request) {
            METRICS.refused_by_latch.inc();
            return Ok(NOTHING_LEFT);
        }
        if self.rooms.presence.is_away() {
            return Err(StrategyError::Unavailable {
                store: Store::PostgreSql,
            });
        }
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            return Err(StrategyError::Busy);
        };
        let purchase = Arc::new(Purchase::new(request.clone()));
        let waiting = Waiting::new(&purchase);
        let rooms = Arc::clone(&self.rooms);
        let walk = self
            .runtime
            .spawn(async move { rooms.walk(&purchase, room).await });
        let answer = walk.await;
        drop(waiting);
        // It ends without an answer only when the process does.
        answer.unwrap_or(Err(StrategyError::OutcomeUnknown))
    }

    async fn cancel_order(&self, order_id: OrderId) -> Result<Order, StrategyError> {
        self.rooms.stock.cancel(order_id).await
    }

    async fn restock(&self, request: &Restock) -> Result<Stock, StrategyError> {
        self.rooms.stock.restock(request).await
    }

    async fn stock(&self, sku: &Sku) -> Result<Stock, StrategyError> {
        self.rooms.stock.stock(sku).await
    }

    async fn gate_free_units(&self, sku: &Sku) -> Result<Option<i64>, StrategyError> {
        self.rooms.gate.free_units(sku).await
    }

    async fn ready(&self) -> Readiness {
        let postgresql = if self.rooms.presence.is_selling() {
            Ok(())
        } else {
            Err(StrategyError::Unavailable {
                store: Store::PostgreSql,
            })
        };
        Readiness {
            postgresql,
            redis: Some(self.rooms.gate.ready().await),
        }
    }
}
