//! Creating a SKU and reading its stock. What reads locks nothing.
//!
//! # Cancel safety
//!
//! [`create`] writes in one statement: a dropped future leaves the SKU created or not. All
//! others only read.

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{Sku, Stock, StockTerms};

use crate::DbError;
use crate::schema::skus;

/// What became of a request to create a SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It is new.
    Created,
    /// It was there with the same terms.
    SameAgain,
    /// It was there with other terms; nothing was changed.
    Differs,
}

/// Creates a SKU with all its initial units available, unless it exists.
///
/// Waits for a concurrent transaction that creates the same SKU.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn create(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
    terms: StockTerms,
) -> Result<Creation, DbError> {
    let inserted = diesel::insert_into(skus::table)
        .values((
            skus::sku.eq(sku.as_str()),
            skus::initial_units.eq(terms.initial_units()),
            skus::available_units.eq(terms.initial_units()),
            skus::per_buyer_limit.eq(terms.per_buyer_limit()),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if inserted == 1 {
        return Ok(Creation::Created);
    }

    let existing = skus::table
        .find(sku.as_str())
        .select((skus::initial_units, skus::per_buyer_limit))
        .first::<(i64, Option<i64>)>(conn)
        .await?;
    if existing == (terms.initial_units(), terms.per_buyer_limit()) {
        Ok(Creation::SameAgain)
    } else {
        Ok(Creation::Differs)
    }
}

/// Reads the stock row of a SKU.
///
/// # Errors
///
/// [`DbError::Query`], with `NotFound` where there is no such SKU.
pub async fn stock(conn: &mut AsyncPgConnection, sku: &Sku) -> Result<Stock, DbError> {
    let (initial_units, restocked_units, available_units, per_buyer_limit) =
        skus::table
            .find(sku.as_str())
            .select((
                skus::initial_units,
                skus::restocked_units,
                skus::available_units,
                skus::per_buyer_limit,
            ))
            .first(conn)
            .await?;
    Ok(Stock {
        sku: sku.clone(),
        initial_units,
        restocked_units,
        available_units,
        per_buyer_limit,
    })
}

/// Lists all SKUs in order of their names.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn list(conn: &mut AsyncPgConnection) -> Result<Vec<Sku>, DbError> {
    let names = skus::table
        .select(skus::sku)
        .order(skus::sku)
        .load::<String>(conn)
        .await?;
    Ok(names.into_iter().map(Sku::stored).collect())
}

/// Reads the available units of the first SKUs in order of their names.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn first_available(
    conn: &mut AsyncPgConnection,
    max: u16,
) -> Result<Vec<(Sku, i64)>, DbError> {
    let rows = skus::table
        .select((skus::sku, skus::available_units))
        .order(skus::sku)
        .limit(max.into())
        .load::<(String, i64)>(conn)
        .await?;
    let named = |(sku, units): (String, _)| (Sku::stored(sku), units);
    Ok(rows.into_iter().map(named).collect())
}

/// Counts the SKUs; visits each of them.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn count(conn: &mut AsyncPgConnection) -> Result<i64, DbError> {
    Ok(skus::table.count().get_result(conn).await?)
}
