//! The order rows: finding, counting and inserting them, one function per statement. What
//! reads locks nothing.
//!
//! # Cancel safety
//!
//! [`insert`] and [`mark_cancelled`] run inside the caller's transaction. A future of
//! [`settle`] that is dropped closes the connection: the transaction is there or it is not.
//! All others only read.

use chrono::{DateTime, SubsecRound, Utc};
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, Queryable, QueryableByName,
    Selectable, SelectableHelper,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{
    BuyerId, InvalidInput, Order, OrderId, OrderStatus, Placement, PurchaseRequest,
    Sku, Units,
};
use uuid::Uuid;

use crate::schema::orders;
use crate::{Connection, DbError, expect_rows};

#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = orders)]
/// An order as PostgreSQL has it.
pub struct OrderRow {
    order_id: Uuid,
    sku: String,
    buyer_id: String,
    units: i64,
    status: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<OrderRow> for Order {
    type Error = InvalidInput;

    fn try_from(row: OrderRow) -> Result<Self, InvalidInput> {
        Ok(Self {
            order_id: OrderId(row.order_id),
            sku: Sku::stored(row.sku),
            buyer_id: BuyerId::stored(row.buyer_id),
            units: Units::stored(row.units),
            status: match row.status.as_str() {
                "accepted" => OrderStatus::Accepted,
                "cancelled" => OrderStatus::Cancelled,
                other => return Err(InvalidInput(format!("status {other:?}"))),
            },
            created_at: row.created_at,
        })
    }
}

/// Reads an order by its name.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn find(
    conn: &mut AsyncPgConnection,
    order_id: OrderId,
) -> Result<Option<Order>, DbError> {
    let row = orders::table
        .find(order_id.0)
        .select(OrderRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(Order::try_from).transpose()?)
}

/// Reads an order that has to exist.
///
/// # Errors
///
/// [`DbError::UnknownOrder`] or [`DbError::Query`].
pub async fn get(
    conn: &mut AsyncPgConnection,
    order_id: OrderId,
) -> Result<Order, DbError> {
    find(conn, order_id).await?.ok_or(DbError::UnknownOrder)
}

/// Reads the order that this buyer placed with this key.
///
/// A phase asks after it has read the stock: whoever sees the stock of a committed order
/// then also sees the order.
///
/// # Errors
///
/// [`DbError::KeyReused`] where that order has another SKU or other units, or
/// [`DbError::Query`].
pub async fn find_by_key(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<Option<Order>, DbError> {
    let row = orders::table
        .filter(orders::buyer_id.eq(request.buyer_id.as_str()))
        .filter(orders::idempotency_key.eq(request.idempotency_key.as_str()))
        .select(OrderRow::as_select())
        .first(conn)
        .await
        .optional()?;
    let Some(order) = row.map(Order::try_from).transpose()? else {
        return Ok(None);
    };
    if order.sku == request.sku && order.units == request.units {
        Ok(Some(order))
    } else {
        Err(DbError::KeyReused)
    }
}

/// Whether the buyer would own more units than the limit allows. Locks nothing, so the
/// answer holds only for a caller who holds the lock of the stock row.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn exceeds_limit(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
    per_buyer_limit: Option<i64>,
) -> Result<bool, DbError> {
    let Some(limit) = per_buyer_limit else {
        return Ok(false);
    };
    // The buyer leads to few rows, the SKU to all of a sale: PostgreSQL must not choose.
    let of_sku = sql::<BigInt>(
        "coalesce(sum(units) FILTER (WHERE status = 'accepted' AND sku = ",
    )
    .bind::<Text, _>(request.sku.as_str())
    .sql("), 0)::bigint");
    let owned_units = orders::table
        .filter(orders::buyer_id.eq(request.buyer_id.as_str()))
        .select(of_sku)
        .first::<i64>(conn)
        .await?;
    Ok(owned_units + request.units.get() > limit)
}

/// Makes the order that a request becomes if it is accepted now.
#[must_use]
pub fn order_for(request: &PurchaseRequest) -> Order {
    Order {
        order_id: OrderId::now(),
        sku: request.sku.clone(),
        buyer_id: request.buyer_id.clone(),
        units: request.units,
        status: OrderStatus::Accepted,
        // PostgreSQL keeps microseconds; a replay must show the same time.
        created_at: Utc::now().trunc_subsecs(6),
    }
}

/// Inserts the order of a request. Waits for a concurrent transaction that inserts the
/// same key.
///
/// # Errors
///
/// [`DbError::Query`]; a unique violation where the key was taken in the meantime, which
/// [`settle`] turns into the order that took it.
pub async fn insert(
    conn: &mut AsyncPgConnection,
    request: &PurchaseRequest,
) -> Result<Order, DbError> {
    let order = order_for(request);
    let inserted = diesel::insert_into(orders::table)
        .values((
            orders::order_id.eq(order.order_id.0),
            orders::sku.eq(order.sku.as_str()),
            orders::buyer_id.eq(order.buyer_id.as_str()),
            orders::idempotency_key.eq(request.idempotency_key.as_str()),
            orders::units.eq(order.units.get()),
            orders::created_at.eq(order.created_at),
        ))
        .execute(conn)
        .await?;
    expect_rows(1, inserted)?;
    Ok(order)
}

/// Ends the transaction of a purchase: commits an answer, rolls back an error, and
/// answers with the existing order where a concurrent request with the same key won.
///
/// # Errors
///
/// The error that it was given, or [`DbError::Commit`] when COMMIT failed.
pub async fn settle(
    conn: &mut Connection,
    request: &PurchaseRequest,
    placement: Result<Placement, DbError>,
) -> Result<Placement, DbError> {
    match conn.end(placement).await {
        Err(error) if error.is_unique_violation() => {
            match find_by_key(conn, request).await? {
                Some(order) => Ok(Placement::Accepted {
                    order,
                    replayed: true,
                }),
                None => Err(error),
            }
        }
        placement => placement,
    }
}

/// Reads the keys of all orders of a SKU, cancelled ones included.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn keys_of_sku(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
) -> Result<Vec<(String, String)>, DbError> {
    Ok(orders::table
        .filter(orders::sku.eq(sku.as_str()))
        .select((orders::buyer_id, orders::idempotency_key))
        .load(conn)
        .await?)
}

/// Marks an order as cancelled. Locks the order's row; false where it was cancelled
/// already.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn mark_cancelled(
    conn: &mut AsyncPgConnection,
    order_id: OrderId,
) -> Result<bool, DbError> {
    let accepted = orders::table
        .find(order_id.0)
        .filter(orders::status.eq("accepted"));
    let marked = diesel::update(accepted)
        .set(orders::status.eq("cancelled"))
        .execute(conn)
        .await?;
    Ok(marked == 1)
}
