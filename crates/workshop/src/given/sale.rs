//! Beginning and ending a purchase.
//!
//! # Errors
//!
//! [`DbError`]; each function passes on what it was given, or says what failed.
#![expect(clippy::missing_errors_doc, reason = "said once, above")]

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel_async::{AnsiTransactionManager, TransactionManager};
use flash_core::{Order, Placement, PurchaseRequest, Store, StrategyError};
use flash_db::{Connection, DbError, Pool, orders};

use super::stock::{lock_stock, write_stock};

/// The buyer has the units.
#[must_use]
pub fn bought(order: Order) -> Placement {
    Placement::Accepted {
        order,
        replayed: false,
    }
}

/// The buyer had them already: it is the order that an earlier request placed.
#[must_use]
pub fn bought_before(order: Order) -> Placement {
    Placement::Accepted {
        order,
        replayed: true,
    }
}

/// There are not enough units.
#[must_use]
pub fn sold_out() -> Placement {
    Placement::SoldOut {
        available_units: None,
    }
}

/// The system could not answer, and nothing was done.
#[must_use]
pub fn failed(error: DbError) -> StrategyError {
    StrategyError::Store {
        store: Store::PostgreSql,
        source: Box::new(error),
    }
}

/// Begins a SERIALIZABLE transaction.
pub async fn begin_serializable(pool: &Pool) -> Result<Connection, DbError> {
    let mut conn = pool.get().await?;
    let begin = "BEGIN ISOLATION LEVEL SERIALIZABLE";
    AnsiTransactionManager::begin_transaction_sql(&mut *conn, begin).await?;
    Ok(conn)
}

/// Whether PostgreSQL has rolled a transaction back, and asks for another try.
#[must_use]
pub fn is_refused_to_be_tried_again(error: &DbError) -> bool {
    let DbError::Query(QueryError::DatabaseError(kind, reason)) = error else {
        return false;
    };
    matches!(kind, DatabaseErrorKind::SerializationFailure)
        || reason.message().contains("deadlock detected")
}

/// Takes back whatever the transaction did.
pub async fn roll_back(conn: &mut Connection) -> Result<(), DbError> {
    Ok(AnsiTransactionManager::rollback_transaction(&mut **conn).await?)
}

/// Ends the transaction of a purchase. An order is committed; a refusal takes back
/// whatever was done on the way to it, and who is refused may yet have bought with this key:
/// in a transaction that was not to be seen before.
pub async fn end(
    conn: &mut Connection,
    request: &PurchaseRequest,
    placement: Result<Placement, DbError>,
) -> Result<Placement, DbError> {
    let refusal = match placement {
        Ok(refusal @ (Placement::SoldOut { .. } | Placement::LimitReached)) => refusal,
        placement => return orders::settle(conn, request, placement).await,
    };
    roll_back(conn).await?;
    let order = orders::find_by_key(conn, request).await?;
    Ok(order.map_or(refusal, bought_before))
}

/// Sells exactly, one buyer at a time: the row stays locked until the order is there.
pub async fn sell_at_the_row(
    pool: &Pool,
    request: &PurchaseRequest,
) -> Result<Placement, StrategyError> {
    let mut conn = pool.begin().await?;
    let placement = async {
        let on_sale = lock_stock(&mut conn, &request.sku).await?;
        if let Some(order) = orders::find_by_key(&mut conn, request).await? {
            return Ok(bought_before(order));
        }
        if !on_sale.has(request) {
            return Ok(sold_out());
        }
        let limit = on_sale.per_buyer_limit;
        if orders::exceeds_limit(&mut conn, request, limit).await? {
            return Ok(Placement::LimitReached);
        }
        let remaining = on_sale.available_units - request.units.get();
        write_stock(&mut conn, &request.sku, remaining).await?;
        Ok(bought(orders::insert(&mut conn, request).await?))
    }
    .await;
    Ok(orders::settle(&mut conn, request, placement).await?)
}
