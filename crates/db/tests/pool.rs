//! What bounds a connection, and what a failed COMMIT means.

use std::time::Duration;

use anyhow::{Result, ensure};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use flash_core::{Placement, StockTerms, StrategyError};
use flash_db::{DbError, PoolOptions, orders, skus};
use flash_testkit::{Stores, purchase, sku};

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_is_bounded_in_what_it_waits_for() -> Result<()> {
    let stores = Stores::new().await?;
    let lock_wait = Duration::from_millis(1_234);
    let options = PoolOptions {
        lock_wait,
        ..PoolOptions::default()
    };
    let mut conn = stores.pool_with(options)?.get().await?;
    for (name, expected) in [
        ("lock_timeout", "1234ms"),
        ("idle_in_transaction_session_timeout", "10s"),
    ] {
        let setting: Setting =
            diesel::sql_query(format!("SELECT current_setting('{name}') AS value"))
                .get_result(&mut *conn)
                .await?;
        ensure!(setting.value == expected, "{name} is {}", setting.value);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_for_a_connection_is_told_busy() -> Result<()> {
    let stores = Stores::new().await?;
    let pool = stores.pool_with(PoolOptions {
        size: 1,
        wait: Duration::from_millis(50),
        ..PoolOptions::default()
    })?;
    let taken = pool.get().await?;
    let Err(error) = pool.get().await else {
        anyhow::bail!("one connection was given to two");
    };
    ensure!(matches!(StrategyError::from(error), StrategyError::Busy));
    drop(taken);
    pool.get().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_postgresql_refuses_has_done_nothing() -> Result<()> {
    let stores = Stores::new().await?;
    let pool = stores.pool()?;
    skus::create(&mut *pool.get().await?, &sku()?, StockTerms::new(1, None)?).await?;
    // It lets the insert pass and fails at COMMIT.
    stores
        .connect()
        .await?
        .batch_execute(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'too late'; END $$;
             CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON orders
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        .await?;

    let request = purchase("ann", "k1", 1)?;
    let mut conn = pool.begin().await?;
    let order = orders::insert(&mut conn, &request).await?;
    let placement = Ok(Placement::Accepted {
        order,
        replayed: false,
    });
    let settled = orders::settle(&mut conn, &request, placement).await;
    ensure!(matches!(settled, Err(DbError::Query(_))), "{settled:?}");
    let order = orders::find_by_key(&mut *pool.get().await?, &request).await?;
    ensure!(order.is_none(), "{order:?}");
    Ok(())
}

#[test]
fn an_address_has_no_secrets() {
    let addresses = [
        ("postgres://shop:s3cret@db/shop", "db:5432"),
        ("postgres://shop@a:1,b:2/shop", "a:1, b:2"),
        ("host=a,b port=7 password=s3cret", "a:7, b:7"),
        ("hostaddr=10.0.0.1 password=s3cret", "10.0.0.1:5432"),
        ("postgresql://shop@/shop?host=/run/pg&port=6", "/run/pg:6"),
        ("postgres:///shop", "an unknown address"),
        ("mysql://s3cret", "an unknown address"),
    ];
    for (url, address) in addresses {
        assert_eq!(flash_db::address(url), address);
    }
}
