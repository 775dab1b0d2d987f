//! What the stores say after a run.

use diesel::Queryable;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{Audit, Sku};

use crate::schedule::PlannedSku;

/// Everything the judge reads besides the journal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) audits: Vec<Audit>,
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) restocks: Vec<RestockRow>,
}

/// An order as PostgreSQL has it, in the order in which it is read.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub(crate) struct OrderRow {
    pub(crate) order_id: String,
    pub(crate) sku: String,
    pub(crate) buyer_id: String,
    pub(crate) idempotency_key: String,
    pub(crate) units: i64,
    pub(crate) status: String,
    /// Microseconds of Unix time, and since the run began once it was read.
    pub(crate) created_us: i64,
}

/// A restock as PostgreSQL has it, in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub(crate) struct RestockRow {
    pub(crate) sku: String,
    pub(crate) idempotency_key: String,
    pub(crate) units: i64,
}

/// Reads the books of these SKUs.
///
/// # Errors
///
/// PostgreSQL does not answer, or a SKU is not there.
pub(crate) async fn read(
    conn: &mut AsyncPgConnection,
    skus: &[PlannedSku],
    strategy: &str,
    began_unix_us: i64,
) -> anyhow::Result<Books> {
    let mut books = Books {
        orders: sql::<(Text, Text, Text, Text, BigInt, Text, BigInt)>(
            "SELECT order_id::text, sku, buyer_id, idempotency_key, units, status, \
                    (extract(epoch FROM created_at) * 1000000)::bigint \
               FROM orders ORDER BY created_at",
        )
        .load(conn)
        .await?,
        restocks: sql::<(Text, Text, BigInt)>(
            "SELECT sku, idempotency_key, units FROM restocks",
        )
        .load(conn)
        .await?,
        audits: Vec::new(),
    };
    for order in &mut books.orders {
        order.created_us -= began_unix_us;
    }
    for planned in skus {
        let counts =
            flash_db::audit::count(conn, &Sku::new(&*planned.sku)?, None).await?;
        books
            .audits
            .extend(counts.map(|counts| counts.judge(Some(strategy))));
    }
    Ok(books)
}
