use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use flash_core::{InventoryStrategy, Placement, PurchaseRequest, StrategyError};
use flash_core::{Order, OrderId, Readiness, Restock, Sku, Stock, Store};
use flash_db::{DbError, Pool};
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{Instant, timeout_at};

use crate::batcher::{Asked, Batcher, Full, Taker, batcher};
use crate::committers::Committer;
use crate::gate::{Admission, Gate, Permit, gate};
use crate::latch::{Latches, NOTHING_LEFT, listen};
use crate::metrics::METRICS;
use crate::presence::Presence;
use crate::purchase::{Answer, Purchase, Waiting};
use crate::redis::{Gates, Redis};
use crate::stock::{StockRoom, confirm};
use crate::vault::Ticket;

/// The lease of a real sale.
pub const LEASE: Duration = Duration::from_secs(1);

/// The longest that requests gather while all lanes are busy: about one slow commit.
const GATHER_MAX: Duration = Duration::from_millis(10);

/// Exact and fast: Redis turns the crowd away in memory, PostgreSQL decides.
pub struct Strategy {
    rooms: Arc<Rooms>,
    queue_max: usize,
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
    /// How long "sold out" is believed after PostgreSQL has confirmed it: it bounds how long
    /// it is said although units were added elsewhere, and nothing was heard of them.
    pub lease: Duration,
}

/// Where a request goes, in this order.
struct Rooms {
    door: Batcher<Arc<Purchase>, Answer>,
    latch: Arc<Latches>,
    gate: Gate,
    stock: StockRoom,
    vault: Batcher<Ticket, Answer>,
    presence: Arc<Presence>,
}

/// Where a request goes from the gate.
enum Passed {
    /// To the vault, with its permit unless Redis was passed by.
    ToVault(Option<Permit>),
    /// Nowhere.
    SoldOut,
}

impl Rooms {
    /// The whole way of a request. The vault answers those whom it decides on.
    async fn walk(
        &self,
        asked: Asked<Arc<Purchase>, Answer>,
        room: OwnedSemaphorePermit,
    ) {
        let (purchase, reply) = asked;
        let answer = match self.pass_gate(&purchase, room).await {
            Ok(Passed::ToVault(permit)) => {
                let ticket = Ticket { purchase, permit };
                return self.vault.pass_on(ticket, reply);
            }
            Ok(Passed::SoldOut) => Ok(NOTHING_LEFT),
            Err(error) => Err(error),
        };
        // Who has left hears nothing; the same key tells him later.
        drop(reply.send(answer));
    }

    /// Goes through the gate, or past it.
    async fn pass_gate(
        &self,
        purchase: &Arc<Purchase>,
        room: OwnedSemaphorePermit,
    ) -> Result<Passed, StrategyError> {
        let request = &purchase.request;
        let (mut room, mut place) = (Some(room), None);
        loop {
            if purchase.is_abandoned() {
                return Err(StrategyError::Busy);
            }
            if self.latch.refuses(request) {
                METRICS.refused_by_bouncer.inc();
                return Ok(Passed::SoldOut);
            }
            match self.gate.admit(purchase, place.take()).await {
                Admission::Admitted(permit) => {
                    return Ok(Passed::ToVault(Some(permit)));
                }
                Admission::RedisAway => break,
                Admission::NotLoaded => {
                    if !self.stock.reconcile(&request.sku).await? {
                        break;
                    }
                }
                Admission::Full => return Err(StrategyError::Busy),
                Admission::Held(waiting) => {
                    drop(room.take());
                    let left = self.stock.look(&request.sku).await?;
                    if left.available_units < request.units.get()
                        && !self.latch.refuses(request)
                    {
                        // Refused, or the retry of a winner: PostgreSQL knows.
                        return Ok(Passed::ToVault(None));
                    }
                    place = Some(waiting);
                }
            }
        }
        METRICS.past_redis.inc();
        Ok(Passed::ToVault(None))
    }
}

