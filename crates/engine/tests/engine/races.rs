//! Forced orders of events between the gate and the vault.

use anyhow::{Context, Result, ensure};
use flash_core::{
    InventoryStrategy, Placement, Sku, StockTerms, StrategyError, Verdict,
};
use flash_db::skus;
use flash_engine::{Options, Strategy};
use flash_testkit::{Sale, Stores, WAIT, order_of, purchase};
use redis::cmd;
use tokio::task::JoinHandle;

use crate::tampering::{
    GATE, OPTIONS, buy_until_sold_out, eventually, free_units, redis, start, start_with,
};

/// Sells the last unit while a gate that is wrong admits two purchases by these buyers, the
/// second behind the first. One lane each: neither can learn from the other but by the
/// stock row.
async fn sell_last_unit(
    sale: &Sale<Strategy>,
    buyers: [&str; 2],
) -> Result<[Result<Placement, StrategyError>; 2]> {
    sale.stock_up(1, None).await?;
    let mut conductor = sale.hold_stock_rows().await?;
    let too_high = cmd("HSET").arg(GATE).arg("free_units").arg(50).clone();
    let _: () = redis(&sale.stores, &too_high).await?;
    let first = sale.start_buying(purchase(buyers[0], "k1", 1)?);
    conductor.wait_for_waiting(1).await?;
    let second = sale.start_buying(purchase(buyers[1], "k1", 1)?);
    conductor.wait_for_waiting(2).await?;
    conductor.release().await?;
    Ok([first.await?, second.await?])
}

#[tokio::test(flavor = "multi_thread")]
async fn two_buyers_whom_a_wrong_gate_admits_do_not_both_get_the_last_unit()
-> Result<()> {
    let sale = Sale::open(start).await?;
    let [first, second] = sell_last_unit(&sale, ["ann", "bob"]).await?;
    let answers = [first?, second?];
    ensure!(answers.iter().any(Placement::is_sold_out), "{answers:?}");
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 1,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_again_behind_a_purchase_that_waits_gets_its_order() -> Result<()> {
    let sale = Sale::open(start).await?;
    // The second finds the order only if it looks when it has the row.
    let [first, again] = sell_last_unit(&sale, ["ann", "ann"]).await?;
    let (order, replayed) = order_of(first)?;
    let (same, replayed_again) = order_of(again)?;
    ensure!(order.order_id == same.order_id, "two orders");
    ensure!(replayed != replayed_again, "one of them sold");
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn units_that_are_added_are_in_the_gate_at_once() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(2, None).await?;
    let (order, _) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(buy_until_sold_out(&sale).await? == 0);
    sale.restock("r1", 3).await??;
    ensure!(free_units(&sale.stores).await? == Some(3), "restocked");
    sale.strategy.cancel_order(order.order_id).await?;
    ensure!(free_units(&sale.stores).await? == Some(5), "cancelled");
    Ok(())
}

/// With room for one request wherever some wait.
fn start_narrow(stores: &Stores) -> Result<Strategy> {
    start_with(
        stores,
        Options {
            queue_max: 1,
            lock_wait: WAIT,
            ..OPTIONS
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_room_to_wait_for_held_units_is_busy() -> Result<()> {
    let sale = Sale::open(start_narrow).await?;
    sale.stock_up(1, None).await?;
    let mut conductor = sale.hold_stock_rows().await?;
    let first = sale.start_buying(purchase("ann", "k1", 1)?);
    conductor.wait_for_waiting(1).await?;
    let mut waiting = vec![sale.start_buying(purchase("bob", "k1", 1)?)];
    for buyer in 0..5 {
        waiting.push(sale.start_buying(purchase(&format!("b{buyer}"), "k1", 1)?));
        eventually(async || Ok(waiting.iter().any(JoinHandle::is_finished))).await?;
        let turned_away = waiting.iter().position(JoinHandle::is_finished);
        let turned_away = waiting.remove(turned_away.context("nobody")?);
        let answer = turned_away.await?;
        ensure!(matches!(answer, Err(StrategyError::Busy)), "{answer:?}");
    }
    conductor.release().await?;

    waiting.push(first);
    let mut accepted = 0;
    for buyer in waiting {
        accepted += i32::from(!buyer.await??.is_sold_out());
    }
    ensure!(accepted == 1, "{accepted} orders");
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_waits_for_one_sku_does_not_turn_buyers_of_another_away()
-> Result<()> {
    let sale = Sale::open(start_narrow).await?;
    sale.stock_up(1, None).await?;
    let mut conductor = sale.hold_stock_rows().await?;
    let first = sale.start_buying(purchase("ann", "k1", 1)?);
    conductor.wait_for_waiting(1).await?;
    let second = sale.start_buying(purchase("bob", "k1", 1)?);
    let third = sale.start_buying(purchase("cat", "k1", 1)?);
    eventually(async || Ok(second.is_finished() || third.is_finished())).await?;

    let mut request = purchase("dan", "k1", 1)?;
    request.sku = Sku::new("mug")?;
    let mut conn = sale.stores.connect().await?;
    skus::create(&mut conn, &request.sku, StockTerms::new(1, None)?).await?;
    order_of(sale.strategy.place_order(&request).await)?;
    conductor.release().await?;
    for buyer in [first, second, third] {
        drop(buyer.await?);
    }
    Ok(())
}
