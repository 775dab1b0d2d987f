//! What one strategy promises about stock, asserted in a forced order of events.

use std::sync::Arc;

use anyhow::{Result, ensure};
use flash_core::{InventoryStrategy, Placement, StrategyError, Verdict};

use crate::{Sale, order_of, purchase};

/// What a strategy promises when two buyers want the same unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Both read before either writes: both are accepted.
    MayOversell,
    /// Both stand in line at the row: the second reads what the first wrote.
    ExactAtTheRow,
    /// The second is turned away before the row.
    ExactAtTheGate,
}

impl Promise {
    /// How many of two buyers for one unit get as far as the stock row.
    fn buyers_at_the_row(self) -> i64 {
        match self {
            Self::MayOversell | Self::ExactAtTheRow => 2,
            Self::ExactAtTheGate => 1,
        }
    }
}

/// One test per race, for the strategy that a function makes and what it promises.
#[macro_export]
macro_rules! guarantee_suite {
    ($start:path, $promise:path) => {
        $crate::guarantee_suite!($start, $promise;
            two_buyers_want_the_last_unit,
            two_buyers_want_one_unit_each,
            one_buyer_wants_more_than_the_limit_with_two_keys,
            one_purchase_is_sent_twice_at_once,
            two_orders_are_cancelled_at_once,
            one_restock_is_sent_twice_at_once,
        );
    };
    ($start:path, $promise:path; $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() -> anyhow::Result<()> {
                let sale = $crate::Sale::open($start).await?;
                $crate::guarantee::$case(&sale, $promise).await
            }
        )+
    };
}

type Answer = Result<Placement, StrategyError>;

/// Starts two purchases, the second when the first stands at the locked stock row, waits
/// until as many as promised stand there, unlocks it, and returns both answers.
async fn race<S: InventoryStrategy>(
    sale: &Sale<S>,
    buyers_at_the_row: i64,
    purchases: [(&str, &str); 2],
) -> Result<[Answer; 2]> {
    let mut conductor = sale.hold_stock_rows().await?;
    let [first, second] = purchases;
    let first = sale.start_buying(purchase(first.0, first.1, 1)?);
    conductor.wait_for_waiting(1).await?;
    let second = sale.start_buying(purchase(second.0, second.1, 1)?);
    conductor.wait_for_waiting(buyers_at_the_row).await?;
    conductor.release().await?;
    Ok([first.await?, second.await?])
}

fn accepted(answers: &[Answer]) -> usize {
    answers
        .iter()
        .filter(|a| matches!(a, Ok(Placement::Accepted { .. })))
        .count()
}

/// **The oversell.** One unit, two buyers. A plain `SELECT` ignores row locks, so the
/// naive strategy has read "1 left" twice when both stand at their `UPDATE`.
pub async fn two_buyers_want_the_last_unit<S: InventoryStrategy>(
    sale: &Sale<S>,
    promise: Promise,
) -> Result<()> {
    sale.stock_up(1, None).await?;
    let purchases = [("ann", "k1"), ("bob", "k2")];
    let answers = race(sale, promise.buyers_at_the_row(), purchases).await?;
    let audit = sale.audit().await?;
    if promise == Promise::MayOversell {
        ensure!(accepted(&answers) == 2, "{answers:?}");
        ensure!(audit.verdict == Verdict::Oversold && audit.oversold_units == 1);
        // The stock row shows nothing of it, and its CHECK did not fire.
        ensure!(audit.available_units == 0 && !audit.negative_stock);
    } else {
        ensure!(accepted(&answers) == 1, "{answers:?}");
        ensure!(
            answers
                .iter()
                .any(|a| matches!(a, Ok(Placement::SoldOut { .. })))
        );
        ensure!(audit.verdict == Verdict::Exact && audit.available_units == 0);
    }
    Ok(())
}

/// **The lost update.** There is enough for both, yet the naive strategy's stock row
/// forgets one of them.
pub async fn two_buyers_want_one_unit_each<S: InventoryStrategy>(
    sale: &Sale<S>,
    promise: Promise,
) -> Result<()> {
    sale.stock_up(10, None).await?;
    let answers = race(sale, 2, [("ann", "k1"), ("bob", "k2")]).await?;
    ensure!(accepted(&answers) == 2, "{answers:?}");
    let audit = sale.audit().await?;
    if promise == Promise::MayOversell {
        ensure!(audit.verdict == Verdict::Drifted && audit.lost_updates == 1);
        ensure!(audit.available_units == 9 && audit.oversold_units == 0);
    } else {
        ensure!(audit.verdict == Verdict::Exact && audit.available_units == 8);
    }
    Ok(())
}

