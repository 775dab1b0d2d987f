//! Idempotency keys: one purchase, one order, whatever happens in between.

use anyhow::{Result, ensure};
use flash_core::{InventoryStrategy, StrategyError};

use super::stock_up_other;
use crate::{Sale, order_of, purchase};

/// A retry is answered with the first order and sells nothing.
pub async fn the_same_key_gets_the_same_order<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(10, None).await?;
    let (first, _) = order_of(sale.buy("ann", "k1", 2).await?)?;
    let (again, replayed) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(
        replayed && again == first,
        "first {first:?}, then {again:?}"
    );
    ensure!(sale.audit().await?.accepted_units == 2);
    Ok(())
}

/// A winner is never told "sold out".
pub async fn the_same_key_gets_the_same_order_after_the_stock_is_gone<
    S: InventoryStrategy,
>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(1, None).await?;
    let (first, _) = order_of(sale.buy("ann", "k1", 1).await?)?;
    ensure!(sale.buy("bob", "k2", 1).await??.is_sold_out());
    let (again, replayed) = order_of(sale.buy("ann", "k1", 1).await?)?;
    ensure!(replayed && again == first);
    Ok(())
}

/// Whatever the race: one order, one id, sold once.
pub async fn the_same_key_sent_fifty_times_at_once_is_one_order<
    S: InventoryStrategy,
>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(10, None).await?;
    let mut conductor = sale.hold_stock_rows().await?;
    let mut buying = Vec::new();
    for _ in 0..50 {
        buying.push(sale.start_buying(purchase("ann", "k1", 1)?));
    }
    // At least two of them have looked for the order, found none, and meet at the row.
    conductor.wait_for_waiting(2).await?;
    conductor.release().await?;

    let mut new_orders = 0;
    let mut order_ids = Vec::new();
    for buyer in buying {
        let (order, replayed) = order_of(buyer.await?)?;
        new_orders += u32::from(!replayed);
        order_ids.push(order.order_id);
    }
    order_ids.dedup();
    ensure!(
        new_orders == 1 && order_ids.len() == 1,
        "{new_orders} new, {order_ids:?}"
    );
    let audit = sale.audit().await?;
    ensure!(
        audit.accepted_units == 1 && audit.available_units == 9,
        "{audit:?}"
    );
    Ok(())
}

/// Other units, or another SKU: the first order stays as it is.
pub async fn the_same_key_with_other_contents_is_a_conflict<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(10, None).await?;
    let other_sku = stock_up_other(sale, 10).await?;
    let (first, _) = order_of(sale.buy("ann", "k1", 1).await?)?;

    let other_units = sale.buy("ann", "k1", 2).await?;
    ensure!(
        matches!(other_units, Err(StrategyError::KeyReused)),
        "{other_units:?}"
    );
    let mut request = purchase("ann", "k1", 1)?;
    request.sku = other_sku;
    let elsewhere = sale.strategy.place_order(&request).await;
    ensure!(
        matches!(elsewhere, Err(StrategyError::KeyReused)),
        "{elsewhere:?}"
    );

    let (again, replayed) = order_of(sale.buy("ann", "k1", 1).await?)?;
    ensure!(replayed && again == first);
    ensure!(sale.audit().await?.available_units == 9);
    Ok(())
}

/// Keys belong to their buyer.
pub async fn the_same_key_of_another_buyer_is_another_order<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(10, None).await?;
    let (ann, _) = order_of(sale.buy("ann", "k1", 1).await?)?;
    let (bob, replayed) = order_of(sale.buy("bob", "k1", 1).await?)?;
    ensure!(!replayed && ann.order_id != bob.order_id);
    Ok(())
}

/// A key that was refused may be used for a smaller purchase, and writes nothing.
pub async fn a_refusal_is_not_remembered<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(1, None).await?;
    ensure!(sale.buy("ann", "k1", 2).await??.is_sold_out());
    ensure!(sale.audit().await?.accepted_units == 0);
    order_of(sale.buy("ann", "k1", 1).await?)?;
    Ok(())
}
