use std::sync::Arc;
use std::time::Duration;

use flash_core::{InventoryStrategy, Placement, PurchaseRequest, StrategyError};
use flash_core::{Order, OrderId, Readiness, Restock, Sku, Stock, Store};
use flash_db::{DbError, Pool};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::bouncer::{Bouncer, State};
use crate::door::Door;
use crate::gate::{Gate, Gates};
use crate::held::Held;
use crate::latch::Latches;
use crate::listener::listen;
use crate::presence::Presence;
use crate::supply::Supply;
use crate::vault::Lane;
use crate::vault_queue::vault_queue;

/// Notices from the lanes to the bouncer that may wait. One that does not fit is found out
/// by looking at PostgreSQL.
const EVENTS_MAX: usize = 4_096;

/// Exact and fast: Redis turns the crowd away in memory, PostgreSQL decides.
pub struct Strategy {
    door: Door,
    supply: Supply,
    presence: Arc<Presence>,
    /// For whoever looks from outside.
    gate: Gate,
    /// The lanes that have not said yet whether they have a connection.
    opening: Mutex<Vec<oneshot::Receiver<Result<(), DbError>>>>,
    /// The rooms behind the door; they stop with the strategy.
    _rooms: JoinSet<()>,
}

/// Limits of phase 3.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The most requests that wait at the door, and again before the vault; one more is
    /// told `Busy`.
    pub queue_max: usize,
    /// The most requests in one transaction; 1 is the textbook hybrid.
    pub batch_max: usize,
    /// How many transactions may be under way.
    pub lanes: usize,
    /// How long a batch waits for its row locks before it is `Busy`.
    pub lock_wait: Duration,
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
        let gates = Arc::new(Gates::new(redis_url)?);
        let latches = Arc::new(Latches::new());
        let presence = Arc::new(Presence::new(options.lanes));
        let (door_queue, at_the_door) = mpsc::channel(options.queue_max);
        let (entrance, exit) = vault_queue(options.queue_max);
        let (tell, events) = mpsc::channel(EVENTS_MAX);
        let supply = Supply {
            pool,
            gates: Arc::clone(&gates),
            latches: Arc::clone(&latches),
            tell: tell.clone(),
            lock_wait: options.lock_wait,
        };

        let mut rooms = JoinSet::new();
        let mut opening = Vec::new();
        for number in 0..options.lanes {
            let lane = Lane {
                number,
                database_url: database_url.to_owned(),
                lock_wait: options.lock_wait,
                batch_max: options.batch_max,
                queue: exit.clone(),
                events: tell.clone(),
                presence: Arc::clone(&presence),
            };
            let (opened, opening_lane) = oneshot::channel();
            opening.push(opening_lane);
            rooms.spawn(lane.work(opened));
        }
        let bouncer = Bouncer {
            queue: at_the_door,
            events,
            tell,
            vault: entrance,
            gates,
            latches: Arc::clone(&latches),
            supply: supply.clone(),
            batch_max: options.batch_max,
            held: Held::new(options.queue_max),
            state: State::default(),
        };
        rooms.spawn(bouncer.work());
        rooms.spawn(listen(database_url.to_owned(), Arc::clone(&latches)));
        Ok(Self {
            door: Door::new(door_queue, latches, Arc::clone(&presence)),
            supply,
            presence,
            gate: Gate::new(redis_url)?,
            opening: Mutex::new(opening),
            _rooms: rooms,
        })
    }

    /// Waits until every lane has its connection, so that the first buyers do not.
    ///
    /// # Errors
    ///
    /// Why one of them has none; it goes on trying.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has no effect on the lanes.
    pub async fn warm_up(&self) -> Result<(), DbError> {
        for opening in self.opening.lock().await.drain(..) {
            opening.await.unwrap_or(Err(DbError::Silent))?;
        }
        Ok(())
    }
}

impl InventoryStrategy for Strategy {
    const NAME: &'static str = "engine";

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        self.door.enter(request).await
    }

    async fn cancel_order(&self, order_id: OrderId) -> Result<Order, StrategyError> {
        self.supply.cancel(order_id).await
    }

    async fn restock(&self, request: &Restock) -> Result<Stock, StrategyError> {
        self.supply.restock(request).await
    }

    async fn stock(&self, sku: &Sku) -> Result<Stock, StrategyError> {
        self.supply.stock(sku).await
    }

    async fn gate_free_units(&self, sku: &Sku) -> Result<Option<i64>, StrategyError> {
        self.gate.free_units(sku).await
    }

    async fn ready(&self) -> Readiness {
        let postgresql = if self.presence.is_selling() {
            Ok(())
        } else {
            Err(StrategyError::Unavailable {
                store: Store::PostgreSql,
            })
        };
        Readiness {
            postgresql,
            redis: Some(self.gate.probe().await),
        }
    }
}
