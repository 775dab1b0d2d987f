//! Brings the schema up to date.

use std::time::Duration;

use diesel_async::{AsyncMigrationHarness, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{DbError, connect};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Any number that all instances agree on: "flash" in ASCII.
const ADVISORY_LOCK: i64 = 0x66_6c_61_73_68;

/// Runs the pending migrations, one instance at a time.
///
/// Needs a multi-threaded tokio runtime. Waits for other instances that migrate, but not
/// longer than `wait`.
///
/// # Errors
///
/// [`DbError::Connect`], [`DbError::Silent`], [`DbError::Migration`], or
/// [`DbError::Query`] when another instance migrates for too long.
///
/// # Cancel safety
///
/// A migration runs in a transaction: a dropped future leaves it done or not begun.
///
/// # Source
///
/// PostgreSQL 16, section 13.3.5 "Advisory Locks": a session-level lock is released when
/// the session ends, so it needs no clean-up when this process dies.
pub async fn migrate(url: &str, wait: Duration) -> Result<(), DbError> {
    let mut conn = connect(url).await?;
    let wait_ms = wait.as_millis().max(1);
    conn.batch_execute(&format!(
        "SET lock_timeout = {wait_ms}; SELECT pg_advisory_lock({ADVISORY_LOCK});
         RESET lock_timeout"
    ))
    .await?;

    let mut harness = AsyncMigrationHarness::new(conn);
    harness
        .run_pending_migrations(MIGRATIONS)
        .map_err(DbError::Migration)?;
    Ok(())
}
