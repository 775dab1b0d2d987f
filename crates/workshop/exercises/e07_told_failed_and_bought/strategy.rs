//! COMMIT was sent, and nobody answers. What is the buyer told?

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
        // YOUR PART
        match end(&mut conn, request, placement).await {
            Ok(placement) => Ok(placement),
            // Nothing came back, so nothing was done.
            Err(DbError::Commit(error)) => Err(failed(DbError::Commit(error))),
            Err(error) => Err(error.into()),
        }
        // END
    }
}

async fn purchase(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<Placement, DbError> {
    let on_sale = lock_stock(conn, &request.sku).await?;
    if let Some(order) = orders::find_by_key(conn, request).await? {
        return Ok(bought_before(order));
    }
    if !on_sale.has(request) {
        return Ok(sold_out());
    }
    let limit = on_sale.per_buyer_limit;
    if orders::exceeds_limit(conn, request, limit).await? {
        return Ok(Placement::LimitReached);
    }
    let remaining = on_sale.available_units - request.units.get();
    write_stock(conn, &request.sku, remaining).await?;
    Ok(bought(orders::insert(conn, request).await?))
}