/// Lets requests in and walks with them beside the rooms, in one task: a step costs no
/// system call, and those who were answered together ask together.
async fn walk_all(
    rooms: Arc<Rooms>,
    coming: Taker<Arc<Purchase>, Answer>,
    options: Options,
) {
    let rooms = &*rooms;
    let inside = Arc::new(Semaphore::new(options.queue_max));
    let batches = stream::unfold(Instant::now(), |last| {
        let inside = Arc::clone(&inside);
        let_in(rooms, &coming, inside, last, options)
            .map(|batch| Some((batch?, Instant::now())))
    });
    let mut batches = pin!(batches);
    let mut walking = FuturesUnordered::new();
    let walks = poll_fn(|context| {
        while let Poll::Ready(batch) = batches.poll_next_unpin(context) {
            let Some(batch) = batch else {
                return Poll::Ready(());
            };
            walking.extend(
                batch
                    .into_iter()
                    .map(|(asked, room)| rooms.walk(asked, room)),
            );
        }
        while let Poll::Ready(Some(())) = walking.poll_next_unpin(context) {}
        Poll::Pending
    });
    // Nobody else on this thread waits for long: a step takes microseconds.
    unconstrained(walks).await
}

/// Waits for the next requests to let in, each with its room at the gate; none when no more
/// will come.
///
/// While no lane is free there is no hurry: requests gather at the door, and walk together.
async fn let_in(
    rooms: &Rooms,
    coming: &Taker<Arc<Purchase>, Answer>,
    inside: Arc<Semaphore>,
    last: Instant,
    options: Options,
) -> Option<Vec<(Asked<Arc<Purchase>, Answer>, OwnedSemaphorePermit)>> {
    METRICS.show_waiting(rooms.door.waiting(), rooms.vault.waiting());
    rooms.vault.below(options.queue_max).await;
    if options.batch_max > 1 {
        // Either ends the wait.
        let free = async {
            // Those who were let in have passed the gate.
            drop(inside.acquire_many(permits(options.queue_max)).await);
            rooms.vault.idle().await;
        };
        drop(timeout_at(last + GATHER_MAX, free).await);
    }
    let mut batch = Vec::new();
    let max = options.batch_max.min(options.queue_max);
    if coming.take(&mut batch, max).await == 0 {
        return None;
    }
    let room = inside.acquire_many_owned(permits(batch.len())).await;
    let mut room = room.ok()?;
    let let_in = batch.into_iter().map_while(|it| Some((it, room.split(1)?)));
    Some(let_in.collect())
}

fn permits(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Strategy {
    /// Admits by these gates and sells from the stock rows of this database. `pool` serves
    /// everything but selling; the lanes have connections of their own. Needs a tokio
    /// runtime, and works in it until it is dropped.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Store`] when the URL is not a Redis connection URL.
    pub fn start<'a>(
        pool: Pool,
        database_url: &str,
        gates: impl Into<Gates<'a>>,
        options: Options,
    ) -> Result<Self, StrategyError> {
        let redis = Arc::new(Redis::new(gates.into())?);
        let latch = Arc::new(Latches::new(options.lease));
        let presence = Arc::new(Presence::new(options.lanes));
        let (vault, admitted) = batcher();
        let (gate, doorkeeper) =
            gate(Arc::clone(&redis), options.queue_max, options.batch_max);
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
        staff.spawn(confirm(stock.clone(), options.lease / 4));
        let (door, coming) = batcher();
        let rooms = Arc::new(Rooms {
            door,
            latch,
            gate,
            stock,
            vault,
            presence,
        });
        staff.spawn(walk_all(Arc::clone(&rooms), coming, options));
        Ok(Self {
            rooms,
            queue_max: options.queue_max,
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
        let purchase = Arc::new(Purchase::new(request.clone()));
        let waiting = Waiting::new(&purchase);
        let answer = self.rooms.door.ask_if_room(purchase, self.queue_max).await;
        drop(waiting);
        match answer {
            // They end without an answer only when the process does.
            Ok(answer) => answer.unwrap_or(Err(StrategyError::OutcomeUnknown)),
            Err(Full) => Err(StrategyError::Busy),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F>(
        _: impl FnOnce(
            &'static Rooms,
            Asked<Arc<Purchase>, Answer>,
            OwnedSemaphorePermit,
        ) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// Each request moves its walk into the others: what most of them never do, like
    /// looking at the stock, must not be a part of it.
    #[test]
    fn a_walk_takes_little_room() {
        let bytes = size(|rooms, asked, room| rooms.walk(asked, room));
        assert!(bytes < 1_024, "{bytes}");
    }
}
