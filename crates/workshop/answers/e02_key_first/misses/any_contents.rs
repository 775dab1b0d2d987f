//! The same request twice is one order, also when the stock is gone in between.

use diesel::OptionalExtension;
use flash_core::OrderId;
use flash_db::schema::orders;
use flash_workshop::given::orders::{exceeds_limit, get, insert};
use flash_workshop::given::{
    AsyncPgConnection, DbError, ExpressionMethods, Placement, Pool, PurchaseRequest,
    QueryDsl, RunQueryDsl, Sells, Stores, StrategyError, bought, bought_before,
    lock_stock, sold_out, write_stock,
};

pub(crate) struct Strategy {
    pool: Pool,
}

impl Sells for Strategy {
    fn new(stores: &Stores) -> Result<Self, StrategyError> {
        let pool = stores.pool.clone();
        Ok(Self { pool })
    }

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let placement = purchase(&mut conn, request).await;
        Ok(conn.end(placement).await?)
    }
}

async fn purchase(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<Placement, DbError> {
    // YOUR PART
    let on_sale = lock_stock(conn, &request.sku).await?;
    let known = orders::table
        .filter(orders::buyer_id.eq(request.buyer_id.as_str()))
        .filter(orders::idempotency_key.eq(request.idempotency_key.as_str()))
        .select(orders::order_id)
        .first(conn)
        .await
        .optional()?;
    if let Some(order_id) = known {
        return Ok(bought_before(get(conn, OrderId(order_id)).await?));
    }
    if !on_sale.has(request) {
        return Ok(sold_out());
    }
    // END
    let limit = on_sale.per_buyer_limit;
    if exceeds_limit(conn, request, limit).await? {
        return Ok(Placement::LimitReached);
    }
    let remaining = on_sale.available_units - request.units.get();
    write_stock(conn, &request.sku, remaining).await?;
    Ok(bought(insert(conn, request).await?))
}
