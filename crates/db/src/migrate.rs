//! Brings the schema up to date.

use std::time::Duration;

use diesel::QueryDsl;
use diesel::dsl::sql;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Nullable};
use diesel_async::{
    AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::schema::{orders, restocks, skus};
use crate::{DbError, connect_bounded};

diesel::table! {
    /// diesel's list of what was run.
    __diesel_schema_migrations (version) {
        /// The time in the name of a migration, without its hyphens.
        version -> Text,
    }
}

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// Any number that all instances agree on: "flash" in ASCII.
const ADVISORY_LOCK: i64 = 0x66_6c_61_73_68;

/// Runs the pending migrations, one instance at a time. Where there are none it only reads,
/// so that a role that may not change tables can sell.
///
/// Needs a multi-threaded tokio runtime. Waits for other instances that migrate, and for
/// whoever uses the tables, but not longer than `wait` each.
///
/// # Errors
///
/// As [`connect_bounded`], [`DbError::Migration`] or [`DbError::OldSchema`]; [`DbError::Query`] when
/// one of them takes too long.
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
    let wait = wait.max(Duration::from_millis(1));
    let mut conn = connect_bounded(url, wait).await?;
    if is_current(&mut conn).await? {
        return Ok(());
    }
    if !may_create_tables(&mut conn).await? {
        return Err(DbError::OldSchema);
    }
    conn.batch_execute(&format!("SELECT pg_advisory_lock({ADVISORY_LOCK})"))
        .await?;

    let mut harness = AsyncMigrationHarness::new(conn);
    harness
        .run_pending_migrations(MIGRATIONS)
        .map_err(DbError::Migration)?;
    Ok(())
}

/// Whether all migrations were run. Who may not read the list of them looks at the tables.
async fn is_current(conn: &mut AsyncPgConnection) -> Result<bool, DbError> {
    let readable = diesel::select(sql::<Nullable<Bool>>(
        "(SELECT has_table_privilege(list, 'SELECT')
            FROM to_regclass('__diesel_schema_migrations') AS _ (list))",
    ))
    .get_result::<Option<bool>>(conn)
    .await?;
    match readable {
        None => Ok(false),
        Some(true) => {
            let done = __diesel_schema_migrations::table
                .select(__diesel_schema_migrations::version)
                .load::<String>(conn)
                .await?;
            let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS);
            let migrations = migrations.map_err(DbError::Migration)?;
            let is_done = |version: MigrationVersion<'_>| {
                done.iter().any(|it| *it == version.to_string())
            };
            Ok(migrations.iter().all(|it| is_done(it.name().version())))
        }
        Some(false) => {
            let (sku, order) = (skus::table.limit(0), orders::table.limit(0));
            sku.execute(conn).await?;
            order.execute(conn).await?;
            restocks::table.limit(0).execute(conn).await?;
            Ok(true)
        }
    }
}

async fn may_create_tables(conn: &mut AsyncPgConnection) -> Result<bool, DbError> {
    Ok(diesel::select(sql::<Bool>(
        "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)",
    ))
    .get_result(conn)
    .await?)
}
