//! What is not selling: looking at the stock, reloading a gate, cancelling, restocking.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel::{ExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{
    Order, OrderId, OrderStatus, Restock, Sku, Stock, Store, StrategyError,
};
use flash_db::schema::skus;
use flash_db::{DbError, Pool, expect_rows, orders, restocks};
use tokio::sync::mpsc;

use crate::event::Event;
use crate::gate::Gates;
use crate::latch::Latches;
use crate::metrics::METRICS;

/// The channel on which PostgreSQL tells all processes the SKU that units were added to.
pub(crate) const CHANNEL: &str = "flash_units_added";

/// How long a look at PostgreSQL may take beyond its wait for the row before those who wait
/// for it are told that it is not available.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long after the first comparison of a gate the second follows.
const COMPARE_AGAIN: Duration = Duration::from_millis(200);

/// What was found in PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) available_units: i64,
    pub(crate) fence: i64,
}

/// Everything that changes or reads the supply of a SKU.
#[derive(Clone)]
pub(crate) struct Supply {
    pub(crate) pool: Pool,
    pub(crate) gates: Arc<Gates>,
    pub(crate) latches: Arc<Latches>,
    /// The bouncer hears here of what Redis did not do.
    pub(crate) tell: mpsc::Sender<Event>,
    /// How long a statement waits for a row.
    pub(crate) lock_wait: Duration,
}

impl Supply {
    /// Looks at the stock of a SKU, or loads its gate again, within bounds.
    pub(crate) async fn find_out(
        &self,
        sku: &Sku,
        reload: bool,
    ) -> Result<Found, StrategyError> {
        let finding = async {
            if reload {
                self.reload(sku).await
            } else {
                self.look(sku).await
            }
        };
        // Who waits behind another who waits has both waits.
        let limit = 2 * self.lock_wait + PATIENCE;
        let store = Store::PostgreSql;
        tokio::time::timeout(limit, finding)
            .await
            .unwrap_or_else(|_elapsed| {
                let source = "the stock row could not be read in time".into();
                Err(StrategyError::Store { store, source })
            })
    }

    /// Looks at the stock of a SKU, and latches it if PostgreSQL says that nothing is left.
    pub(crate) async fn look(&self, sku: &Sku) -> Result<Found, StrategyError> {
        self.latches.begin_look(sku);
        let begun = Instant::now();
        let looked = async {
            let mut conn = self.pool.get().await?;
            let found = read_stock(&mut conn, sku).await?;
            // With nothing left under this fence no order can follow without lifting the
            // latch, so the keys that are there now are all.
            let winners = if found.available_units == 0 {
                let keys = orders::keys_of_sku(&mut conn, sku).await?;
                let keys = keys
                    .iter()
                    .map(|(buyer, key)| (buyer.as_str(), key.as_str()));
                Some(self.latches.winners(keys))
            } else {
                None
            };
            Ok::<_, DbError>((found, winners))
        };
        match looked.await {
            Ok((found, winners)) => {
                self.latches.end_look(sku, winners);
                if found.available_units == 0 {
                    self.told(sku, self.gates.close(sku, found.fence).await);
                }
                Ok(found)
            }
            Err(error) => {
                self.latches.end_look(sku, None);
                Err(error.after(begun.elapsed(), self.lock_wait).into())
            }
        }
    }

    /// Reads the stock under its lock, moves the fence forward, and loads the gate: permits
    /// that died come back, and what Redis had is forgotten. Where Redis is ahead, because
    /// PostgreSQL was restored from a copy, the fence is moved past it.
    pub(crate) async fn reload(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let found = self.move_fence(sku, 0).await?;
        match self.load(sku, found).await {
            Some(ahead) if ahead > found.fence => {
                let found = self.move_fence(sku, ahead).await?;
                self.load(sku, found).await;
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

    /// Compares the gate of a SKU with PostgreSQL, and loads it again if twice in a row
    /// the same numbers do not agree. Meant for a SKU that nobody is buying: while permits
    /// are out the numbers differ, and then they change.
    pub(crate) async fn compare(&self, sku: &Sku) -> Result<(), StrategyError> {
        let mut before = None;
        for _ in 0..2 {
            let Ok(gate) = self.gates.read(sku).await else {
                return Ok(());
            };
            let mut conn = self.pool.get().await?;
            let found = read_stock(&mut conn, sku).await.map_err(DbError::from)?;
            if gate == (found.fence, found.available_units) {
                return Ok(());
            }
            if before == Some((gate, found)) {
                tracing::debug!(%sku, ?gate, ?found, "the gate has drifted");
                self.reload(sku).await?;
            }
            before = Some((gate, found));
            drop(conn);
            tokio::time::sleep(COMPARE_AGAIN).await;
        }
        Ok(())
    }

    /// Loads the gate, and returns the fence that it has then. If Redis does not hear, its
    /// gate is older than what others have seen, and is loaded then.
    pub(crate) async fn load(&self, sku: &Sku, found: Found) -> Option<i64> {
        let Found {
            available_units,
            fence,
        } = found;
        METRICS.gate_loads.inc();
        self.told(sku, self.gates.fill(sku, fence, available_units).await)
    }

    fn told<T>(&self, sku: &Sku, told: Result<T, String>) -> Option<T> {
        told.inspect_err(|reason| {
            tracing::debug!(%sku, reason, "Redis was not told");
            // Where there is no room the next failure is told.
            drop(self.tell.try_send(Event::RedisFailed(reason.clone())));
        })
        .ok()
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
            self.latches.lift(sku);
            self.load(sku, found).await;
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
