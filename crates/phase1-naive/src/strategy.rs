use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{InventoryStrategy, Placement, PurchaseRequest};
use flash_core::{Sku, Stock, StrategyError};
use flash_db::schema::skus;
use flash_db::{DbError, Pool, orders};

/// **Oversells.** Two buyers can read the same number before either writes it back.
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
    const NAME: &'static str = "naive";

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let mut conn = self.pool.begin().await?;
        let placement = purchase(&mut conn, request).await;
        Ok(orders::settle(&mut conn, request, placement).await?)
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
    let (available_units, per_buyer_limit) = skus::table
        .find(request.sku.as_str())
        .select((skus::available_units, skus::per_buyer_limit))
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