/// **The overrun limit.** One unit per buyer, one buyer, two keys at once.
pub async fn one_buyer_wants_more_than_the_limit_with_two_keys<S: InventoryStrategy>(
    sale: &Sale<S>,
    promise: Promise,
) -> Result<()> {
    sale.stock_up(10, Some(1)).await?;
    let purchases = [("ann", "k1"), ("ann", "k2")];
    let answers = race(sale, promise.buyers_at_the_row(), purchases).await?;
    let audit = sale.audit().await?;
    if promise == Promise::MayOversell {
        ensure!(accepted(&answers) == 2, "{answers:?}");
        ensure!(audit.verdict == Verdict::Violated && audit.limit_overruns == 1);
    } else {
        ensure!(accepted(&answers) == 1, "{answers:?}");
        ensure!(
            answers
                .iter()
                .any(|a| matches!(a, Ok(Placement::LimitReached)))
        );
        ensure!(audit.verdict == Verdict::Exact && audit.limit_overruns == 0);
    }
    Ok(())
}

/// **The retry that overtakes.** All strategies keep this promise: the UNIQUE key
/// decides, not the stock.
pub async fn one_purchase_is_sent_twice_at_once<S: InventoryStrategy>(
    sale: &Sale<S>,
    _promise: Promise,
) -> Result<()> {
    sale.stock_up(1, None).await?;
    let [first, second] = race(sale, 2, [("ann", "k1"), ("ann", "k1")]).await?;
    let ((first, first_replayed), (second, second_replayed)) =
        (order_of(first)?, order_of(second)?);
    ensure!(first.order_id == second.order_id);
    ensure!(
        first_replayed != second_replayed,
        "one is new, the other a replay"
    );
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 1,
        "{audit:?}"
    );
    Ok(())
}

/// **The lost return.** Both units come back, yet the naive strategy's stock row learns of
/// one: the other can never be sold.
pub async fn two_orders_are_cancelled_at_once<S: InventoryStrategy>(
    sale: &Sale<S>,
    promise: Promise,
) -> Result<()> {
    sale.stock_up(2, None).await?;
    let (first, _) = order_of(sale.buy("ann", "k1", 1).await?)?;
    let (second, _) = order_of(sale.buy("bob", "k1", 1).await?)?;
    let mut conductor = sale.hold_stock_rows().await?;
    let mut cancelling = Vec::new();
    for order_id in [first.order_id, second.order_id] {
        let strategy = Arc::clone(&sale.strategy);
        cancelling.push(tokio::spawn(async move {
            strategy.cancel_order(order_id).await
        }));
    }
    conductor.wait_for_waiting(2).await?;
    conductor.release().await?;
    for cancelled in cancelling {
        cancelled.await??;
    }

    let audit = sale.audit().await?;
    ensure!(audit.cancelled_units == 2, "{audit:?}");
    if promise == Promise::MayOversell {
        ensure!(audit.verdict == Verdict::Drifted && audit.unaccounted_units == 1);
    } else {
        ensure!(audit.verdict == Verdict::Exact && audit.available_units == 2);
    }
    Ok(())
}

/// All strategies keep this promise: the key decides, not the stock.
pub async fn one_restock_is_sent_twice_at_once<S: InventoryStrategy>(
    sale: &Sale<S>,
    _promise: Promise,
) -> Result<()> {
    sale.stock_up(1, None).await?;
    let mut conductor = sale.hold_stock_rows().await?;
    let restocks =
        futures_util::future::join(sale.restock("r1", 5), sale.restock("r1", 5));
    let release = async {
        conductor.wait_for_waiting(2).await?;
        conductor.release().await
    };
    let ((first, second), released) =
        futures_util::future::join(restocks, release).await;
    released?;
    ensure!(first??.restocked_units == 5 && second??.restocked_units == 5);
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.available_units == 6,
        "{audit:?}"
    );
    Ok(())
}
