//! The judge: reads the database of a sale, and only reads.

use anyhow::{Context, ensure};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_core::{Audit, Sku};

/// An open view of the database.
pub struct Auditor {
    conn: AsyncPgConnection,
}

impl Auditor {
    /// Connects, read-only, to a database that has our tables.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, the connection or the database.
    pub async fn open(database_url: &str) -> anyhow::Result<Self> {
        let connected = flash_db::connect(database_url).await;
        let mut conn = connected.with_context(|| {
            let address = flash_db::address(database_url);
            format!("cannot use PostgreSQL at {address}")
        })?;
        // PostgreSQL itself now refuses whatever would write.
        conn.batch_execute("SET default_transaction_read_only = on")
            .await?;
        let is_sale = sql::<Bool>(
            "SELECT to_regclass('skus') IS NOT NULL AND to_regclass('orders') IS NOT NULL",
        );
        ensure!(
            is_sale.get_result::<bool>(&mut conn).await?,
            "this database has no flash sale: the tables skus and orders are missing, \
             which a server creates when it starts"
        );
        Ok(Self { conn })
    }

    /// The names of all SKUs.
    ///
    /// # Errors
    ///
    /// PostgreSQL does not answer.
    pub async fn skus(&mut self) -> anyhow::Result<Vec<Sku>> {
        Ok(flash_db::skus::list(&mut self.conn).await?)
    }

    /// Counts and judges one SKU. What its gate has free, who knows the strategy reads.
    ///
    /// # Errors
    ///
    /// PostgreSQL does not answer, or there is no such SKU.
    pub async fn audit(
        &mut self,
        sku: &Sku,
        strategy: Option<&str>,
        gate_free_units: Option<i64>,
    ) -> anyhow::Result<Audit> {
        let counts = flash_db::audit::count(&mut self.conn, sku, gate_free_units)
            .await
            .with_context(|| format!("cannot audit {sku}"))?
            .with_context(|| format!("unknown SKU {sku}: this database has none"))?;
        Ok(counts.judge(strategy))
    }
}
