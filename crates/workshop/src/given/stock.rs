//! The stock row: one function per statement. All of them run inside the caller's
//! transaction, but for [`cancel`] and [`add_units`], which have their own.
//!
//! # Errors
//!
//! [`DbError::Query`]; where there is no such SKU, that says so to the buyer.
#![expect(clippy::missing_errors_doc, reason = "said once, above")]

use diesel::{ExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{Order, OrderId, OrderStatus, PurchaseRequest, Restock, Sku, Stock};
use flash_db::schema::skus;
use flash_db::{DbError, Pool, orders, restocks};

/// What a buyer finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnSale {
    /// Units that can still be sold.
    pub available_units: i64,
    /// The most that one buyer may have.
    pub per_buyer_limit: Option<i64>,
}

impl OnSale {
    /// Whether there is enough for this request.
    #[must_use]
    pub fn has(&self, request: &PurchaseRequest) -> bool {
        self.available_units >= request.units.get()
    }
}

fn on_sale((available_units, per_buyer_limit): (i64, Option<i64>)) -> OnSale {
    OnSale {
        available_units,
        per_buyer_limit,
    }
}

/// Reads what is on sale. Locks nothing and waits for nobody.
pub async fn read_stock(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
) -> Result<OnSale, DbError> {
    let row = skus::table
        .find(sku.as_str())
        .select((skus::available_units, skus::per_buyer_limit))
        .first(conn)
        .await?;
    Ok(on_sale(row))
}

/// Reads what is on sale and locks the row until the transaction ends.
pub async fn lock_stock(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
) -> Result<OnSale, DbError> {
    let row = skus::table
        .find(sku.as_str())
        .for_update()
        .select((skus::available_units, skus::per_buyer_limit))
        .first(conn)
        .await?;
    Ok(on_sale(row))
}

/// Writes a number that was computed before.
pub async fn write_stock(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
    available_units: i64,
) -> Result<(), DbError> {
    diesel::update(skus::table.find(sku.as_str()))
        .set(skus::available_units.eq(available_units))
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes the units of a request if there are enough; false where there are not. Waits for
/// who has the row, and then looks at the row as it is.
pub async fn take_units(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<bool, DbError> {
    let units = request.units.get();
    let row = skus::table
        .find(request.sku.as_str())
        .filter(skus::available_units.ge(units));
    let rows = diesel::update(row)
        .set(skus::available_units.eq(skus::available_units - units))
        .execute(conn)
        .await?;
    Ok(rows == 1)
}

/// Takes an order back.
pub(crate) async fn cancel(pool: &Pool, order_id: OrderId) -> Result<Order, DbError> {
    let mut conn = pool.begin().await?;
    let cancelled = async {
        let order = orders::get(&mut conn, order_id).await?;
        if orders::mark_cancelled(&mut conn, order_id).await? {
            give_back(&mut conn, &order).await?;
        }
        Ok(Order {
            status: OrderStatus::Cancelled,
            ..order
        })
    }
    .await;
    conn.end(cancelled).await
}

async fn give_back(conn: &mut AsyncPgConnection, order: &Order) -> QueryResult<usize> {
    diesel::update(skus::table.find(order.sku.as_str()))
        .set(skus::available_units.eq(skus::available_units + order.units.get()))
        .execute(conn)
        .await
}

/// Adds units to a SKU; the same key adds them once.
pub(crate) async fn add_units(
    pool: &Pool,
    request: &Restock,
) -> Result<Stock, DbError> {
    let mut conn = pool.begin().await?;
    let added = async {
        lock_stock(&mut conn, &request.sku).await?;
        if restocks::is_done(&mut conn, request).await? {
            return Ok(());
        }
        let units = request.units.get();
        diesel::update(skus::table.find(request.sku.as_str()))
            .set((
                skus::available_units.eq(skus::available_units + units),
                skus::restocked_units.eq(skus::restocked_units + units),
            ))
            .execute(&mut *conn)
            .await?;
        restocks::insert(&mut conn, request).await
    }
    .await;
    restocks::settle(&mut conn, request, added).await?;
    flash_db::skus::stock(&mut conn, &request.sku).await
}
