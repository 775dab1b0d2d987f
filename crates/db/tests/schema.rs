//! Facts of the schema, asked from PostgreSQL itself.

use anyhow::{Result, ensure};
use diesel::QueryableByName;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_testkit::{Stores, WAIT};

#[derive(QueryableByName)]
struct Described {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    comment: Option<String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_and_column_has_a_comment() -> Result<()> {
    let mut conn = Stores::new().await?.connect().await?;
    let described: Vec<Described> = diesel::sql_query(
        "SELECT c.relname || coalesce('.' || a.attname, '') AS name,
                col_description(c.oid, coalesce(a.attnum, 0)) AS comment
           FROM pg_class c
           LEFT JOIN pg_attribute a
             ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
            AND c.relname NOT LIKE '\\_\\_diesel%'
          UNION ALL
         SELECT c.relname, obj_description(c.oid) FROM pg_class c
          WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
            AND c.relname NOT LIKE '\\_\\_diesel%'",
    )
    .load(&mut conn)
    .await?;
    ensure!(described.len() == 21, "three tables with 18 columns");
    for item in described {
        let comment = item.comment.unwrap_or_default();
        ensure!(!comment.is_empty(), "{} has no comment", item.name);
        let is_amount = item.name.contains("units") || item.name.contains("limit");
        ensure!(
            !is_amount || comment.contains("whole units"),
            "the comment on {} does not say its unit",
            item.name
        );
    }
    Ok(())
}

async fn kind_of(
    conn: &mut AsyncPgConnection,
    statement: &str,
) -> Result<Option<String>> {
    match conn.batch_execute(statement).await {
        Ok(()) => Ok(None),
        Err(Error::DatabaseError(kind, info)) => {
            let name = info.constraint_name().unwrap_or("none").to_owned();
            ensure!(
                matches!(
                    kind,
                    DatabaseErrorKind::CheckViolation
                        | DatabaseErrorKind::UniqueViolation
                        | DatabaseErrorKind::ForeignKeyViolation
                ),
                "{kind:?}: {}",
                info.message()
            );
            Ok(Some(name))
        }
        Err(error) => Err(error.into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_constraints_stop_what_must_not_be() -> Result<()> {
    let mut conn = Stores::new().await?.connect().await?;
    conn.batch_execute(
        "INSERT INTO skus (sku, initial_units, available_units) VALUES ('tee', 10, 10);
         INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
         VALUES ('019a0000-0000-7000-8000-000000000000', 'tee', 'ann', 'k1', 1, now())",
    )
    .await?;
    let order = |id: u8, sku: &str, units: i64, key: &str| {
        format!(
            "INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
             VALUES ('019a0000-0000-7000-8000-00000000000{id}', '{sku}', 'ann', '{key}',
                     {units}, now())"
        )
    };
    for (statement, constraint) in [
        (
            "UPDATE skus SET available_units = -1".into(),
            "skus_available_units_in_range",
        ),
        (
            "UPDATE skus SET restocked_units = -1".into(),
            "skus_restocked_units_in_range",
        ),
        (
            "UPDATE skus SET per_buyer_limit = 0".into(),
            "skus_per_buyer_limit_in_range",
        ),
        (
            "UPDATE orders SET status = 'lost'".into(),
            "orders_status_known",
        ),
        (order(1, "tee", 1, "k1"), "orders_one_per_key"),
        (order(1, "tee", 0, "k2"), "orders_units_positive"),
        (order(0, "tee", 1, "k2"), "orders_pkey"),
    ] {
        let stopped_by = kind_of(&mut conn, &statement).await?;
        ensure!(
            stopped_by.as_deref() == Some(constraint),
            "{statement}: {stopped_by:?}"
        );
    }
    ensure!(
        kind_of(&mut conn, &order(1, "tee", 1, "k2"))
            .await?
            .is_none()
    );
    Ok(())
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_updates_no_index_of_the_stock() -> Result<()> {
    let mut conn = Stores::new().await?.connect().await?;
    conn.batch_execute(
        "INSERT INTO skus (sku, initial_units, available_units) VALUES ('tee', 99, 99)",
    )
    .await?;
    for _ in 0..50 {
        conn.batch_execute("UPDATE skus SET available_units = available_units - 1")
            .await?;
    }
    // The statistics of the own session are complete once they are flushed.
    conn.batch_execute("SELECT pg_stat_force_next_flush()")
        .await?;
    let all_hot: Count = diesel::sql_query(
        "SELECT count(*) FROM pg_stat_user_tables
          WHERE relname = 'skus' AND n_tup_upd = 50 AND n_tup_hot_upd = 50",
    )
    .get_result(&mut conn)
    .await?;
    ensure!(all_hot.count == 1, "an update was not heap-only");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_can_be_taken_back() -> Result<()> {
    let stores = Stores::new().await?;
    let mut conn = stores.connect().await?;
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let mut migrations: Vec<_> =
        std::fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    migrations.sort_by_key(std::fs::DirEntry::file_name);
    for migration in migrations.iter().rev() {
        let down = std::fs::read_to_string(migration.path().join("down.sql"))?;
        conn.batch_execute(&down).await?;
    }
    let left: Count = diesel::sql_query(
        "SELECT count(*) FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE '\\_\\_diesel%'",
    )
    .get_result(&mut conn)
    .await?;
    ensure!(left.count == 0, "{} things are left", left.count);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_again_changes_nothing() -> Result<()> {
    let stores = Stores::empty().await?;
    flash_db::migrate(stores.database_url(), WAIT).await?;
    flash_db::migrate(stores.database_url(), WAIT).await?;
    Ok(())
}
