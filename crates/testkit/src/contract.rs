//! What all strategies share, whatever they promise about stock.

mod keys;
mod returns;

use anyhow::{Result, ensure};
use flash_core::{
    InventoryStrategy, OrderStatus, Placement, Sku, StrategyError, Verdict,
};

use crate::{Sale, order_of, purchase, sku};

pub use keys::*;
pub use returns::*;

/// One test per rule of the contract, for the strategy that a function makes.
#[macro_export]
macro_rules! contract_suite {
    ($start:path) => {
        $crate::contract_suite!($start;
            a_purchase_becomes_a_durable_order,
            a_buyer_gets_all_units_or_none,
            the_last_unit_is_sold_and_no_more,
            a_sku_without_units_is_sold_out,
            an_unknown_sku_is_an_error,
            the_same_key_gets_the_same_order,
            the_same_key_gets_the_same_order_after_the_stock_is_gone,
            the_same_key_sent_fifty_times_at_once_is_one_order,
            the_same_key_with_other_contents_is_a_conflict,
            the_same_key_of_another_buyer_is_another_order,
            a_refusal_is_not_remembered,
            the_limit_per_buyer_counts_all_orders_of_the_buyer,
            skus_do_not_touch_each_other,
            a_buyer_who_hangs_up_breaks_nothing,
            stock_shows_what_is_left,
            a_cancelled_order_gives_its_units_back_once,
            an_unknown_order_cannot_be_cancelled,
            a_cancelled_purchase_stays_cancelled_when_it_is_sent_again,
            cancelling_makes_room_under_the_limit,
            a_restock_adds_its_units_once,
            a_restock_with_the_same_key_and_other_units_is_a_conflict,
            an_unknown_sku_cannot_be_restocked,
        );
    };
    ($start:path; $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() -> anyhow::Result<()> {
                let sale = $crate::Sale::open($start).await?;
                $crate::contract::$case(&sale).await
            }
        )+
    };
}

/// The answer is in the database when it is given.
pub async fn a_purchase_becomes_a_durable_order<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(10, None).await?;
    let (order, replayed) = order_of(sale.buy("ann", "k1", 3).await?)?;
    ensure!(!replayed);
    ensure!(order.sku == sku()? && order.buyer_id.as_str() == "ann");
    ensure!(order.units.get() == 3 && order.status == OrderStatus::Accepted);

    let stored =
        flash_db::orders::find(&mut sale.stores.connect().await?, order.order_id)
            .await?;
    ensure!(
        stored.as_ref() == Some(&order),
        "stored {stored:?}, answered {order:?}"
    );
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

/// No partial orders.
pub async fn a_buyer_gets_all_units_or_none<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(5, None).await?;
    order_of(sale.buy("ann", "k1", 3).await?)?;
    ensure!(sale.buy("bob", "k2", 3).await??.is_sold_out());
    order_of(sale.buy("cid", "k3", 2).await?)?;
    ensure!(sale.audit().await?.available_units == 0);
    Ok(())
}

/// The boundary: units = stock sells, stock + 1 does not.
pub async fn the_last_unit_is_sold_and_no_more<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(2, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    order_of(sale.buy("bob", "k2", 1).await?)?;
    ensure!(sale.buy("cid", "k3", 1).await??.is_sold_out());
    let audit = sale.audit().await?;
    ensure!(audit.verdict == Verdict::Exact && audit.accepted_units == 2);
    Ok(())
}

/// The boundary at zero.
pub async fn a_sku_without_units_is_sold_out<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(0, None).await?;
    ensure!(sale.buy("ann", "k1", 1).await??.is_sold_out());
    Ok(())
}

/// Nothing is created on the way.
pub async fn an_unknown_sku_is_an_error<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    let placement = sale.buy("ann", "k1", 1).await?;
    ensure!(
        matches!(placement, Err(StrategyError::UnknownSku)),
        "{placement:?}"
    );
    let stock = sale.strategy.stock(&sku()?).await;
    ensure!(matches!(stock, Err(StrategyError::UnknownSku)), "{stock:?}");
    Ok(())
}

/// Over several orders, and only for the one buyer.
pub async fn the_limit_per_buyer_counts_all_orders_of_the_buyer<
    S: InventoryStrategy,
>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(10, Some(2)).await?;
    // What she has of another SKU does not count.
    let mut elsewhere = purchase("ann", "k9", 5)?;
    elsewhere.sku = stock_up_other(sale, 5).await?;
    order_of(sale.strategy.place_order(&elsewhere).await)?;
    ensure!(sale.buy("ann", "k0", 3).await?? == Placement::LimitReached);
    order_of(sale.buy("ann", "k1", 1).await?)?;
    order_of(sale.buy("ann", "k2", 1).await?)?;
    ensure!(sale.buy("ann", "k3", 1).await?? == Placement::LimitReached);
    order_of(sale.buy("bob", "k1", 2).await?)?;
    // A replay asks for nothing new, so the limit does not stand in its way.
    order_of(sale.buy("ann", "k2", 1).await?)?;

    let audit = sale.audit().await?;
    ensure!(
        audit.limit_overruns == 0 && audit.available_units == 6,
        "{audit:?}"
    );
    Ok(())
}

/// What is sold of one is not missing from the other.
pub async fn skus_do_not_touch_each_other<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(1, None).await?;
    let other_sku = stock_up_other(sale, 1).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let mut request = purchase("ann", "k2", 1)?;
    request.sku = other_sku.clone();
    order_of(sale.strategy.place_order(&request).await)?;
    ensure!(sale.strategy.stock(&other_sku).await?.available_units == 0);
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

/// Dropped while it waits for the row: afterwards there is a whole order or none, the
/// books balance, and every unit that is left can be bought.
pub async fn a_buyer_who_hangs_up_breaks_nothing<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(2, None).await?;
    let mut conductor = sale.hold_stock_rows().await?;
    let buying = sale.start_buying(purchase("ann", "k1", 1)?);
    conductor.wait_for_waiting(1).await?;
    buying.abort();
    ensure!(buying.await.is_err_and(|error| error.is_cancelled()));
    conductor.release().await?;

    // The same key tells what became of it, whatever that was.
    order_of(sale.buy("ann", "k1", 1).await?)?;
    order_of(sale.buy("bob", "k2", 1).await?)?;
    ensure!(sale.buy("cid", "k3", 1).await??.is_sold_out());
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 2,
        "{audit:?}"
    );
    Ok(())
}

/// All numbers of the stock.
pub async fn stock_shows_what_is_left<S: InventoryStrategy>(
    sale: &Sale<S>,
) -> Result<()> {
    sale.stock_up(10, Some(7)).await?;
    order_of(sale.buy("ann", "k1", 4).await?)?;
    let stock = sale.strategy.stock(&sku()?).await?;
    ensure!(
        stock.sku == sku()? && stock.initial_units == 10,
        "{stock:?}"
    );
    ensure!(
        stock.restocked_units == 0 && stock.available_units == 6,
        "{stock:?}"
    );
    ensure!(stock.per_buyer_limit == Some(7), "{stock:?}");
    Ok(())
}

async fn stock_up_other<S: InventoryStrategy>(
    sale: &Sale<S>,
    initial_units: i64,
) -> Result<Sku> {
    let other = Sku::new("mug")?;
    let terms = flash_core::StockTerms::new(initial_units, None)?;
    flash_db::skus::create(&mut sale.stores.connect().await?, &other, terms).await?;
    Ok(other)
}
