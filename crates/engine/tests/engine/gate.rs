//! Redis is a hint: lost, wrong, rolled back or away, it may cost time but never a unit.

use std::time::Duration;

use anyhow::{Result, ensure};
use flash_core::{
    InventoryStrategy, Placement, Restock, StrategyError, Units, Verdict,
};
use flash_db::PoolOptions;
use flash_engine::{Options, Strategy};
use flash_testkit::{Sale, Stores, WAIT, order_of, purchase, sku};
use redis::cmd;

use crate::tampering::{
    GATE, OPTIONS, buy_until_sold_out, eventually, free_units, redis, start, start_with,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_lost_is_loaded_again() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(3, Some(2)).await?;
    let (first, _) = order_of(sale.buy("ann", "k1", 2).await?)?;
    let _: () = redis(&sale.stores, &cmd("FLUSHDB")).await?;

    ensure!(sale.buy("ann", "k2", 1).await?? == Placement::LimitReached);
    order_of(sale.buy("bob", "k1", 1).await?)?;
    ensure!(sale.buy("cid", "k1", 1).await??.is_sold_out());
    let (again, replayed) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(replayed && again == first);
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_are_lost_are_sent_again() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(2, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let _: () = redis(&sale.stores, cmd("SCRIPT").arg("FLUSH")).await?;
    order_of(sale.buy("bob", "k1", 1).await?)?;
    ensure!(
        free_units(&sale.stores).await? == Some(0),
        "Redis was asked"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_too_high_sells_nothing_that_is_not_there() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(3, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let too_high = cmd("HSET").arg(GATE).arg("free_units").arg(50).clone();
    let _: () = redis(&sale.stores, &too_high).await?;

    ensure!(buy_until_sold_out(&sale).await? == 2);
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_too_low_still_sells_every_unit() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(5, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    // As after a process that died with permits in its hands.
    let too_low = cmd("HSET").arg(GATE).arg("free_units").arg(1).clone();
    let _: () = redis(&sale.stores, &too_low).await?;

    ensure!(buy_until_sold_out(&sale).await? == 4);
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impatient_buyer_gets_units_whose_permits_died() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(5, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let too_low = cmd("HSET").arg(GATE).arg("free_units").arg(0).clone();
    let _: () = redis(&sale.stores, &too_low).await?;

    let request = purchase("bob", "k1", 4)?;
    eventually(async || {
        let asking = sale.strategy.place_order(&request);
        // Shorter than it takes to see that the permits have died.
        let answer = tokio::time::timeout(Duration::from_millis(100), asking).await;
        Ok(matches!(answer, Ok(Ok(Placement::Accepted { .. }))))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_was_rolled_back_is_noticed_by_its_fence() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(4, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let old: Vec<(String, String)> =
        redis(&sale.stores, cmd("HGETALL").arg(GATE)).await?;
    restock(&sale, 2, "r1").await?;
    order_of(sale.buy("bob", "k1", 2).await?)?;
    let mut roll_back = cmd("HSET");
    roll_back.arg(GATE);
    for (field, value) in old {
        roll_back.arg(field).arg(value);
    }
    let _: () = redis(&sale.stores, &roll_back).await?;

    ensure!(buy_until_sold_out(&sale).await? == 3);
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

/// Whoever waits for a second connection waits for ever.
fn start_with_one_connection(stores: &Stores) -> Result<Strategy> {
    let pool = stores.pool_with(PoolOptions {
        size: 1,
        wait: 2 * WAIT,
        ..PoolOptions::default()
    })?;
    let (database_url, redis_url) = (stores.database_url(), stores.redis_url());
    Ok(Strategy::start(pool, database_url, redis_url, OPTIONS)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_drifted_comes_right_when_it_is_quiet() -> Result<()> {
    for wrong in [2, 70] {
        let sale = Sale::open(start_with_one_connection).await?;
        sale.stock_up(10, None).await?;
        order_of(sale.buy("ann", "k1", 1).await?)?;
        let drift = cmd("HSET").arg(GATE).arg("free_units").arg(wrong).clone();
        let _: () = redis(&sale.stores, &drift).await?;
        eventually(async || Ok(free_units(&sale.stores).await? == Some(9))).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_became_no_order_is_given_back() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(5, Some(1)).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    ensure!(sale.buy("ann", "k2", 1).await?? == Placement::LimitReached);
    eventually(async || Ok(free_units(&sale.stores).await? == Some(4))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_waits_for_units_that_are_only_held() -> Result<()> {
    let impatient = |stores: &Stores| {
        start_with(
            stores,
            Options {
                lock_wait: Duration::from_millis(100),
                ..OPTIONS
            },
        )
    };
    let sale = Sale::open(impatient).await?;
    sale.stock_up(1, None).await?;
    let mut conductor = sale.hold_stock_rows().await?;
    let first = sale.start_buying(purchase("ann", "k1", 1)?);
    conductor.wait_for_waiting(1).await?;
    let second = sale.start_buying(purchase("bob", "k1", 1)?);
    // Ann gives up at the row; her unit must not be gone for Bob.
    let busy = first.await?;
    ensure!(matches!(busy, Err(StrategyError::Busy)), "{busy:?}");
    conductor.release().await?;
    match second.await? {
        Ok(Placement::Accepted { .. }) => {}
        Err(StrategyError::Busy) => {
            order_of(sale.buy("bob", "k1", 1).await?)?;
        }
        other => anyhow::bail!("the unit was free: {other:?}"),
    }
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_away_sells_straight_from_the_vault() -> Result<()> {
    let stores = Stores::new().await?;
    let (mut cable, redis_url) = stores.cable_to_redis().await?;
    let (database_url, pool) = (stores.database_url(), stores.pool()?);
    let strategy = Strategy::start(pool, database_url, &redis_url, OPTIONS)?;
    let sale = Sale {
        strategy: strategy.into(),
        stores,
    };
    sale.stock_up(4, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;

    cable.pull_out().await;
    order_of(sale.buy("bob", "k1", 1).await?)?;
    cable.put_back().await?;
    ensure!(buy_until_sold_out(&sale).await? == 2);
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_units_can_be_bought_again_in_every_process() -> Result<()> {
    let here = Sale::open(start).await?;
    let there = start(&here.stores)?;
    here.stock_up(1, None).await?;
    let (order, _) = order_of(here.buy("ann", "k1", 1).await?)?;
    ensure!(buy_until_sold_out(&here).await? == 0);
    let refused = there.place_order(&purchase("bob", "k1", 1)?).await?;
    ensure!(refused.is_sold_out());

    here.strategy.cancel_order(order.order_id).await?;
    // Here at once; there as soon as PostgreSQL has told.
    eventually(async || {
        let placement = there.place_order(&purchase("bob", "k1", 1)?).await?;
        Ok(matches!(placement, Placement::Accepted { .. }))
    })
    .await?;
    ensure!(here.buy("cid", "k1", 1).await??.is_sold_out());
    ensure!(here.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn restocked_units_can_be_bought_at_once() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    ensure!(buy_until_sold_out(&sale).await? == 1);
    for round in 0..5 {
        restock(&sale, 2, &format!("r{round}")).await?;
        order_of(sale.buy("ann", &format!("k{round}"), 2).await?)?;
        ensure!(sale.buy("bob", "k", 1).await??.is_sold_out());
    }
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.restocked_units == 10,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_busy() -> Result<()> {
    let narrow = |stores: &Stores| {
        start_with(
            stores,
            Options {
                queue_max: 1,
                lanes: 1,
                batch_max: 1,
                ..OPTIONS
            },
        )
    };
    let sale = Sale::open(narrow).await?;
    sale.stock_up(100, None).await?;
    let conductor = sale.hold_stock_rows().await?;
    let mut inside = Vec::new();
    for buyer in 0..20 {
        inside.push(sale.start_buying(purchase(&format!("b{buyer}"), "k1", 1)?));
    }
    // One with the lane, one before the vault, one at the gate: the rest is told.
    eventually(async || {
        Ok(inside.iter().filter(|buying| buying.is_finished()).count() >= 16)
    })
    .await?;
    for buying in inside.into_iter().filter(|buying| buying.is_finished()) {
        let answer = buying.await?;
        ensure!(matches!(answer, Err(StrategyError::Busy)), "{answer:?}");
    }
    conductor.release().await?;
    Ok(())
}

async fn restock(sale: &Sale<Strategy>, units: i64, key: &str) -> Result<()> {
    let request = Restock {
        sku: sku()?,
        units: Units::new(units)?,
        idempotency_key: flash_core::IdempotencyKey::new(key)?,
    };
    sale.strategy.restock(&request).await?;
    Ok(())
}
