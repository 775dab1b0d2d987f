//! Forces the order of a race through the public API alone.

use std::time::{Duration, Instant};

use anyhow::bail;
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use crate::Stores;

/// How long a test waits for something that happens in milliseconds. It only bounds how
/// long a broken test takes; no result depends on it.
pub const WAIT: Duration = Duration::from_secs(20);

/// Holds the stock row until all have arrived that the test waits for.
pub struct Conductor {
    row_holder: AsyncPgConnection,
    watcher: AsyncPgConnection,
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = BigInt)]
    waiting: i64,
}

impl Conductor {
    /// Locks all stock rows of these stores against writers. Plain reads pass.
    pub async fn hold_stock_rows(stores: &Stores) -> anyhow::Result<Self> {
        let mut row_holder = stores.connect().await?;
        row_holder
            .batch_execute("BEGIN; SELECT FROM skus FOR UPDATE")
            .await?;
        Ok(Self {
            row_holder,
            watcher: stores.connect().await?,
        })
    }

    /// Waits until at least this many connections wait for a lock.
    pub async fn wait_for_waiting(&mut self, expected: i64) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT;
        loop {
            let waiting = self.waiting().await?;
            if waiting >= expected {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{waiting} connections wait for a lock instead of {expected}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many connections wait for a lock now.
    pub async fn waiting(&mut self) -> anyhow::Result<i64> {
        let Waiting { waiting } = diesel::sql_query(
            "SELECT count(*) AS waiting FROM pg_stat_activity
              WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .get_result(&mut self.watcher)
        .await?;
        Ok(waiting)
    }

    /// Lets all go on.
    pub async fn release(mut self) -> anyhow::Result<()> {
        Ok(self.row_holder.batch_execute("COMMIT").await?)
    }
}
