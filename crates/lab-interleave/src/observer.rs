//! A connection of our own that watches the buyers.

use anyhow::Context;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{Sku, StockTerms};

/// Sees what everybody can see: what is committed, and who waits.
pub(crate) struct Observer {
    conn: AsyncPgConnection,
}

#[derive(QueryableByName)]
struct Available {
    #[diesel(sql_type = BigInt)]
    available_units: i64,
}

#[derive(QueryableByName)]
struct Waits {
    #[diesel(sql_type = Bool)]
    waits: bool,
}

impl Observer {
    pub(crate) async fn open(database_url: &str) -> anyhow::Result<Self> {
        let conn = flash_db::connect(database_url).await?;
        Ok(Self { conn })
    }

    /// Puts units on sale.
    pub(crate) async fn create(&mut self, sku: &Sku, units: i64) -> anyhow::Result<()> {
        let terms = StockTerms::new(units, None)?;
        flash_db::skus::create(&mut self.conn, sku, terms).await?;
        Ok(())
    }

    /// Reads the committed stock.
    pub(crate) async fn available_units(&mut self, sku: &Sku) -> anyhow::Result<i64> {
        let row: Available =
            diesel::sql_query("SELECT available_units FROM skus WHERE sku = $1")
                .bind::<Text, _>(sku.as_str())
                .get_result(&mut self.conn)
                .await
                .context("cannot read the stock")?;
        Ok(row.available_units)
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
        let row: Waits = diesel::sql_query(
            "SELECT EXISTS (
                SELECT FROM pg_stat_activity
                 WHERE pid = $1 AND wait_event_type = 'Lock'
                   AND $2 = ANY (pg_blocking_pids(pid))) AS waits",
        )
        .bind::<Integer, _>(pid)
        .bind::<Integer, _>(other_pid)
        .get_result(&mut self.conn)
        .await
        .context("cannot see who waits")?;
        Ok(row.waits)
    }
}
