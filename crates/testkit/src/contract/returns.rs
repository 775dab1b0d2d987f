//! Units that come back: cancelled orders and restocks.

use anyhow::{Result, ensure};
use flash_core::{
    InventoryStrategy, OrderId, OrderStatus, Placement, StrategyError, Verdict,
};

use crate::{Sale, order_of};

/// Cancelling is idempotent, and what was cancelled can be bought again at once.
pub async fn a_cancelled_order_gives_its_units_back_once<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(2, None).await?;
    let (order, _) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(sale.buy("bob", "k1", 1).await??.is_sold_out());

    for _ in 0..3 {
        let cancelled = sale.strategy.cancel_order(order.order_id).await?;
        ensure!(cancelled.status == OrderStatus::Cancelled, "{cancelled:?}");
        ensure!(cancelled.order_id == order.order_id && cancelled.units == order.units);
    }
    order_of(sale.buy("bob", "k1", 2).await?)?;
    ensure!(sale.buy("cid", "k1", 1).await??.is_sold_out());
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.cancelled_units == 2,
        "{audit:?}"
    );
    Ok(())
}

/// Nothing is made up.
pub async fn an_unknown_order_cannot_be_cancelled<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    let cancelled = sale.strategy.cancel_order(OrderId::now()).await;
    ensure!(
        matches!(cancelled, Err(StrategyError::UnknownOrder)),
        "{cancelled:?}"
    );
    Ok(())
}

/// A retry shows what became of the order; it does not buy again.
pub async fn a_cancelled_purchase_stays_cancelled_when_it_is_sent_again<
    S: InventoryStrategy,
>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(2, None).await?;
    let (order, _) = order_of(sale.buy("ann", "k1", 1).await?)?;
    sale.strategy.cancel_order(order.order_id).await?;
    let (again, replayed) = order_of(sale.buy("ann", "k1", 1).await?)?;
    ensure!(
        replayed && again.status == OrderStatus::Cancelled,
        "{again:?}"
    );
    ensure!(sale.audit().await?.available_units == 2);
    Ok(())
}

/// The limit counts what a buyer has, not what a buyer had.
pub async fn cancelling_makes_room_under_the_limit<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(5, Some(1)).await?;
    let (order, _) = order_of(sale.buy("ann", "k1", 1).await?)?;
    ensure!(sale.buy("ann", "k2", 1).await?? == Placement::LimitReached);
    sale.strategy.cancel_order(order.order_id).await?;
    order_of(sale.buy("ann", "k3", 1).await?)?;
    ensure!(sale.audit().await?.limit_overruns == 0);
    Ok(())
}

/// Restocking is idempotent, and what was added can be bought at once.
pub async fn a_restock_adds_its_units_once<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(1, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    ensure!(sale.buy("bob", "k1", 1).await??.is_sold_out());

    for _ in 0..3 {
        let stock = sale.restock("r1", 2).await??;
        ensure!(
            stock.restocked_units == 2 && stock.available_units == 2,
            "{stock:?}"
        );
    }
    order_of(sale.buy("bob", "k1", 2).await?)?;
    ensure!(sale.buy("cid", "k1", 1).await??.is_sold_out());
    let audit = sale.audit().await?;
    ensure!(audit.accepted_units == 3 && audit.verdict == Verdict::Exact);
    Ok(())
}

/// The first restock stays as it is.
pub async fn a_restock_with_the_same_key_and_other_units_is_a_conflict<
    S: InventoryStrategy,
>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(1, None).await?;
    sale.restock("r1", 2).await??;
    let other = sale.restock("r1", 3).await?;
    ensure!(matches!(other, Err(StrategyError::KeyReused)), "{other:?}");
    ensure!(sale.audit().await?.restocked_units == 2);
    Ok(())
}

/// Nothing is created on the way.
pub async fn an_unknown_sku_cannot_be_restocked<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    let restocked = sale.restock("r1", 2).await?;
    ensure!(
        matches!(restocked, Err(StrategyError::UnknownSku)),
        "{restocked:?}"
    );
    Ok(())
}
