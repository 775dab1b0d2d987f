use diesel::{ExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{InventoryStrategy, Placement, PurchaseRequest, StrategyError};
use flash_core::{Order, OrderId, OrderStatus, Restock, Sku, Stock};
use flash_db::schema::skus;
use flash_db::{DbError, Pool, orders, restocks};

/// Exact: whoever reads the number keeps the row locked until it is written back.
pub struct Strategy {
    pool: Pool,
}

impl Strategy {
    /// Sells from the stock rows of this database.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

impl InventoryStrategy for Strategy {
    const NAME: &'static str = "pessimistic";

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let placement = purchase(&mut conn, request).await;
        Ok(orders::settle(&mut conn, request, placement).await?)
    }

    async fn cancel_order(&self, order_id: OrderId) -> Result<Order, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let order = cancel(&mut conn, order_id).await;
        Ok(conn.end(order).await?)
    }

    async fn restock(&self, request: &Restock) -> Result<Stock, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let result = add_units(&mut conn, request).await;
        restocks::settle(&mut conn, request, result).await?;
        Ok(flash_db::skus::stock(&mut conn, &request.sku).await?)
    }

    async fn stock(&self, sku: &Sku) -> Result<Stock, StrategyError> {
        let mut conn = self.pool.get().await?;
        Ok(flash_db::skus::stock(&mut conn, sku).await?)
    }
}

async fn purchase(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<Placement, DbError> {
    // 1. Read what is available.
    let (available_units, _, per_buyer_limit) = read_stock(conn, &request.sku).await?;

    // 2. Decide.
    if let Some(order) = orders::find_by_key(conn, request).await? {
        return Ok(Placement::Accepted {
            order,
            replayed: true,
        });
    }
    if request.units.get() > available_units {
        return Ok(Placement::SoldOut {
            available_units: Some(available_units),
        });
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

async fn cancel(
    conn: &mut AsyncPgConnection,
    order_id: OrderId,
) -> Result<Order, DbError> {
    let order = orders::get(conn, order_id).await?;
    let (available_units, _, _) = read_stock(conn, &order.sku).await?;

    if orders::mark_cancelled(conn, order_id).await? {
        diesel::update(skus::table.find(order.sku.as_str()))
            .set(skus::available_units.eq(available_units + order.units.get()))
            .execute(conn)
            .await?;
    }
    Ok(Order {
        status: OrderStatus::Cancelled,
        ..order
    })
}

async fn add_units(
    conn: &mut AsyncPgConnection,
    request: &Restock,
) -> Result<(), DbError> {
    let (available_units, restocked_units, _) = read_stock(conn, &request.sku).await?;
    if restocks::is_done(conn, request).await? {
        return Ok(());
    }

    diesel::update(skus::table.find(request.sku.as_str()))
        .set((
            skus::available_units.eq(available_units + request.units.get()),
            skus::restocked_units.eq(restocked_units + request.units.get()),
        ))
        .execute(conn)
        .await?;
    restocks::insert(conn, request).await
}

/// Reads available units, restocked units and the limit per buyer.
async fn read_stock(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
) -> QueryResult<(i64, i64, Option<i64>)> {
    skus::table
        .find(sku.as_str())
        .for_update()
        .select((
            skus::available_units,
            skus::restocked_units,
            skus::per_buyer_limit,
        ))
        .first(conn)
        .await
}
