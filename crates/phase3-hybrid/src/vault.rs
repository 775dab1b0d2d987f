//! The third room: PostgreSQL decides. It re-checks everything that the bouncer said.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{Placement, PurchaseRequest, Sku, Stock, StrategyError};
use flash_db::orders::{self, KeyedUnits};
use flash_db::schema::skus;
use flash_db::{DbError, Pool};

/// What the gate of a SKU is loaded from, all of the same moment.
pub(crate) struct GateState {
    pub(crate) available_units: i64,
    pub(crate) per_buyer_limit: Option<i64>,
    pub(crate) orders: Vec<KeyedUnits>,
}

pub(crate) struct Vault {
    pool: Pool,
}

impl Vault {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Records a request that the bouncer let through, or refuses it.
    pub(crate) async fn commit(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let placement = purchase(&mut conn, request).await;
        Ok(orders::settle(&mut conn, request, placement).await?)
    }

    pub(crate) async fn stock(&self, sku: &Sku) -> Result<Stock, StrategyError> {
        let mut conn = self.pool.get().await?;
        Ok(flash_db::skus::stock(&mut conn, sku).await?)
    }

    pub(crate) async fn gate_state(
        &self,
        sku: &Sku,
    ) -> Result<GateState, StrategyError> {
        let mut conn = self.pool.get().await?;
        Ok(read_gate_state(&mut conn, sku).await?)
    }
}

/// Reads the stock first and the orders after it: an order that commits in between is
/// known to the gate and still counted as available, which the next purchase corrects.
/// The other way round it would be neither.
async fn read_gate_state(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
) -> Result<GateState, DbError> {
    let (available_units, per_buyer_limit) = skus::table
        .find(sku.as_str())
        .select((skus::available_units, skus::per_buyer_limit))
        .first::<(i64, Option<i64>)>(conn)
        .await?;
    let orders = orders::of_sku(conn, sku).await?;
    Ok(GateState {
        available_units,
        per_buyer_limit,
        orders,
    })
}

async fn purchase(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<Placement, DbError> {
    // 1. Read what is available.
    let (available_units, per_buyer_limit) = skus::table
        .find(request.sku.as_str())
        .select((skus::available_units, skus::per_buyer_limit))
        .for_update()
        .first::<(i64, Option<i64>)>(conn)
        .await?;

    // 2. Decide.
    if let Some(order) = orders::find_by_key(conn, request).await? {
        return Ok(Placement::Accepted {
            order,
            replayed: true,
        });
    }
    if request.units.get() > available_units {
        return Ok(Placement::SoldOut);
    }
    if orders::exceeds_limit(conn, request, per_buyer_limit).await? {
        return Ok(Placement::LimitReached);
    }

    // 3. Write what remains.
    diesel::update(skus::table.find(request.sku.as_str()))
        .set(skus::available_units.eq(available_units - request.units.get()))
        .execute(conn)
        .await?;

    // 4. Record the order.
    let order = orders::insert(conn, request).await?;
    Ok(Placement::Accepted {
        order,
        replayed: false,
    })
}
