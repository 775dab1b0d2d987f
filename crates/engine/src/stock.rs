//! What is not selling: looking at the stock, reconciling a gate, cancelling, restocking.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel::{ExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{
    Order, OrderId, OrderStatus, Restock, Sku, Stock, Store, StrategyError, reason,
};
use flash_db::schema::skus;
use flash_db::{DbError, Pool, expect_rows, orders, restocks};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::latch::{Latches, Winners};
use crate::lines::Lines;
use crate::redis::Redis;
use crate::sql;

/// The channel on which PostgreSQL tells all processes the SKU that units were added to.
pub(crate) const CHANNEL: &str = "flash_units_added";

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

/// How many SKUs' looks are remembered.
const LOOKS_MAX: usize = 100_000;

/// How many winners are read at once.
const PAGE: i64 = 1_000;

/// What was found in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) available_units: i64,
    pub(crate) fence: i64,
}

/// What a look has found, for all who wait for it.
type Shared = watch::Receiver<Option<Result<Found, Arc<StrategyError>>>>;

/// When a SKU was looked at.
#[derive(Default)]
struct Looks {
    looking: Option<Shared>,
    reconciling: Option<Shared>,
    looked_at: Option<Instant>,
    reconciled_at: Option<Instant>,
    /// Told when there is no reason to wait before the next look.
    hurry: Arc<Notify>,
}

