//! A connection of our own that watches the buyers.

use anyhow::Context;
use diesel::Queryable;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::Sku;

/// Sees what everybody can see: what is committed, and who waits.
pub(crate) struct Observer {
    conn: AsyncPgConnection,
}

/// An order as PostgreSQL has it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct OrderRow {
    /// Its name.
    pub order_id: String,
    /// Whose it is.
    pub buyer_id: String,
    /// With which key it was placed.
    pub idempotency_key: String,
    /// How many units.
    pub units: i64,
}

impl Observer {
    pub(crate) async fn open(database_url: &str) -> anyhow::Result<Self> {
        let conn = flash_db::connect(database_url).await?;
        Ok(Self { conn })
    }

    /// Reads the orders of a SKU, the oldest first.
    pub(crate) async fn orders(&mut self, sku: &Sku) -> anyhow::Result<Vec<OrderRow>> {
        sql::<(Text, Text, Text, BigInt)>(
            "SELECT order_id::text, buyer_id, idempotency_key, units
               FROM orders WHERE sku = ",
        )
        .bind::<Text, _>(sku.as_str())
        .sql(" ORDER BY number")
        .get_results(&mut self.conn)
        .await
        .context("cannot read the orders")
    }

    /// Reads the committed stock.
    pub(crate) async fn available_units(&mut self, sku: &Sku) -> anyhow::Result<i64> {
        sql::<BigInt>("SELECT available_units FROM skus WHERE sku = ")
            .bind::<Text, _>(sku.as_str())
            .get_result(&mut self.conn)
            .await
            .context("cannot read the stock")
    }

    /// Whether one process of PostgreSQL waits for a lock that the other one has.
    ///
    /// `pg_stat_activity` still names a wait when the lock was just granted, so
    /// `pg_blocking_pids` has to name the other one too.
    pub(crate) async fn waits_for(
        &mut self,
        pid: i32,
        other_pid: i32,
    ) -> anyhow::Result<bool> {
        sql::<Bool>(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                AND pid = ",
        )
        .bind::<Integer, _>(pid)
        .sql(" AND ")
        .bind::<Integer, _>(other_pid)
        .sql(" = ANY (pg_blocking_pids(pid)))")
        .get_result(&mut self.conn)
        .await
        .context("cannot see who waits")
    }
}
