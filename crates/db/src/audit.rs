//! The query of the judge. It only reads the tables, and shares no code with a strategy.

use diesel::sql_types::{BigInt, Text};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{AuditCounts, Sku};

use crate::DbError;

#[derive(QueryableByName)]
struct CountsRow {
    #[diesel(sql_type = BigInt)]
    initial_units: i64,
    #[diesel(sql_type = BigInt)]
    restocked_units: i64,
    #[diesel(sql_type = BigInt)]
    available_units: i64,
    #[diesel(sql_type = BigInt)]
    accepted_units: i64,
    #[diesel(sql_type = BigInt)]
    cancelled_units: i64,
    #[diesel(sql_type = BigInt)]
    duplicate_keys: i64,
    #[diesel(sql_type = BigInt)]
    limit_overruns: i64,
}

/// Counts what [`AuditCounts`] needs from PostgreSQL, in one statement and thus at one
/// moment. Locks nothing; visits each order of the SKU.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn count(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
    gate_free_units: Option<i64>,
) -> Result<Option<AuditCounts>, DbError> {
    let row = diesel::sql_query(include_str!("audit.sql"))
        .bind::<Text, _>(sku.as_str())
        .get_result::<CountsRow>(conn)
        .await
        .optional()?;
    Ok(row.map(|row| AuditCounts {
        sku: sku.clone(),
        initial_units: row.initial_units,
        restocked_units: row.restocked_units,
        accepted_units: row.accepted_units,
        cancelled_units: row.cancelled_units,
        available_units: row.available_units,
        duplicate_keys: row.duplicate_keys,
        limit_overruns: row.limit_overruns,
        gate_free_units,
    }))
}