/// Everything that changes or reads the supply of a SKU.
#[derive(Clone)]
pub(crate) struct StockRoom {
    pool: Pool,
    redis: Arc<Redis>,
    latch: Arc<Latches>,
    lines: Arc<Lines>,
    looks: Arc<Mutex<HashMap<Sku, Looks>>>,
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
            looks: Arc::default(),
            lock_wait,
        }
    }

    /// Looks at the stock of a SKU once for all who wait for it, not too soon after the last
    /// look. Where nobody in line was admitted for too long, permits have died: the gate is
    /// reconciled.
    pub(crate) async fn look(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let looking = {
            let mut looks = self.looks();
            let look = looks.entry(sku.clone()).or_default();
            if let Some(looking) = &look.looking {
                looking.clone()
            } else {
                let last = look.looked_at;
                let hurry = Arc::clone(&look.hurry);
                let (stock, sku_looked_at) = (self.clone(), sku.clone());
                let looking = share(async move {
                    stock.wait(&sku_looked_at, last, &hurry).await;
                    let found = stock.look_now(&sku_looked_at).await;
                    let mut looks = stock.looks();
                    if let Some(look) = looks.get_mut(&sku_looked_at) {
                        look.looking = None;
                        look.looked_at = Some(Instant::now());
                    }
                    found
                });
                look.looking = Some(looking.clone());
                looking
            }
        };
        shared(looking).await
    }

    /// Loads a gate that is missing, once for all who wait for it. False where that was done
    /// a moment ago: a Redis that forgets it again at once must not cost a commit for each
    /// buyer.
    pub(crate) async fn reconcile(&self, sku: &Sku) -> Result<bool, StrategyError> {
        let reconciling = {
            let mut looks = self.looks();
            let look = looks.entry(sku.clone()).or_default();
            if let Some(reconciling) = &look.reconciling {
                reconciling.clone()
            } else if look.reconciled_at.is_some_and(|at| at.elapsed() < HELD_MAX) {
                return Ok(false);
            } else {
                let (stock, sku) = (self.clone(), sku.clone());
                let reconciling = share(async move {
                    let found = stock.reconcile_now(&sku).await;
                    if let Some(look) = stock.looks().get_mut(&sku) {
                        look.reconciling = None;
                    }
                    found
                });
                look.reconciling = Some(reconciling.clone());
                reconciling
            }
        };
        shared(reconciling).await.map(|_| true)
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
        if let Some(look) = self.looks().get(sku) {
            look.hurry.notify_one();
        }
        let (stock, sku) = (self.clone(), sku.clone());
        // Nobody waits for it.
        tokio::spawn(async move { drop(stock.look(&sku).await) });
    }

    /// Waits until a look is due. The more wait for it, the longer: each of them asks Redis
    /// again after it.
    async fn wait(&self, sku: &Sku, last: Option<Instant>, hurry: &Notify) {
        let crowd = u32::try_from(1 + self.lines.waiting(sku) / 1_000).unwrap_or(1);
        let pause = LOOK_AGAIN * crowd;
        if let Some(last) = last
            && let Some(left) = pause.checked_sub(last.elapsed())
        {
            tokio::select! { () = sleep(left) => {}, () = hurry.notified() => {} }
        }
    }

    async fn look_now(&self, sku: &Sku) -> Result<Found, StrategyError> {
        if self.lines.unmoved(sku) > HELD_MAX && !self.redis.is_away() {
            return self.reconcile_now(sku).await;
        }
        self.in_time(self.read(sku)).await
    }

    async fn reconcile_now(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let found = self.in_time(self.move_past_redis(sku)).await?;
        self.lines.moves(sku);
        if let Some(look) = self.looks().get_mut(sku) {
            look.reconciled_at = Some(Instant::now());
        }
        Ok(found)
    }

    async fn in_time(
        &self,
        finding: impl Future<Output = Result<Found, StrategyError>>,
    ) -> Result<Found, StrategyError> {
        // Who waits behind another who waits has both waits.
        let limit = 2 * self.lock_wait + PATIENCE;
        let found = timeout(limit, finding).await;
        found.unwrap_or_else(|_elapsed| {
            let source = "the stock row could not be read in time".into();
            let store = Store::PostgreSql;
            Err(StrategyError::Store { store, source })
        })
    }

    /// Reads the stock of a SKU, and latches it if PostgreSQL says that nothing is left.
    /// Where there is something, Redis hears of it, if its gate is older.
    async fn read(&self, sku: &Sku) -> Result<Found, StrategyError> {
        self.latch.begin_look(sku);
        let begun = Instant::now();
        let looked = async {
            let mut conn = self.pool.get().await?;
            let found = read_stock(&mut conn, sku).await?;
            // With nothing left under this fence no order can follow without lifting the
            // latch, so the orders that are there now are all.
            let is_sold_out = found.available_units == 0;
            let winners = is_sold_out.then(|| self.latch.winners(sku)).flatten();
            let Some(winners) = winners else {
                return Ok((found, None));
            };
            if !learn_page(&self.latch, &mut conn, sku, &winners).await? {
                drop(conn);
                self.learn_all(sku, &winners).await?;
            }
            Ok::<_, DbError>((found, Some((winners, found.fence))))
        };
        match looked.await {
            Ok((found, sold_out)) => {
                self.latch.end_look(sku, begun, sold_out);
                if found.available_units > 0 {
                    self.tell_redis(sku, found).await;
                } else if !self.redis.is_away() {
                    // A gate that stays open lets the next ones through to the vault.
                    let _ = self.redis.close(sku, found.fence).await;
                }
                Ok(found)
            }
            Err(error) => {
                self.latch.end_look(sku, begun, None);
                Err(error.after(begun.elapsed(), self.lock_wait).into())
            }
        }
    }

    /// Learns the winners of a SKU that has many, away from the thread that sells.
    async fn learn_all(
        &self,
        sku: &Sku,
        winners: &Arc<Winners>,
    ) -> Result<(), DbError> {
        let (stock, sku, winners) = (self.clone(), sku.clone(), Arc::clone(winners));
        let runtime = Handle::current();
        let learning = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                let mut conn = stock.pool.get().await?;
                while !learn_page(&stock.latch, &mut conn, &sku, &winners).await? {}
                Ok(())
            })
        });
        // Whoever panics ends the process.
        learning.await.unwrap_or(Err(DbError::Silent))
    }

    /// Shows all latches to PostgreSQL. Those that do not hold are lifted, and looked at
    /// again.
    pub(crate) async fn confirm(&self) -> Result<(), DbError> {
        let latched = self.latch.all();
        if latched.is_empty() {
            return Ok(());
        }
        let asked = Instant::now();
        let conn = self.pool.get().await?;
        let changed = sql::changed(&conn, &latched).await?;
        drop(conn);
        for latched in &latched {
            if !changed.contains_key(&latched.sku) {
                self.latch.confirm(latched, asked);
            }
        }
        for (sku, available_units) in changed {
            self.latch.lift(&sku);
            let stock = self.clone();
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
        Ok(())
    }

    /// Reads the stock under its lock, moves the fence forward, and loads the gate: permits
    /// that died come back, and what Redis had is forgotten. Where Redis is ahead, because
    /// PostgreSQL was restored from a copy, the fence is moved past it.
    async fn move_past_redis(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let found = self.move_fence(sku, 0).await?;
        match self.tell_redis(sku, found).await {
            Some(ahead) if ahead > found.fence => {
                let found = self.move_fence(sku, ahead).await?;
                self.tell_redis(sku, found).await;
                Ok(found)
            }
            _ => Ok(found),
        }
    }

    /// Moves the fence past one that was seen, unless somebody has.
    async fn move_fence(&self, sku: &Sku, past: i64) -> Result<Found, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let moving = async {
            let found = read_stock(&mut conn, sku).await?;
            if past > 0 && found.fence >= past {
                return Ok(found);
            }
            move_fence(&mut conn, sku, past).await
        };
        let found = moving.await;
        Ok(conn.end(found).await?)
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
        let mut before = None;
        for _ in 0..2 {
            let Ok(gate) = self.redis.read(sku).await else {
                return Ok(());
            };
            // The connection goes back at once: who reconciles needs one, too.
            let found = {
                let mut conn = self.pool.get().await?;
                read_stock(&mut conn, sku).await.map_err(DbError::from)?
            };
            if gate == (found.fence, found.available_units) {
                return Ok(());
            }
            if before == Some((gate, found)) {
                tracing::debug!(%sku, ?gate, ?found, "the gate has drifted");
                self.reconcile_now(sku).await?;
            }
            before = Some((gate, found));
            sleep(COMPARE_AGAIN).await;
        }
        Ok(())
    }

    /// Writes the gate, and returns the fence that it has then. If Redis does not hear, its
    /// gate is older than what others have seen, and is reconciled then.
    async fn tell_redis(&self, sku: &Sku, found: Found) -> Option<i64> {
        let Found {
            available_units,
            fence,
        } = found;
        if self.redis.is_away() {
            return None;
        }
        self.redis.reconcile(sku, fence, available_units).await.ok()
    }

    fn looks(&self) -> MutexGuard<'_, HashMap<Sku, Looks>> {
        // Nothing panics while it holds the lock.
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.len() >= LOOKS_MAX {
            looks.retain(|_, it| it.looking.is_some() || it.reconciling.is_some());
        }
        looks
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
        let cancelled = cancel(&mut conn, order_id).await;
        let (order, found) = conn.end(cancelled).await?;
        drop(conn);
        self.open_again(&order.sku, found).await;
        Ok(order)
    }

    pub(crate) async fn restock(
        &self,
        request: &Restock,
    ) -> Result<Stock, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let mut found = None;
        let added = add_units(&mut conn, request, &mut found).await;
        restocks::settle(&mut conn, request, added).await?;
        drop(conn);
        self.open_again(&request.sku, found).await;
        self.stock(&request.sku).await
    }

    /// Units were added and committed: from now on they can be bought here. Other
    /// processes hear of it from PostgreSQL.
    async fn open_again(&self, sku: &Sku, found: Option<Found>) {
        if let Some(found) = found {
            self.latch.lift(sku);
            self.tell_redis(sku, found).await;
        }
    }
}

