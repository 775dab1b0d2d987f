//! Statements over whole columns of values.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Untyped, Uuid as SqlUuid};
use uuid::Uuid;

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
