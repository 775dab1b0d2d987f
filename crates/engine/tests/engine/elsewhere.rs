//! Units and orders that come from elsewhere: by hand, or from other processes.

use std::time::Duration;

use anyhow::{Result, ensure};
use flash_core::{InventoryStrategy, Placement};
use flash_db::PoolOptions;
use flash_engine::{Options, Strategy};
use flash_testkit::{Sale, Stores, WAIT, order_of, purchase};

use crate::tampering::{OPTIONS, buy_until_sold_out, eventually, start, start_with};

/// An engine that looks for nothing in the time of a test: it has to hear of it.
fn patient(stores: &Stores) -> Result<Strategy> {
    let lease = Duration::from_secs(3_600);
    start_with(stores, Options { lease, ..OPTIONS })
}

#[tokio::test(flavor = "multi_thread")]
async fn units_that_are_added_by_hand_are_sold() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    ensure!(buy_until_sold_out(&sale).await? == 1);
    let by_hand = "UPDATE skus SET available_units = 5, restocked_units = 5";
    sale.stores.run(by_hand).await?;
    eventually(async || {
        let placement = sale.buy("ann", "k1", 1).await??;
        Ok(matches!(placement, Placement::Accepted { .. }))
    })
    .await?;
    for buyer in ["bob", "cat", "dan", "eve"] {
        order_of(sale.buy(buyer, "k1", 1).await?)?;
    }
    ensure!(sale.buy("fay", "k1", 1).await??.is_sold_out());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_latch_that_nobody_confirms_is_not_believed() -> Result<()> {
    let stores = Stores::new().await?;
    let pool = stores.pool_with(PoolOptions {
        size: 1,
        wait: WAIT,
        ..PoolOptions::default()
    })?;
    let urls = (stores.database_url(), stores.redis_url());
    let strategy = Strategy::start(pool.clone(), urls.0, urls.1, OPTIONS)?.into();
    let sale = Sale { strategy, stores };
    sale.stock_up(1, None).await?;
    ensure!(buy_until_sold_out(&sale).await? == 1);

    // Nobody can ask PostgreSQL.
    let only = pool.get().await?;
    let by_hand = "UPDATE skus SET available_units = 1, restocked_units = 1";
    sale.stores.run(by_hand).await?;
    eventually(async || {
        let request = purchase("ann", "k1", 1)?;
        let asking = sale.strategy.place_order(&request);
        let moment = Duration::from_millis(100);
        // Who is not refused waits for PostgreSQL's word.
        Ok(tokio::time::timeout(moment, asking).await.is_err())
    })
    .await?;
    drop(only);
    eventually(async || {
        let placement = sale.buy("ann", "k1", 1).await??;
        Ok(matches!(placement, Placement::Accepted { .. }))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn added_units_are_heard_of_long_before_they_are_looked_for() -> Result<()> {
    let here = Sale::open(patient).await?;
    let there = patient(&here.stores)?;
    here.stock_up(1, None).await?;
    let (order, _) = order_of(here.buy("ann", "k1", 1).await?)?;
    ensure!(buy_until_sold_out(&here).await? == 0);
    let refused = there.place_order(&purchase("bob", "k1", 1)?).await?;
    ensure!(refused.is_sold_out());

    here.strategy.cancel_order(order.order_id).await?;
    eventually(async || {
        let placement = there.place_order(&purchase("bob", "k1", 1)?).await?;
        Ok(matches!(placement, Placement::Accepted { .. }))
    })
    .await
}

/// Orders that another process has recorded, without a word to anybody.
const ORDERS: &str = "
    INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
    SELECT gen_random_uuid(), 'tee', 'w' || i, 'k1', 1, now()
      FROM generate_series(1, 2500) AS _ (i)";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_won_elsewhere_is_shown_the_order_by_the_latch() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    ensure!(buy_until_sold_out(&sale).await? == 1);
    // More than are read at once.
    sale.stores.run(ORDERS).await?;
    for buyer in ["w1", "w1000", "w1001", "w2500"] {
        eventually(async || {
            let placement = sale.buy(buyer, "k1", 1).await??;
            Ok(matches!(placement, Placement::Accepted { replayed, .. } if replayed))
        })
        .await?;
    }
    ensure!(sale.buy("ann", "k1", 1).await??.is_sold_out());
    Ok(())
}