async fn read_stock(conn: &mut AsyncPgConnection, sku: &Sku) -> QueryResult<Found> {
    let (available_units, fence) = skus::table
        .find(sku.as_str())
        .select((skus::available_units, skus::fence))
        .first(conn)
        .await?;
    Ok(Found {
        available_units,
        fence,
    })
}

/// Locks the stock row, moves its fence forward and past `past`, and reads what is
/// available.
async fn move_fence(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
    past: i64,
) -> Result<Found, DbError> {
    let next = sql::<BigInt>("greatest(fence, ")
        .bind::<BigInt, _>(past)
        .sql(") + 1");
    let (available_units, fence) = diesel::update(skus::table.find(sku.as_str()))
        .set(skus::fence.eq(next))
        .returning((skus::available_units, skus::fence))
        .get_result(conn)
        .await?;
    Ok(Found {
        available_units,
        fence,
    })
}

/// Learns the next winners; true when these were all.
async fn learn_page(
    latch: &Latches,
    conn: &mut AsyncPgConnection,
    sku: &Sku,
    winners: &Winners,
) -> Result<bool, DbError> {
    let page = sql::keys_after(conn, sku, winners.number(), PAGE).await?;
    latch.learn(winners, &page);
    Ok(i64::try_from(page.len()).unwrap_or(PAGE) < PAGE)
}

