//! A shop that looks like the others, and has three holes.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper};
use diesel_async::RunQueryDsl;
use flash_core::{Order, Placement, PurchaseRequest, StrategyError};
use flash_db::schema::orders as orders_table;
use flash_db::{Connection, DbError, Pool, orders};

use super::redis::Redis;
use super::sale::{bought, bought_before, end, sold_out};
use super::sells::{Sells, Stores};
use super::stock::{lock_stock, read_stock, write_stock};

/// Who is attacked.
pub struct WeakShop {
    pool: Pool,
    redis: Redis,
}

impl Sells for WeakShop {
    const USES_REDIS: bool = true;

    fn new(stores: &Stores) -> Result<Self, StrategyError> {
        Ok(Self {
            pool: stores.pool.clone(),
            redis: stores.redis()?,
        })
    }

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let placement = purchase(&mut conn, request).await;
        let placement = end(&mut conn, request, placement).await?;
        if matches!(placement, Placement::SoldOut { .. }) {
            // So that nobody is told one thing now and another thing later.
            let (sku, key) = (&request.sku, &request.idempotency_key);
            let refused = format!("refused:{sku}:{}", key.as_str());
            self.redis.number(&["INCR", &refused]).await?;
        }
        Ok(placement)
    }
}

async fn purchase(
    conn: &mut Connection,
    request: &PurchaseRequest,
) -> Result<Placement, DbError> {
    if let Some(order) = find_by_key(conn, request).await? {
        return Ok(bought_before(order));
    }
    let limit = read_stock(conn, &request.sku).await?.per_buyer_limit;
    if orders::exceeds_limit(conn, request, limit).await? {
        return Ok(Placement::LimitReached);
    }
    let on_sale = lock_stock(conn, &request.sku).await?;
    if !on_sale.has(request) {
        return Ok(sold_out());
    }
    let remaining = on_sale.available_units - request.units.get();
    write_stock(conn, &request.sku, remaining).await?;
    Ok(bought(orders::insert(conn, request).await?))
}

/// The order of this key.
async fn find_by_key(
    conn: &mut Connection,
    request: &PurchaseRequest,
) -> Result<Option<Order>, DbError> {
    let of_key = orders_table::idempotency_key.eq(request.idempotency_key.as_str());
    let row = orders_table::table
        .filter(orders_table::sku.eq(request.sku.as_str()))
        .filter(of_key)
        .select(orders::OrderRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(Order::try_from).transpose()?)
}
