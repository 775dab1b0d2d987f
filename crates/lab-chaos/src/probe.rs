//! The buyer who comes when everything is over and takes what is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::buyers::{Buyer, HEALED_PATIENCE, PATIENCE, Sale, Wish};
use crate::journal::{Answer, Ask};
use crate::schedule::PlannedSku;

/// How long it waits before it asks again.
const AGAIN: Duration = Duration::from_millis(10);

/// Purchases at once, and about how many there are in all.
const HANDS: usize = 64;

/// What the probe got of one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) sku: String,
    /// Units that PostgreSQL had left.
    pub(crate) left_units: i64,
    /// Units that were bought in time.
    pub(crate) bought_units: i64,
    /// What each instance said to the next buyer, in time.
    pub(crate) then: [Answer; 2],
}

/// Buys what is left of a SKU in orders as small as can be, at both instances.
pub(crate) async fn buy_all(
    sale: &Arc<Sale>,
    planned: &PlannedSku,
    left_units: i64,
    gate_lifetime: Duration,
) -> Probe {
    let wishes = Arc::new(wishes(planned, left_units));
    // Until then a gate may not know of them yet.
    let expired = Instant::now() + gate_lifetime;
    let end = expired + HEALED_PATIENCE;
    sale.deadline.send_replace(Some(end));
    let mut hands = JoinSet::new();
    for hand in 0..HANDS.min(wishes.len()) {
        let (sale, wishes) = (Arc::clone(sale), Arc::clone(&wishes));
        hands.spawn(async move {
            let seed = u64::try_from(hand).unwrap_or_default();
            let mut buyer = Buyer::new(sale, seed, PATIENCE);
            let mut bought_units = 0;
            for wish in wishes.iter().skip(hand).step_by(HANDS) {
                let mut answer = buyer.insist(wish).await;
                while answer.is_sold_out() && Instant::now() < expired {
                    tokio::time::sleep(AGAIN).await;
                    answer = buyer.insist(wish).await;
                }
                if matches!(answer, Answer::Accepted { .. }) && Instant::now() <= end {
                    bought_units += wish.units;
                }
            }
            bought_units
        });
    }
    // A hand that was lost has bought nothing, which the judge will see.
    let mut bought_units = 0;
    while let Some(bought) = hands.join_next().await {
        bought_units += bought.unwrap_or(0);
    }

    let mut buyer = Buyer::new(Arc::clone(sale), 0, PATIENCE);
    let mut then = [Answer::NotSent, Answer::NotSent];
    for (instance, then) in then.iter_mut().enumerate() {
        let wish = wish(&planned.sku, wishes.len() + instance, 1);
        while !then.is_final() && Instant::now() < end {
            *then = buyer.ask(&wish, instance).await;
            tokio::time::sleep(AGAIN).await;
        }
    }
    Probe {
        sku: planned.sku.clone(),
        left_units,
        bought_units,
        then,
    }
}

/// One unit each; where so many are left that this would only measure the disk, more, as
/// far as the limit allows.
fn wishes(planned: &PlannedSku, left_units: i64) -> Vec<Wish> {
    let hands = i64::try_from(HANDS).unwrap_or(i64::MAX);
    let limit = planned.limit.and_then(|limit| i64::try_from(limit).ok());
    let most_units = (left_units / hands).clamp(1, limit.unwrap_or(i64::MAX).max(1));
    let mut wishes = Vec::new();
    let mut open_units = left_units;
    while open_units > 0 {
        let units = most_units.min(open_units);
        wishes.push(wish(&planned.sku, wishes.len(), units));
        open_units -= units;
    }
    wishes
}

/// Each order for a buyer of its own, so that no limit stands in the way.
fn wish(sku: &str, number: usize, units: i64) -> Wish {
    Wish {
        sku: sku.to_owned(),
        buyer: format!("probe-{sku}-{number}"),
        key: format!("probe-{number}"),
        units,
        ask: Ask::Order,
        leaves: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_left_is_wished_for_and_nobody_beyond_the_limit() {
        for (limit, left_units) in [(None, 0), (None, 7), (Some(2), 400), (None, 401)] {
            let planned = PlannedSku {
                sku: "tee".to_owned(),
                units: 1,
                limit,
            };
            let units: Vec<_> = wishes(&planned, left_units)
                .iter()
                .map(|wish| wish.units)
                .collect();
            assert_eq!(units.iter().sum::<i64>(), left_units);
            let most = limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap());
            assert!(units.iter().all(|units| (1..=most).contains(units)));
        }
    }
}
