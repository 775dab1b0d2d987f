//! What is not selling: looking at the stock, reloading a gate, cancelling, restocking.

use std::sync::Arc;
use std::time::Duration;

use diesel::sql_types::Text;
use diesel::{ExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{
    Order, OrderId, OrderStatus, Restock, Sku, Stock, Store, StrategyError,
};
use flash_db::order_batch::keys_of_sku;
use flash_db::schema::skus;
use flash_db::{DbError, Pool, orders, restocks};

use crate::gate::Gates;
use crate::latch::Latches;
use crate::metrics::METRICS;

/// The channel on which PostgreSQL tells all processes the SKU that units were added to.
pub(crate) const CHANNEL: &str = "flash_units_added";

/// How long a look at PostgreSQL may take before those who wait for it are told that it is
/// not available: longer than the usual wait for a row.
const LOOK_MAX: Duration = Duration::from_secs(8);

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
        let store = Store::PostgreSql;
        tokio::time::timeout(LOOK_MAX, finding)
            .await
            .unwrap_or(Err(StrategyError::Unavailable { store }))
    }

    /// Looks at the stock of a SKU, and latches it if PostgreSQL says that nothing is left.
    pub(crate) async fn look(&self, sku: &Sku) -> Result<Found, StrategyError> {
        self.latches.begin_look(sku);
        let looked = async {
            let mut conn = self.pool.get().await?;
            let found = read_stock(&mut conn, sku).await?;
            // With nothing left under this fence no order can follow without lifting the
            // latch, so the keys that are there now are all.
            let winners = if found.available_units == 0 {
                let keys = keys_of_sku(&mut conn, sku).await?;
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
                    self.say(sku, self.gates.close(sku, found.fence).await);
                }
                Ok(found)
            }
            Err(error) => {
                self.latches.end_look(sku, None);
                Err(error.into())
            }
        }
    }

    /// Reads the stock under its lock, moves the fence forward, and loads the gate: permits
    /// that died come back, and what Redis had is forgotten.
    pub(crate) async fn reload(&self, sku: &Sku) -> Result<Found, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let found = move_fence(&mut conn, sku).await;
        let found = conn.end(found).await?;
        self.load(sku, found).await;
        Ok(found)
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

    /// Loads the gate. If Redis does not hear, its gate is older than what others have
    /// seen, and is loaded then.
    pub(crate) async fn load(&self, sku: &Sku, found: Found) {
        let Found {
            available_units,
            fence,
        } = found;
        METRICS.gate_loads.inc();
        self.say(sku, self.gates.fill(sku, fence, available_units).await);
    }

    fn say(&self, sku: &Sku, told: Result<(), String>) {
        if let Err(reason) = told {
            tracing::debug!(%sku, reason, "Redis was not told");
        }
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

/// Locks the stock row, moves its fence forward, and reads what is available.
async fn move_fence(conn: &mut AsyncPgConnection, sku: &Sku) -> Result<Found, DbError> {
    let (available_units, fence) = diesel::update(skus::table.find(sku.as_str()))
        .set(skus::fence.eq(skus::fence + 1))
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
    } = move_fence(conn, &order.sku).await?;
    let order = Order {
        status: OrderStatus::Cancelled,
        ..order
    };
    if !orders::mark_cancelled(conn, order_id).await? {
        return Ok((order, None));
    }

    diesel::update(skus::table.find(order.sku.as_str()))
        .set(skus::available_units.eq(available_units + order.units.get()))
        .execute(conn)
        .await?;
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
    move_fence(conn, &request.sku).await?;

    // The row is locked, so this adds to what was read.
    diesel::update(skus::table.find(request.sku.as_str()))
        .set((
            skus::available_units.eq(skus::available_units + request.units.get()),
            skus::restocked_units.eq(skus::restocked_units + request.units.get()),
        ))
        .execute(conn)
        .await?;
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
