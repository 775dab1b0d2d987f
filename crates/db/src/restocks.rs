//! The rows of restocks: finding and inserting them, one function per statement.
//!
//! # Cancel safety
//!
//! [`is_done`] only reads, [`insert`] runs inside the caller's transaction. A future of
//! [`settle`] that is dropped closes the connection: the transaction is there or it is not.

use chrono::{SubsecRound, Utc};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::Restock;

use crate::schema::restocks;
use crate::{Connection, DbError, expect_rows};

/// Whether this restock was done. Locks nothing.
///
/// # Errors
///
/// [`DbError::KeyReused`] where the key was used for other units, or [`DbError::Query`].
pub async fn is_done(
    conn: &mut AsyncPgConnection,
    request: &Restock,
) -> Result<bool, DbError> {
    let units = restocks::table
        .find((request.sku.as_str(), request.idempotency_key.as_str()))
        .select(restocks::units)
        .first::<i64>(conn)
        .await
        .optional()?;
    match units {
        None => Ok(false),
        Some(units) if units == request.units.get() => Ok(true),
        Some(_) => Err(DbError::KeyReused),
    }
}

/// Inserts the row of a restock. Waits for a concurrent transaction that inserts the same
/// key.
///
/// # Errors
///
/// [`DbError::Query`]; a unique violation where the key was taken in the meantime, which
/// [`settle`] turns into the restock that took it.
pub async fn insert(
    conn: &mut AsyncPgConnection,
    request: &Restock,
) -> Result<(), DbError> {
    let inserted = diesel::insert_into(restocks::table)
        .values((
            restocks::sku.eq(request.sku.as_str()),
            restocks::idempotency_key.eq(request.idempotency_key.as_str()),
            restocks::units.eq(request.units.get()),
            restocks::created_at.eq(Utc::now().trunc_subsecs(6)),
        ))
        .execute(conn)
        .await?;
    expect_rows(1, inserted)
}

/// Ends the transaction of a restock, as [`orders::settle`](crate::orders::settle) ends
/// that of a purchase.
///
/// # Errors
///
/// The error that it was given, or [`DbError::Commit`] when COMMIT failed.
pub async fn settle(
    conn: &mut Connection,
    request: &Restock,
    result: Result<(), DbError>,
) -> Result<(), DbError> {
    match conn.end(result).await {
        Err(error) if error.is_unique_violation() => {
            if is_done(conn, request).await? {
                Ok(())
            } else {
                Err(error)
            }
        }
        result => result,
    }
}
