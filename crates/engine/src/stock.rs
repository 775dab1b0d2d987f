//! What is not selling: the lines of those who are held, looking at the stock for them,
//! reconciling a gate, cancelling, restocking.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flash_core::{
    Order, OrderId, OrderStatus, Restock, Sku, Stock, Store, StrategyError, reason,
};
use flash_db::{DbError, Pool, orders, restocks};
use futures_util::future::{BoxFuture, Shared};
use futures_util::{FutureExt, TryFutureExt};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::latch::Latches;
use crate::metrics::METRICS;
use crate::redis::Redis;
use crate::sql::{Found, add_units, move_fence, read_stock};

/// How long a look at PostgreSQL may take beyond its wait for the row before those who wait
/// for it are told that it is not available.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long permits may be out before the gate is reconciled. A healthy commit takes
/// milliseconds; a gate that is reconciled too early only lets more requests through to the
/// vault.
const HELD_MAX: Duration = Duration::from_millis(500);

/// How often to look whether held units were sold or came back, for each thousand who wait.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long after the first comparison of a gate the second follows.
const COMPARE_AGAIN: Duration = Duration::from_millis(200);

/// How many SKUs are remembered that nobody waits for.
const LINES_MAX: usize = 100_000;

/// What is found once for all who wait for it.
type Finding = Shared<BoxFuture<'static, Result<Found, Arc<StrategyError>>>>;

/// Something that is found again and again.
#[derive(Default)]
struct Errand {
    under_way: Option<Finding>,
    ended_at: Option<Instant>,
}

/// The lines of those who are held: neither admitted nor refused, since the units that they
/// want may come back. One per SKU that somebody is or was held for.
pub(crate) struct Lines {
    lines: Mutex<HashMap<Sku, Line>>,
    /// For those who stand in all of them.
    room: Arc<Semaphore>,
}

/// A line, and what is found for all who stand in it.
#[derive(Default)]
struct Line {
    /// How many stand in it.
    waiting: usize,
    /// Since when nobody was admitted. Buyers who leave and come back do not change it.
    unmoved_since: Option<Instant>,
    look: Errand,
    reconcile: Errand,
    /// Told when there is no reason to wait before the next look.
    hurry: Arc<Notify>,
}

/// A place in the line of a SKU, until it is dropped.
pub(crate) struct Place {
    lines: Arc<Lines>,
    sku: Sku,
    _room: OwnedSemaphorePermit,
}

impl Lines {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            lines: Mutex::default(),
            room: Arc::new(Semaphore::new(max)),
        }
    }

    /// Stands behind those who wait; none where there is no room.
    pub(crate) fn join(self: &Arc<Self>, sku: &Sku) -> Option<Place> {
        let room = Arc::clone(&self.room).try_acquire_owned().ok()?;
        self.of(sku, |line| {
            line.waiting += 1;
            line.unmoved_since.get_or_insert_with(Instant::now);
        });
        METRICS.held.inc();
        Some(Place {
            lines: Arc::clone(self),
            sku: sku.clone(),
            _room: room,
        })
    }

    /// How many are held for a SKU.
    pub(crate) fn waiting(&self, sku: &Sku) -> usize {
        self.lines.lock().get(sku).map_or(0, |line| line.waiting)
    }

    /// Somebody got units of this SKU, or its gate is new: the line moves.
    pub(crate) fn moves(&self, sku: &Sku) {
        if let Some(line) = self.lines.lock().get_mut(sku) {
            line.unmoved_since = (line.waiting > 0).then(Instant::now);
        }
    }

    /// Reads or changes the line of a SKU.
    fn of<T>(&self, sku: &Sku, act: impl FnOnce(&mut Line) -> T) -> T {
        let mut lines = self.lines.lock();
        if lines.len() >= LINES_MAX {
            let is_busy = |errand: &Errand| errand.under_way.is_some();
            lines.retain(|_, it| {
                it.waiting > 0 || is_busy(&it.look) || is_busy(&it.reconcile)
            });
        }
        act(lines.entry(sku.clone()).or_default())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        METRICS.held.dec();
        self.lines.of(&self.sku, |line| line.waiting -= 1);
    }
}

