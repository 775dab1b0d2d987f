//! One statement takes the units, and only if there are enough.

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
    // YOUR PART
    let units = request.units.get();
    let row = skus::table
        .find(request.sku.as_str())
        .filter(skus::available_units.ge(units));
    let rows = diesel::update(row)
        .set(skus::available_units.eq(skus::available_units - units))
        .execute(conn)
        .await?;
    if rows == 0 {
        return Err(DbError::Miscounted {
            intended: 1,
            written: rows,
        });
    }
    // END
    let limit = on_sale.per_buyer_limit;
    if orders::exceeds_limit(conn, request, limit).await? {
        return Ok(Placement::LimitReached);
    }
    Ok(bought(orders::insert(conn, request).await?))
}