/// Runs something once for all who will wait for it, to its end.
fn share(
    finding: impl Future<Output = Result<Found, StrategyError>> + Send + 'static,
) -> Shared {
    let (tell, told) = watch::channel(None);
    tokio::spawn(async move { tell.send(Some(finding.await.map_err(Arc::new))) });
    told
}

/// Waits for what is shared.
async fn shared(mut told: Shared) -> Result<Found, StrategyError> {
    let found = match told.wait_for(Option::is_some).await {
        Ok(found) => found.clone(),
        // It ends without an answer only when the process does.
        Err(_) => None,
    };
    match found {
        Some(Ok(found)) => Ok(found),
        Some(Err(error)) => Err(match &*error {
            StrategyError::UnknownSku => StrategyError::UnknownSku,
            StrategyError::Busy => StrategyError::Busy,
            other => StrategyError::Store {
                store: Store::PostgreSql,
                source: reason(other).into(),
            },
        }),
        None => Err(StrategyError::OutcomeUnknown),
    }
}

async fn cancel(
    conn: &mut AsyncPgConnection,
    order_id: OrderId,
) -> Result<(Order, Option<Found>), DbError> {
    let order = orders::get(conn, order_id).await?;
    let Found {
        available_units, ..
    } = move_fence(conn, &order.sku, 0).await?;
    let order = Order {
        status: OrderStatus::Cancelled,
        ..order
    };
    if !orders::mark_cancelled(conn, order_id).await? {
        return Ok((order, None));
    }

    let written = diesel::update(skus::table.find(order.sku.as_str()))
        .set(skus::available_units.eq(available_units + order.units.get()))
        .execute(conn)
        .await?;
    expect_rows(1, written)?;
    let found = tell_all(conn, &order.sku).await?;
    Ok((order, Some(found)))
}

async fn add_units(
    conn: &mut AsyncPgConnection,
    request: &Restock,
    found: &mut Option<Found>,
) -> Result<(), DbError> {
    if restocks::is_done(conn, request).await? {
        return Ok(());
    }
    move_fence(conn, &request.sku, 0).await?;

    // The row is locked, so this adds to what was read.
    let written = diesel::update(skus::table.find(request.sku.as_str()))
        .set((
            skus::available_units.eq(skus::available_units + request.units.get()),
            skus::restocked_units.eq(skus::restocked_units + request.units.get()),
        ))
        .execute(conn)
        .await?;
    expect_rows(1, written)?;
    restocks::insert(conn, request).await?;
    *found = Some(tell_all(conn, &request.sku).await?);
    Ok(())
}

/// Tells all processes, at the moment of the commit, that units were added.
async fn tell_all(conn: &mut AsyncPgConnection, sku: &Sku) -> Result<Found, DbError> {
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(sku.as_str())
        .execute(conn)
        .await?;
    Ok(read_stock(conn, sku).await?)
}
