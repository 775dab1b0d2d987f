//! Migrations beside a sale, and roles that may not run them.

use std::time::Duration;

use anyhow::{Result, ensure};
use diesel_async::SimpleAsyncConnection;
use flash_db::{DbError, check_schema, connect_bounded, migrate};
use flash_testkit::{Stores, WAIT};

/// Undoes the last migration, as a database has it that waits for a new version.
const OLDER: &str = concat!(
    include_str!("../../../migrations/2026-11-30-000000_order_numbers/down.sql"),
    "DELETE FROM __diesel_schema_migrations WHERE version = '20261130000000';"
);

/// How long a migration may wait, and how long a buyer: a migration that waits in line all
/// the time would keep each buyer for longer than that.
const MIGRATION_WAIT: Duration = Duration::from_secs(6);
const BUYER_WAIT: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_waits_for_readers_and_no_sale_waits_behind_it() -> Result<()> {
    let stores = Stores::new().await?;
    stores.run(OLDER).await?;
    stores
        .run(
            "INSERT INTO skus (sku, initial_units, available_units)
             VALUES ('tee', 1000000, 1000000)",
        )
        .await?;
    let mut reader = stores.connect().await?;
    reader
        .batch_execute("BEGIN; SELECT count(*) FROM skus")
        .await?;

    let url = stores.database_url().to_owned();
    let migrating = tokio::spawn(async move { migrate(&url, MIGRATION_WAIT).await });
    let mut buyer = connect_bounded(stores.database_url(), BUYER_WAIT).await?;
    while !migrating.is_finished() {
        // Fails where it waits for too long.
        buyer
            .batch_execute(
                "UPDATE skus SET available_units = available_units - 1
                  WHERE sku = 'tee'",
            )
            .await?;
    }
    let refused = migrating.await?;
    ensure!(matches!(refused, Err(DbError::TablesInUse)), "{refused:?}");

    reader.batch_execute("COMMIT").await?;
    migrate(stores.database_url(), WAIT).await?;
    check_schema(stores.database_url()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_migrates_at_the_same_time_waits_and_leaves_no_lock_behind() -> Result<()> {
    let stores = Stores::empty().await?;
    let mut migrating = Vec::new();
    for _ in 0..4 {
        let url = stores.database_url().to_owned();
        migrating.push(tokio::spawn(async move { migrate(&url, WAIT).await }));
    }
    for one in migrating {
        one.await??;
    }
    stores
        .run(
            "DO $$ BEGIN
                 ASSERT NOT EXISTS (
                     SELECT FROM pg_locks JOIN pg_database ON oid = database
                      WHERE locktype = 'advisory' AND datname = current_database());
             END $$",
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_tables_can_use_a_current_schema_and_no_other() -> Result<()>
{
    let (current, old) = (Stores::new().await?, Stores::empty().await?);
    let role = format!("role_of_{}", current.database()?);
    current
        .run(&format!(
            "CREATE ROLE {role} LOGIN;
             GRANT SELECT, INSERT, UPDATE ON skus, orders, restocks TO {role}"
        ))
        .await?;
    let as_role = |url: &str| url.replace("flash@", &format!("{role}@"));
    let grant = format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    for grants in ["SELECT", &grant] {
        current.run(grants).await?;
        migrate(&as_role(current.database_url()), WAIT).await?;
        check_schema(&as_role(current.database_url())).await?;
    }
    // Who may make tables may not change those of others.
    current.run(OLDER).await?;
    current
        .run(&format!("GRANT CREATE ON SCHEMA public TO {role}"))
        .await?;
    // As it is since PostgreSQL 15.
    old.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await?;
    for stores in [&current, &old] {
        let url = as_role(stores.database_url());
        let refused = migrate(&url, WAIT).await;
        ensure!(matches!(refused, Err(DbError::OldSchema)), "{refused:?}");
        let refused = check_schema(&url).await;
        ensure!(matches!(refused, Err(DbError::OldSchema)), "{refused:?}");
    }
    Ok(())
}
