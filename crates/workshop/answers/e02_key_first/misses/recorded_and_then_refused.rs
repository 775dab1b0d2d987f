//! The same request twice is one order, also when the stock is gone in between.

use flash_workshop::given::*;

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
    if let Some(order) = orders::find_by_key(conn, request).await? {
        return Ok(bought_before(order));
    }
    let order = orders::insert(conn, request).await?;
    if !on_sale.has(request) {
        return Ok(sold_out());
    }
    // END
    let limit = on_sale.per_buyer_limit.map(|it| it + request.units.get());
    if orders::exceeds_limit(conn, request, limit).await? {
        return Ok(Placement::LimitReached);
    }
    let remaining = on_sale.available_units - request.units.get();
    write_stock(conn, &request.sku, remaining).await?;
    Ok(bought(order))
}
