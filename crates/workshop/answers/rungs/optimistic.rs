//! Rung 3 of chapter 04: written only where the number is still the one that was read.

use flash_workshop::given::*;

/// Beyond so many the row is too busy for this buyer.
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
        for _ in 0..TRIES {
            let mut conn = self.pool.begin().await?;
            match purchase(&mut conn, request).await.transpose() {
                None => roll_back(&mut conn).await?,
                Some(placement) => {
                    return Ok(end(&mut conn, request, placement).await?);
                }
            }
        }
        Err(StrategyError::Busy)
    }
}

/// None where somebody else has written since it was read.
async fn purchase(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<Option<Placement>, DbError> {
    let on_sale = read_stock(conn, &request.sku).await?;
    if let Some(order) = orders::find_by_key(conn, request).await? {
        return Ok(Some(bought_before(order)));
    }
    if !on_sale.has(request) {
        return Ok(Some(sold_out()));
    }
    let limit = on_sale.per_buyer_limit;
    if orders::exceeds_limit(conn, request, limit).await? {
        return Ok(Some(Placement::LimitReached));
    }
    let as_read = skus::table
        .find(request.sku.as_str())
        .filter(skus::available_units.eq(on_sale.available_units));
    let rows = diesel::update(as_read)
        .set(skus::available_units.eq(on_sale.available_units - request.units.get()))
        .execute(conn)
        .await?;
    if rows == 0 {
        return Ok(None);
    }
    Ok(Some(bought(orders::insert(conn, request).await?)))
}