/// Everything that changes or reads the supply of a SKU.
#[derive(Clone)]
pub(crate) struct StockRoom {
    pool: Pool,
    redis: Arc<Redis>,
    latch: Arc<Latches>,
    lines: Arc<Lines>,
    /// How long a statement waits for a row.
    lock_wait: Duration,
}

impl StockRoom {
    pub(crate) fn new(
        pool: Pool,
        redis: Arc<Redis>,
        latch: Arc<Latches>,
        lines: Arc<Lines>,
        lock_wait: Duration,
    ) -> Self {
        Self {
            pool,
            redis,
            latch,
            lines,
            lock_wait,
        }
    }

    /// Looks at the stock of a SKU once for all who wait for it, not too soon after the last
    /// look. Where nobody in line was admitted for too long, permits have died: the gate is
    /// reconciled.
    pub(crate) async fn look(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let (stock, named) = (self.clone(), sku.clone());
        let looking = async move {
            stock.wait(&named).await;
            let unmoved_since = stock.lines.of(&named, |it| it.unmoved_since);
            let is_dead = unmoved_since.is_some_and(|it| it.elapsed() > HELD_MAX);
            if is_dead && !stock.redis.is_away() {
                stock.reconcile_now(&named).await
            } else {
                stock.read(&named).await
            }
        };
        found(self.once(sku, |it| &mut it.look, looking)).await
    }

    /// Loads a gate that is missing. False where that was done a moment ago: a Redis that
    /// forgets it again at once must not cost a commit for each buyer.
    pub(crate) async fn reconcile(&self, sku: &Sku) -> Result<bool, StrategyError> {
        let last = self.lines.of(sku, |it| it.reconcile.ended_at);
        if last.is_some_and(|at| at.elapsed() < HELD_MAX) {
            return Ok(false);
        }
        self.reconcile_now(sku).await.map(|_| true)
    }

    /// Loads a gate once for all who wait for it.
    async fn reconcile_now(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let (stock, named) = (self.clone(), sku.clone());
        let reconciling = async move { stock.move_past_redis(&named).await };
        found(self.once(sku, |it| &mut it.reconcile, reconciling)).await
    }

    /// Begins to find something, once for all who wait for it, to its end. They hold the
    /// answer and not the work: most requests never wait here, and all make room for it.
    fn once(
        &self,
        sku: &Sku,
        errand: fn(&mut Line) -> &mut Errand,
        finding: impl Future<Output = Result<Found, StrategyError>> + Send + 'static,
    ) -> Finding {
        self.lines.of(sku, |line| {
            let (stock, sku) = (self.clone(), sku.clone());
            let begin = || {
                // Who waits behind another who waits has both waits.
                let limit = 2 * self.lock_wait + PATIENCE;
                let task = tokio::spawn(async move {
                    let late = "the stock row could not be read in time";
                    let found = timeout(limit, finding).await;
                    let ended = Errand {
                        under_way: None,
                        ended_at: Some(Instant::now()),
                    };
                    stock.lines.of(&sku, |line| *errand(line) = ended);
                    found.unwrap_or_else(|_elapsed| Err(failed(late)))
                });
                // It ends without an answer only when the process does.
                let silent = |_| Err(StrategyError::OutcomeUnknown);
                let answer = async move { task.await.unwrap_or_else(silent) };
                answer.map_err(Arc::new).boxed().shared()
            };
            errand(line).under_way.get_or_insert_with(begin).clone()
        })
    }

    /// Units were sold: whatever a look has read before, there are new winners.
    pub(crate) fn sold(&self, sku: &Sku) {
        self.latch.lift(sku);
    }

