//! The order rows of many requests at once: as in [`orders`](crate::orders), one function
//! per statement, whatever the size of the batch. They share the connection, so that
//! statements can be under way together.

use std::collections::HashMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{BuyerId, IdempotencyKey, Order, PurchaseRequest, Sku};

use crate::orders::OrderRow;
use crate::statement::{Column, Statement};
use crate::{DbError, expect_rows};

/// A buyer and a key of theirs.
pub type Key = (BuyerId, IdempotencyKey);

#[derive(QueryableByName)]
struct KeyedRow {
    #[diesel(sql_type = Text)]
    idempotency_key: String,
    #[diesel(embed)]
    order: OrderRow,
}

/// Reads the orders that have one of these buyers' keys. Locks nothing.
///
/// # Errors
///
/// [`DbError::Query`].
///
/// # Cancel safety
///
/// Reads only.
pub async fn find_by_keys(
    mut conn: &AsyncPgConnection,
    requests: impl Iterator<Item = &PurchaseRequest>,
) -> Result<HashMap<Key, Order>, DbError> {
    let (buyers, keys): (Vec<_>, Vec<_>) = requests
        .map(|r| (r.buyer_id.as_str(), r.idempotency_key.as_str()))
        .unzip();
    let statement = Statement::new(
        "SELECT found.order_id, found.sku, found.buyer_id, found.idempotency_key,
                found.units, found.status, found.created_at
           FROM unnest($, $) AS wanted (buyer_id, idempotency_key),
                LATERAL (SELECT * FROM orders
                          WHERE orders.buyer_id = wanted.buyer_id
                            AND orders.idempotency_key = wanted.idempotency_key
                          LIMIT 1) AS found",
        [Column::Text(buyers), Column::Text(keys)],
    );
    let rows = statement.load::<KeyedRow>(&mut conn).await?;
    rows.into_iter()
        .map(|row| {
            let key = IdempotencyKey::stored(row.idempotency_key);
            let order = Order::try_from(row.order)?;
            Ok(((order.buyer_id.clone(), key), order))
        })
        .collect()
}

#[derive(QueryableByName)]
struct OwnedRow {
    #[diesel(sql_type = Text)]
    sku: String,
    #[diesel(sql_type = Text)]
    buyer_id: String,
    #[diesel(sql_type = BigInt)]
    units: i64,
}

/// Counts the units that these requests' buyers have of these requests' SKUs. Locks
/// nothing, so the answer holds only for a caller who holds the locks of the stock rows.
///
/// # Errors
///
/// [`DbError::Query`].
///
/// # Cancel safety
///
/// Reads only.
pub async fn owned_units(
    mut conn: &AsyncPgConnection,
    requests: impl Iterator<Item = &PurchaseRequest>,
) -> Result<HashMap<(Sku, BuyerId), i64>, DbError> {
    let (skus, buyers): (Vec<_>, Vec<_>) = requests
        .map(|r| (r.sku.as_str(), r.buyer_id.as_str()))
        .unzip();
    let statement = Statement::new(
        "SELECT wanted.sku, wanted.buyer_id, owned.units
           FROM (SELECT DISTINCT * FROM unnest($, $) AS _ (sku, buyer_id)) AS wanted,
                LATERAL (SELECT coalesce(sum(units) FILTER (
                                    WHERE orders.sku = wanted.sku
                                      AND status = 'accepted'), 0)::bigint AS units
                           FROM orders WHERE orders.buyer_id = wanted.buyer_id) AS owned",
        [Column::Text(skus), Column::Text(buyers)],
    );
    let rows = statement.load::<OwnedRow>(&mut conn).await?;
    let owned = rows.into_iter().map(|row| {
        let owner = (Sku::stored(row.sku), BuyerId::stored(row.buyer_id));
        (owner, row.units)
    });
    Ok(owned.collect())
}

/// Inserts the orders of requests, given in pairs. Waits for concurrent transactions that
/// insert the same keys.
///
/// # Errors
///
/// [`DbError::Query`]; a unique violation where a key was taken in the meantime.
///
/// # Cancel safety
///
/// Runs inside the caller's transaction.
pub async fn insert_all(
    mut conn: &AsyncPgConnection,
    orders: &[(&PurchaseRequest, &Order)],
) -> Result<(), DbError> {
    let text = |text: fn(&PurchaseRequest) -> &str| {
        Column::Text(orders.iter().map(|(request, _)| text(request)).collect())
    };
    let rows = || orders.iter().map(|(_, order)| order);
    Statement::new(
        "INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
         SELECT * FROM unnest($, $, $, $, $, $)",
        [
            Column::Uuid(rows().map(|order| order.order_id.0).collect()),
            text(|request| request.sku.as_str()),
            text(|request| request.buyer_id.as_str()),
            text(|request| request.idempotency_key.as_str()),
            Column::BigInt(rows().map(|order| order.units.get()).collect()),
            Column::Timestamptz(rows().map(|order| order.created_at).collect()),
        ],
    )
    .execute(&mut conn)
    .await
    .map_err(DbError::from)
    .and_then(|written| expect_rows(orders.len(), written))
}
