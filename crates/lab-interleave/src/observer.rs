//! A connection of our own that watches the buyers.

use anyhow::Context;
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Integer};
use diesel::{ExpressionMethods, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::Sku;
use flash_db::schema::{orders, skus};
use uuid::Uuid;

/// Sees what everybody can see: what is committed, and who waits.
pub(crate) struct Observer(AsyncPgConnection);

/// An order as PostgreSQL has it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = orders)]
pub struct OrderRow {
    /// Its name.
    pub order_id: Uuid,
    /// Whose it is.
    pub buyer_id: String,
    /// With which key it was placed.
    pub idempotency_key: String,
    /// How many units.
    pub units: i64,
}

impl Observer {
    pub(crate) async fn open(database_url: &str) -> anyhow::Result<Self> {
        Ok(Self(flash_db::connect(database_url).await?))
    }

    /// Reads the orders of a SKU, the oldest first.
    pub(crate) async fn orders(&mut self, sku: &Sku) -> anyhow::Result<Vec<OrderRow>> {
        let own = orders::table.filter(orders::sku.eq(sku.as_str()));
        let own = own.order(orders::number).select(OrderRow::as_select());
        own.load(&mut self.0)
            .await
            .context("cannot read the orders")
    }

    /// Reads the committed stock.
    pub(crate) async fn available_units(&mut self, sku: &Sku) -> anyhow::Result<i64> {
        let row = skus::table.find(sku.as_str());
        let units = row.select(skus::available_units).first(&mut self.0);
        units.await.context("cannot read the stock")
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
        let waits = sql::<Bool>(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                AND pid = ",
        );
        let waits = waits.bind::<Integer, _>(pid).sql(" AND ");
        let waits = waits.bind::<Integer, _>(other_pid);
        let waits = waits.sql(" = ANY (pg_blocking_pids(pid)))");
        let waits = waits.get_result(&mut self.0).await;
        waits.context("cannot see who waits")
    }
}