    /// PostgreSQL said that nothing is left: those who come next find the latch, and those
    /// who wait learn it now.
    pub(crate) fn sold_out(&self, sku: &Sku) {
        if self.latch.is_latched(sku) {
            return;
        }
        self.lines.of(sku, |it| it.hurry.notify_one());
        let (stock, sku) = (self.clone(), sku.clone());
        // Nobody waits for it.
        tokio::spawn(async move { drop(stock.look(&sku).await) });
    }

    /// Waits until a look is due. The more wait for it, the longer: each of them asks Redis
    /// again after it.
    async fn wait(&self, sku: &Sku) {
        let (last, hurry, waiting) = self.lines.of(sku, |line| {
            let hurry = Arc::clone(&line.hurry);
            (line.look.ended_at, hurry, line.waiting)
        });
        let pause = LOOK_AGAIN * u32::try_from(1 + waiting / 1_000).unwrap_or(1);
        if let Some(left) = last.and_then(|at| pause.checked_sub(at.elapsed())) {
            tokio::select! { () = sleep(left) => {}, () = hurry.notified() => {} }
        }
    }

    /// Reads the stock of a SKU, and latches it if PostgreSQL says that nothing is left.
    /// Where there is something, Redis hears of it, if its gate is older.
    async fn read(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let begun = Instant::now();
        let look = self.latch.begin_look(sku);
        let reading = async {
            let mut conn = self.pool.get().await?;
            let found = read_stock(&mut conn, sku).await?;
            // With nothing left under this fence no order can follow without lifting the
            // latch, so the orders that are there now are all.
            let is_sold_out = found.available_units == 0;
            if is_sold_out && let Some(look) = look {
                look.latch(conn, found.fence).await?;
            }
            Ok::<_, DbError>(found)
        };
        let found = reading.await;
        let found = found.map_err(|it| it.after(begun.elapsed(), self.lock_wait))?;
        if found.available_units > 0 {
            let _ = self.redis.reconcile(sku, found).await;
        } else {
            // A gate that stays open lets the next ones through to the vault.
            let _ = self.redis.close(sku, found.fence).await;
        }
        Ok(found)
    }

    /// Reads the stock under its lock, moves the fence forward, and loads the gate: permits
    /// that died come back, and what Redis had is forgotten. Where Redis is ahead, because
    /// PostgreSQL was restored from a copy, the fence is moved past it.
    async fn move_past_redis(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let mut past = 0;
        loop {
            let mut conn = self.pool.begin().await?;
            let moved = move_fence(&mut conn, sku, past).await;
            let found = conn.end(moved).await?;
            drop(conn);
            match self.redis.reconcile(sku, found).await {
                Ok(ahead) if ahead > found.fence && past == 0 => past = ahead,
                _ => {
                    self.lines.moves(sku);
                    return Ok(found);
                }
            }
        }
    }

    /// Compares gates with PostgreSQL, one after the other, unless somebody wants them.
    pub(crate) async fn compare(&self, skus: Vec<Sku>) {
        for sku in skus {
            if self.latch.is_latched(&sku) || self.lines.waiting(&sku) > 0 {
                continue;
            }
            if let Err(error) = self.compare_one(&sku).await {
                tracing::debug!(%sku, %error, "a gate was not compared");
            }
        }
    }

    /// Reconciles the gate of a SKU if twice in a row the same numbers do not agree. While
    /// permits are out the numbers differ, and then they change.
    async fn compare_one(&self, sku: &Sku) -> Result<(), StrategyError> {
        let drift = self.drift(sku).await?;
        if drift.is_some() {
            sleep(COMPARE_AGAIN).await;
            if self.drift(sku).await? == drift {
                tracing::debug!(%sku, ?drift, "the gate has drifted");
                self.reconcile_now(sku).await?;
            }
        }
        Ok(())
    }

    /// What a gate says and what PostgreSQL says, where that is not the same.
    async fn drift(&self, sku: &Sku) -> Result<Option<(Found, Found)>, StrategyError> {
        let Ok(Some(gate)) = self.redis.read(sku).await else {
            return Ok(None);
        };
        let found = read_stock(&mut *self.pool.get().await?, sku).await?;
        Ok((gate != found).then_some((gate, found)))
    }

