//! Rung 1 of chapter 04: looked at in the program, subtracted by PostgreSQL.

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
        Ok(end(&mut conn, request, placement).await?)
    }
}

async fn purchase(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<Placement, DbError> {
    let on_sale = read_stock(conn, &request.sku).await?;
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
    let remaining = skus::available_units - request.units.get();
    diesel::update(skus::table.find(request.sku.as_str()))
        .set(skus::available_units.eq(remaining))
        .execute(conn)
        .await?;
    Ok(bought(orders::insert(conn, request).await?))
}
