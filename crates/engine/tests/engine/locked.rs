//! A stock row that somebody else keeps locked.

use std::time::Duration;

use anyhow::{Result, ensure};
use diesel_async::SimpleAsyncConnection;
use flash_core::{
    BuyerId, InventoryStrategy, Placement, Sku, StockTerms, StrategyError,
};
use flash_db::{PoolOptions, skus};
use flash_engine::{Options, Strategy};
use flash_testkit::{Conductor, Sale, Stores, order_of, purchase};

use crate::tampering::OPTIONS;

const LOCK_WAIT: Duration = Duration::from_millis(300);

fn start_impatient(stores: &Stores) -> Result<Strategy> {
    let options = Options {
        lock_wait: LOCK_WAIT,
        ..OPTIONS
    };
    let pool = stores.pool_with(PoolOptions {
        lock_wait: LOCK_WAIT,
        ..PoolOptions::default()
    })?;
    let (database_url, redis_url) = (stores.database_url(), stores.redis_url());
    Ok(Strategy::start(pool, database_url, redis_url, options)?)
}

/// Nobody is told that PostgreSQL is away; it is there, and the row will be.
async fn all_are_told_busy(sale: &Sale<Strategy>) -> Result<()> {
    let mut buying = Vec::new();
    for buyer in 0..32 {
        buying.push(sale.start_buying(purchase(&format!("b{buyer}"), "k1", 1)?));
    }
    for buyer in buying {
        let answer = buyer.await?;
        ensure!(matches!(answer, Err(StrategyError::Busy)), "{answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_row_that_stays_locked_is_busy() -> Result<()> {
    let sale = Sale::open(start_impatient).await?;
    sale.stock_up(50, None).await?;
    // Without a gate: to load one takes the row's lock too.
    let conductor = Conductor::hold_stock_rows(&sale.stores).await?;
    all_are_told_busy(&sale).await?;
    conductor.release().await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;

    let conductor = sale.hold_stock_rows().await?;
    all_are_told_busy(&sale).await?;
    conductor.release().await?;
    order_of(sale.buy("ann", "k2", 1).await?)?;
    ensure!(sale.strategy.ready().await.postgresql.is_ok());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_behind_a_locked_row_for_another_one_is_served() -> Result<()> {
    let sale = Sale::open(start_impatient).await?;
    sale.stock_up(50, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let mut conductor = sale.hold_stock_rows().await?;
    let mut mug = purchase("dan", "k1", 1)?;
    mug.sku = Sku::new("mug")?;
    let mut conn = sale.stores.connect().await?;
    skus::create(&mut conn, &mug.sku, StockTerms::new(3, None)?).await?;

    let first = sale.start_buying(purchase("bob", "k1", 1)?);
    conductor.wait_for_waiting(1).await?;
    let second = sale.start_buying(purchase("cat", "k1", 1)?);
    conductor.wait_for_waiting(2).await?;
    let mut others = vec![sale.start_buying(mug.clone())];
    // One batch takes both of these when a lane is free.
    for buyer in ["eve", "fay"] {
        mug.buyer_id = BuyerId::new(buyer)?;
        others.push(sale.start_buying(mug.clone()));
    }
    for buyer in [first, second] {
        let answer = buyer.await?;
        ensure!(matches!(answer, Err(StrategyError::Busy)), "{answer:?}");
    }
    for other in others {
        let placement = other.await??;
        ensure!(
            matches!(placement, Placement::Accepted { .. }),
            "{placement:?}"
        );
    }
    conductor.release().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_another_language_than_english_is_still_a_lock_time_out()
-> Result<()> {
    // The trigger stands in for a catalog of translations.
    let sale = Sale::open(start_impatient).await?;
    sale.stock_up(2, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let mut conn = sale.stores.connect().await?;
    conn.batch_execute(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             PERFORM pg_sleep(0.3);
             RAISE 'Zeitüberschreitung' USING ERRCODE = '55P03';
         END $$;
         CREATE TRIGGER slow BEFORE INSERT ON orders
             FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    .await?;
    let answer = sale.buy("bob", "k1", 1).await?;
    ensure!(matches!(answer, Err(StrategyError::Busy)), "{answer:?}");
    conn.batch_execute("DROP TRIGGER slow ON orders").await?;
    order_of(sale.buy("bob", "k1", 1).await?)?;
    Ok(())
}