    pub(crate) async fn stock(&self, sku: &Sku) -> Result<Stock, StrategyError> {
        let mut conn = self.pool.get().await?;
        Ok(flash_db::skus::stock(&mut conn, sku).await?)
    }

    pub(crate) async fn cancel(
        &self,
        order_id: OrderId,
    ) -> Result<Order, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let cancelling = async {
            let mut order = orders::get(&mut conn, order_id).await?;
            move_fence(&mut conn, &order.sku, 0).await?;
            let mut found = None;
            if orders::mark_cancelled(&mut conn, order_id).await? {
                found = Some(add_units(&mut conn, &order.sku, order.units, 0).await?);
            }
            order.status = OrderStatus::Cancelled;
            Ok((order, found))
        };
        let cancelled = cancelling.await;
        let (order, found) = conn.end(cancelled).await?;
        drop(conn);
        self.open_again(&order.sku, found).await;
        Ok(order)
    }

    pub(crate) async fn restock(
        &self,
        request: &Restock,
    ) -> Result<Stock, StrategyError> {
        let Restock { sku, units, .. } = request;
        let mut conn = self.pool.begin().await?;
        let mut found = None;
        let restocking = async {
            if !restocks::is_done(&mut conn, request).await? {
                move_fence(&mut conn, sku, 0).await?;
                found = Some(add_units(&mut conn, sku, *units, units.get()).await?);
                restocks::insert(&mut conn, request).await?;
            }
            Ok(())
        };
        let restocked = restocking.await;
        restocks::settle(&mut conn, request, restocked).await?;
        drop(conn);
        self.open_again(sku, found).await;
        self.stock(sku).await
    }

    /// Units were added and committed: from now on they can be bought here. Other
    /// processes hear of it from PostgreSQL.
    async fn open_again(&self, sku: &Sku, found: Option<Found>) {
        if let Some(found) = found {
            self.latch.lift(sku);
            let _ = self.redis.reconcile(sku, found).await;
        }
    }
}

/// Confirms all latches well within their lease, as long as the strategy lives. Where one
/// does not hold, its SKU is looked at.
pub(crate) async fn confirm(stock: StockRoom, pause: Duration) {
    let mut unsure = false;
    loop {
        let begun = Instant::now();
        let confirmed = stock.latch.confirm(&stock.pool).await;
        match &confirmed {
            Ok(_) if unsure => tracing::warn!("latches are confirmed again"),
            Err(error) if !unsure => {
                let reason = reason(error);
                tracing::warn!(reason, "latches cannot be confirmed, and do not count");
            }
            _ => {}
        }
        unsure = confirmed.is_err();
        for (sku, available_units) in confirmed.unwrap_or_default() {
            let stock = stock.clone();
            tokio::spawn(async move {
                // A fence that was not moved, by whoever wrote the row by hand, opens no gate.
                let looked = if available_units > 0 && !stock.redis.is_away() {
                    stock.reconcile_now(&sku).await
                } else {
                    stock.look(&sku).await
                };
                if let Err(error) = looked {
                    tracing::debug!(%sku, reason = reason(&error), "not looked at");
                }
            });
        }
        // Many latches must not keep PostgreSQL busy.
        sleep(pause.max(2 * begun.elapsed())).await;
    }
}

/// Waits for what is found for all.
async fn found(finding: Finding) -> Result<Found, StrategyError> {
    finding.await.map_err(|error| match &*error {
        StrategyError::UnknownSku => StrategyError::UnknownSku,
        StrategyError::Busy => StrategyError::Busy,
        StrategyError::OutcomeUnknown => StrategyError::OutcomeUnknown,
        other => failed(reason(other)),
    })
}

fn failed(reason: impl Into<Box<dyn Error + Send + Sync>>) -> StrategyError {
    let (store, source) = (Store::PostgreSql, reason.into());
    StrategyError::Store { store, source }
}
