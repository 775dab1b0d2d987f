//! What is said to PostgreSQL, one function per statement: those of the vault over whole
//! columns of values, whatever the size of the batch, then those of latch and stock. Those
//! that share the connection can be under way together. Errors are those of
//! [`DbError::Query`]. What reads locks nothing; what writes runs inside the caller's
//! transaction.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Untyped, Uuid as SqlUuid};
use diesel::{
    ExpressionMethods, QueryDsl, QueryResult, Queryable, QueryableByName, Selectable,
    SelectableHelper, dsl,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{BuyerId, IdempotencyKey, Order, PurchaseRequest, Sku, Units};
use flash_db::orders::OrderRow;
use flash_db::schema::{orders, skus};
use flash_db::{DbError, expect_rows};
use uuid::Uuid;

/// The channel on which PostgreSQL tells all processes the SKU that units were added to.
pub(crate) const CHANNEL: &str = "flash_units_added";

/// One value for each row.
#[derive(Debug, Clone)]
pub(crate) enum Column<'a> {
    /// `text[]`
    Text(Vec<&'a str>),
    /// `bigint[]`
    BigInt(Vec<i64>),
    /// `uuid[]`
    Uuid(Vec<Uuid>),
    /// `timestamptz[]`
    Timestamptz(Vec<DateTime<Utc>>),
}

/// SQL whose parameters are columns, each marked by a `$` in the text.
///
/// PostgreSQL parses it once per connection, and may keep its plan. A `diesel::sql_query` is
/// parsed and planned anew at each execution, which takes longer than selling a small batch.
///
/// # Source
///
/// PostgreSQL 16, PREPARE, "Notes".
#[derive(Debug, Clone)]
pub(crate) struct Statement<'a> {
    sql: &'static str,
    columns: Vec<Column<'a>>,
}

impl<'a> Statement<'a> {
    /// A statement with these columns for its marks, in their order.
    pub(crate) fn new(sql: &'static str, columns: impl Into<Vec<Column<'a>>>) -> Self {
        let columns = columns.into();
        debug_assert_eq!(sql.matches('$').count(), columns.len(), "{sql}");
        Self { sql, columns }
    }
}

impl QueryFragment<Pg> for Statement<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut pieces = self.sql.split('$');
        out.push_sql(pieces.next().unwrap_or_default());
        for (piece, column) in pieces.zip(&self.columns) {
            match column {
                Column::Text(v) => out.push_bind_param::<Array<Text>, _>(v)?,
                Column::BigInt(v) => out.push_bind_param::<Array<BigInt>, _>(v)?,
                Column::Uuid(v) => out.push_bind_param::<Array<SqlUuid>, _>(v)?,
                Column::Timestamptz(v) => {
                    out.push_bind_param::<Array<Timestamptz>, _>(v)?;
                }
            }
            out.push_sql(piece);
        }
        Ok(())
    }
}

impl QueryId for Statement<'_> {
    type QueryId = ();

    // Its text is what it is known by.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Statement<'_> {
    type SqlType = Untyped;
}

/// A buyer and a key of theirs.
pub(crate) type Key = (BuyerId, IdempotencyKey);

#[derive(QueryableByName)]
struct KeyedRow {
    #[diesel(sql_type = Text)]
    idempotency_key: String,
    #[diesel(embed)]
    order: OrderRow,
}

/// Reads the orders that have one of these buyers' keys. Locks nothing.
pub(crate) async fn find_by_keys(
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
pub(crate) async fn owned_units(
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
/// A key that was taken in the meantime is a unique violation.
pub(crate) async fn insert_all(
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

/// Reads buyers, keys and numbers of a SKU's orders, cancelled ones included, from the one
/// after a number on, at most so many.
///
/// The number of an order is drawn while the stock row is locked: per SKU it grows in the
/// order of the commits, so nothing is missed between two reads.
pub(crate) async fn keys_after(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
    number: i64,
    max: u16,
) -> Result<Vec<(String, String, i64)>, DbError> {
    let after = orders::table
        .filter(orders::sku.eq(sku.as_str()))
        .filter(orders::number.gt(number))
        .order(orders::number)
        .limit(max.into())
        .select((orders::buyer_id, orders::idempotency_key, orders::number));
    Ok(after.load(conn).await?)
}

#[derive(QueryableByName)]
struct ChangedRow {
    #[diesel(sql_type = Text)]
    sku: String,
    #[diesel(sql_type = BigInt)]
    available_units: i64,
}

/// A latch as it is shown to PostgreSQL.
pub(crate) struct Latched<'a> {
    pub(crate) sku: &'a str,
    pub(crate) fence: i64,
    pub(crate) number: i64,
}

/// Reads which of these latches do not hold: units were added, the fence was moved, or
/// somebody has an order who is not known as a winner. With what is available now.
pub(crate) async fn changed(
    mut conn: &AsyncPgConnection,
    latched: &[Latched<'_>],
) -> Result<HashMap<Sku, i64>, DbError> {
    let statement = Statement::new(
        "SELECT latched.sku, coalesce(skus.available_units, 0) AS available_units
           FROM unnest($, $, $) AS latched (sku, fence, number)
           LEFT JOIN skus ON skus.sku = latched.sku
          WHERE skus.available_units IS DISTINCT FROM 0 OR skus.fence <> latched.fence
             OR EXISTS (SELECT FROM orders
                         WHERE orders.sku = latched.sku
                           AND orders.number > latched.number)",
        [
            Column::Text(latched.iter().map(|it| it.sku).collect()),
            Column::BigInt(latched.iter().map(|it| it.fence).collect()),
            Column::BigInt(latched.iter().map(|it| it.number).collect()),
        ],
    );
    let rows = statement.load::<ChangedRow>(&mut conn).await?;
    let changed = |row: ChangedRow| (Sku::stored(row.sku), row.available_units);
    Ok(rows.into_iter().map(changed).collect())
}

/// What a stock row says, or a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = skus)]
pub(crate) struct Found {
    pub(crate) available_units: i64,
    pub(crate) fence: i64,
}

/// Reads a stock row, which has to exist.
pub(crate) async fn read_stock(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
) -> Result<Found, DbError> {
    let row = skus::table.find(sku.as_str()).select(Found::as_select());
    Ok(row.first(conn).await?)
}

/// Locks the stock row, moves its fence forward, or past one that was seen (0 for none)
/// unless somebody has done so, and reads what is available.
pub(crate) async fn move_fence(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
    past: i64,
) -> Result<Found, DbError> {
    let next = dsl::sql::<BigInt>("greatest(fence + ")
        .bind::<BigInt, _>(i64::from(past == 0))
        .sql(", 1 + ")
        .bind::<BigInt, _>(past)
        .sql(")");
    let moved = diesel::update(skus::table.find(sku.as_str()))
        .set(skus::fence.eq(next))
        .returning(Found::as_returning());
    Ok(moved.get_result(conn).await?)
}

/// Adds units to a stock row that is locked; of them so many are new in the supply. All
/// processes are told at the moment of the commit.
pub(crate) async fn add_units(
    conn: &mut AsyncPgConnection,
    sku: &Sku,
    units: Units,
    restocked_units: i64,
) -> Result<Found, DbError> {
    let added = diesel::update(skus::table.find(sku.as_str()))
        .set((
            skus::available_units.eq(skus::available_units + units.get()),
            skus::restocked_units.eq(skus::restocked_units + restocked_units),
        ))
        .returning(Found::as_returning())
        .get_result(conn)
        .await?;
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(sku.as_str())
        .execute(conn)
        .await?;
    Ok(added)
}
