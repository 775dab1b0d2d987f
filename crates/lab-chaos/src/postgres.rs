//! What faults do to PostgreSQL over a connection of their own.

use std::time::Duration;

use anyhow::{Context, ensure};
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

/// How long a column waits for the table. Who has read an order and waits for a stock row
/// keeps it, and the owner of that row may stand behind the column: PostgreSQL sees that
/// after a second (`deadlock_timeout`) and lets that one pass.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How long adding a column may take in all.
const ADD_LIMIT: Duration = Duration::from_secs(4);

/// How long a promotion may take: PostgreSQL replays what it has and writes one record.
const PROMOTE_LIMIT: Duration = Duration::from_secs(20);

/// Makes a standby a primary, and returns when it takes writes. Leaves a primary alone.
///
/// # Source
///
/// PostgreSQL 16 manual, section 9.27.4, `pg_promote`: waits for the end of the promotion,
/// at most for the seconds that it is given.
pub(crate) async fn promote(database_url: &str) -> anyhow::Result<()> {
    let asking = async {
        let (client, wire) = flash_db::connect_anywhere(database_url).await?;
        let mut conn =
            AsyncPgConnection::try_from_client_and_connection(client, wire).await?;
        let is_primary: bool = sql::<Bool>(&format!(
            "SELECT NOT pg_is_in_recovery() OR pg_promote(true, {})",
            PROMOTE_LIMIT.as_secs()
        ))
        .get_result(&mut conn)
        .await?;
        ensure!(is_primary, "postgres was not promoted in time");
        anyhow::Ok(())
    };
    tokio::time::timeout(PROMOTE_LIMIT, asking)
        .await
        .context("postgres does not answer whom it follows")?
}

/// Adds a column that nobody knows, or fails where the table is not to be had.
pub(crate) async fn add_column(
    database_url: &str,
    table: &str,
    column: &str,
) -> anyhow::Result<()> {
    let adding = async {
        let mut conn = flash_db::connect(database_url).await?;
        conn.batch_execute(&format!(
            "SET lock_timeout = {}; ALTER TABLE {table} ADD COLUMN {column} text",
            LOCK_WAIT.as_millis()
        ))
        .await?;
        anyhow::Ok(())
    };
    tokio::time::timeout(ADD_LIMIT, adding)
        .await
        .context("postgres does not add the column")?
}
