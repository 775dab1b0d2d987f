//! Keys: one buyer's many, and one that is used twice at the same moment.

use anyhow::{Result, ensure};
use diesel_async::SimpleAsyncConnection;
use flash_core::{Placement, StrategyError, Verdict};
use flash_testkit::{Sale, order_of, purchase};

use flash_engine::Options;

use crate::tampering::{
    OPTIONS, eventually, free_units, lock_waits, start, start_with,
};

/// What a batch sells counts before it is in any table.
#[tokio::test(flavor = "multi_thread")]
async fn one_batch_does_not_overrun_the_limit() -> Result<()> {
    let one_lane = Options {
        lanes: 1,
        ..OPTIONS
    };
    let sale = Sale::open(|stores| start_with(stores, one_lane)).await?;
    sale.stock_up(30, Some(1)).await?;
    let mut conductor = sale.hold_stock_rows().await?;
    let first = sale.start_buying(purchase("zoe", "k1", 1)?);
    conductor.wait_for_waiting(1).await?;
    let mut others = Vec::new();
    for key in 0..20 {
        others.push(sale.start_buying(purchase("ann", &format!("k{key}"), 1)?));
    }
    // All are admitted, and wait for the one lane together.
    eventually(async || Ok(free_units(&sale.stores).await? == Some(9))).await?;
    conductor.release().await?;

    order_of(first.await?)?;
    let mut accepted = 0;
    for answer in others {
        accepted += i32::from(answer.await?? != Placement::LimitReached);
    }
    ensure!(accepted == 1, "{accepted} orders of one buyer");
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.limit_overruns == 0,
        "{audit:?}"
    );
    Ok(())
}

/// The lock of the stock row does not help here: the key is used for another SKU, by a
/// transaction that has not committed when the batch looks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_meanwhile_sells_nothing() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(5, None).await?;
    order_of(sale.buy("zoe", "k1", 1).await?)?;
    let mut elsewhere = sale.stores.connect().await?;
    elsewhere
        .batch_execute(
            "INSERT INTO skus (sku, initial_units, available_units) VALUES ('mug', 1, 0);
             BEGIN;
             INSERT INTO orders
                    (order_id, sku, buyer_id, idempotency_key, units, created_at)
             VALUES (gen_random_uuid(), 'mug', 'ann', 'k1', 1, now())",
        )
        .await?;
    let buying = sale.start_buying(purchase("ann", "k1", 2)?);
    let mut conn = sale.stores.connect().await?;
    eventually(async || {
        let waits = lock_waits(&mut conn, "INSERT INTO orders").await?;
        Ok(!waits.is_empty() || buying.is_finished())
    })
    .await?;
    elsewhere.batch_execute("COMMIT").await?;

    let answer = buying.await?;
    ensure!(
        matches!(answer, Err(StrategyError::KeyReused)),
        "{answer:?}"
    );
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 1,
        "{audit:?}"
    );
    Ok(())
}

/// The sold-out latch is set soon after the last unit is sold, and sees to most of these.
#[tokio::test(flavor = "multi_thread")]
async fn a_winner_is_shown_the_order_by_the_latch_too() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    let (order, _) = order_of(sale.buy("ann", "k1", 1).await?)?;
    for buyer in 0..50 {
        let refused = sale.buy(&format!("b{buyer}"), "k1", 1).await??;
        ensure!(refused.is_sold_out(), "{refused:?}");
        let (again, replayed) = order_of(sale.buy("ann", "k1", 1).await?)?;
        ensure!(replayed && again == order);
    }
    Ok(())
}
