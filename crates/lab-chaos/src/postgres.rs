//! What faults do to PostgreSQL over a connection of their own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Integer};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

/// How long PostgreSQL is asked for its backends.
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// How long a column waits for the table. Who has read an order and waits for a stock row
/// keeps it, and the owner of that row may stand behind the column: PostgreSQL sees that
/// after a second (`deadlock_timeout`) and lets that one pass.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How long adding a column may take in all.
const ADD_LIMIT: Duration = Duration::from_secs(4);

/// How long a promotion may take: PostgreSQL replays what it has and writes one record.
const PROMOTE_LIMIT: Duration = Duration::from_secs(20);

/// Asks PostgreSQL for its processes besides the postmaster, of which this is true.
pub(crate) async fn backends(url: &str, which: &str) -> Result<Vec<u32>> {
    let asking = async {
        let mut conn = flash_db::connect(url).await?;
        let query = format!(
            "SELECT pid FROM pg_stat_activity \
              WHERE pid <> pg_backend_pid() AND {which} ORDER BY pid"
        );
        let pids: Vec<i32> = sql::<Integer>(&query).load(&mut conn).await?;
        anyhow::Ok(pids.into_iter().map(i32::unsigned_abs).collect())
    };
    tokio::time::timeout(ASK_LIMIT, asking)
        .await
        .context("postgres does not tell its backends")?
}

/// Two of the backends that serve the servers, which are the same where there is only one.
pub(crate) async fn serving(url: &str, pick: usize) -> Result<[u32; 2]> {
    let pids = backends(url, "backend_type = 'client backend'").await?;
    ensure!(!pids.is_empty(), "there is no backend");
    Ok([pick, pick + 1].map(|it| pids[it % pids.len()]))
}

/// Makes a standby a primary, and returns when it takes writes. Leaves a primary alone.
///
/// # Source
///
/// PostgreSQL 16 manual, section 9.27.4, `pg_promote`: waits for the end of the promotion,
/// at most for the seconds that it is given.
pub(crate) async fn promote(url: &str) -> Result<()> {
    let asking = async {
        let (client, wire) = flash_db::connect_anywhere(url).await?;
        let mut conn =
            AsyncPgConnection::try_from_client_and_connection(client, wire).await?;
        let query = format!(
            "SELECT NOT pg_is_in_recovery() OR pg_promote(true, {})",
            PROMOTE_LIMIT.as_secs()
        );
        let is_primary: bool = sql::<Bool>(&query).get_result(&mut conn).await?;
        ensure!(is_primary, "postgres was not promoted in time");
        anyhow::Ok(())
    };
    tokio::time::timeout(PROMOTE_LIMIT, asking)
        .await
        .context("postgres does not answer whom it follows")?
}

/// Adds a column that nobody knows, or fails where the table is not to be had.
pub(crate) async fn add_column(url: &str, table: &str) -> Result<()> {
    let adding = async {
        let mut conn = flash_db::connect_bounded(url, LOCK_WAIT).await?;
        let column = fastrand::u64(..);
        let query = format!("ALTER TABLE {table} ADD COLUMN note_{column} text");
        anyhow::Ok(conn.batch_execute(&query).await?)
    };
    tokio::time::timeout(ADD_LIMIT, adding)
        .await
        .context("postgres does not add the column")?
}
