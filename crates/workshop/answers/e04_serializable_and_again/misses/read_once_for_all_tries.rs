//! SERIALIZABLE: PostgreSQL lets nobody break anything. It says so to whoever tries.

use flash_workshop::given::*;

/// Beyond so many the machine is too busy for this buyer.
const TRIES: u32 = 100;

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
        // YOUR PART
        let mut conn = self.pool.get().await?;
        let on_sale = read_stock(&mut conn, &request.sku).await?;
        drop(conn);
        for _ in 0..TRIES {
            let mut conn = begin_serializable(&self.pool).await?;
            let placement = purchase(&mut conn, request, on_sale).await;
            match end(&mut conn, request, placement).await {
                Err(error) if is_refused_to_be_tried_again(&error) => {}
                placement => return Ok(placement?),
            }
        }
        Err(StrategyError::Busy)
        // END
    }
}

async fn purchase(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
    on_sale: OnSale,
) -> Result<Placement, DbError> {
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
