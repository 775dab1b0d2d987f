//! Brings the schema up to date.

use std::time::{Duration, Instant};

use diesel::QueryDsl;
use diesel::dsl::sql;
use diesel::migration::{MigrationSource, MigrationVersion};
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::{
    AnsiTransactionManager, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl,
    SimpleAsyncConnection, TransactionManager,
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

/// How long a migration stands in line for a table. All who come after it wait as long: a
/// moment of a sale.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// How long they have the table to themselves before it tries again.
const PAUSE: Duration = Duration::from_millis(400);

/// Runs the pending migrations, one instance at a time, all or none. Where there are none it
/// only reads, so that a role that may not change tables can sell.
///
/// Needs a multi-threaded tokio runtime. Where other instances migrate, or somebody uses the
/// tables, it tries again until `wait` is over; no sale waits behind it for longer than 100 ms
/// at once.
///
/// # Errors
///
/// As [`connect_bounded`], [`DbError::Migration`], [`DbError::OldSchema`] where this role may
/// change nothing, or [`DbError::TablesInUse`].
///
/// # Cancel safety
///
/// All runs in one transaction: a dropped future leaves it done or not begun.
///
/// # Source
///
/// PostgreSQL 16, section 13.3.5 "Advisory Locks": one of a transaction is released with it,
/// whoever lent the connection; and `lock_timeout`, section 20.11.1.
pub async fn migrate(url: &str, wait: Duration) -> Result<(), DbError> {
    let end = Instant::now() + wait;
    let mut conn = connect_bounded(url, LOCK_WAIT).await?;
    if is_current(&mut conn).await? {
        return Ok(());
    }
    if !may_change_tables(&mut conn).await? {
        return Err(DbError::OldSchema);
    }
    while let Err(error) = run_pending(conn).await {
        match error {
            DbError::LockTimeout if Instant::now() < end => {}
            DbError::LockTimeout => return Err(DbError::TablesInUse),
            error => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
        conn = connect_bounded(url, LOCK_WAIT).await?;
    }
    Ok(())
}

/// Looks whether all migrations were run; only reads.
///
/// # Errors
///
/// As [`connect_bounded`]; [`DbError::OldSchema`].
pub async fn check_schema(url: &str) -> Result<(), DbError> {
    let mut conn = connect_bounded(url, LOCK_WAIT).await?;
    if is_current(&mut conn).await? {
        Ok(())
    } else {
        Err(DbError::OldSchema)
    }
}

/// Runs them once, or waits in vain for who uses the tables.
async fn run_pending(mut conn: AsyncPgConnection) -> Result<(), DbError> {
    AnsiTransactionManager::begin_transaction(&mut conn).await?;
    let lock = format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})");
    wait_for(&mut conn, &lock).await?;
    // Another instance may have run them meanwhile.
    if is_current(&mut conn).await? {
        return Ok(());
    }
    let tables = sql::<Nullable<Text>>(
        "(SELECT string_agg(name, ', ' ORDER BY place)
            FROM unnest(ARRAY['skus', 'orders', 'restocks'])
                 WITH ORDINALITY AS _ (name, place)
           WHERE to_regclass(name) IS NOT NULL)",
    );
    if let Some(tables) = diesel::select(tables)
        .get_result::<Option<String>>(&mut conn)
        .await?
    {
        let lock = format!("LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE");
        wait_for(&mut conn, &lock).await?;
    }

    let mut harness = AsyncMigrationHarness::new(conn);
    harness
        .run_pending_migrations(MIGRATIONS)
        .map_err(DbError::Migration)?;
    let mut conn = harness.into_inner();
    AnsiTransactionManager::commit_transaction(&mut conn).await?;
    Ok(())
}

async fn wait_for(conn: &mut AsyncPgConnection, lock: &str) -> Result<(), DbError> {
    let begun = Instant::now();
    let locked = conn.batch_execute(lock).await.map_err(DbError::from);
    locked.map_err(|error| error.after(begun.elapsed(), LOCK_WAIT))
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

async fn may_change_tables(conn: &mut AsyncPgConnection) -> Result<bool, DbError> {
    Ok(diesel::select(sql::<Bool>(
        "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)
         AND NOT EXISTS (
             SELECT FROM unnest(ARRAY['skus', 'orders', 'restocks']) AS _ (name)
               JOIN pg_class ON pg_class.oid = to_regclass(name)
              WHERE NOT pg_has_role(relowner, 'USAGE'))",
    ))
    .get_result(conn)
    .await?)
}
