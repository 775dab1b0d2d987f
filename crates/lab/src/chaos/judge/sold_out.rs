//! Whether "sold out" was true.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, Rule, Violation};
use crate::chaos::journal::{Answer, Ask, Entry};
use crate::chaos::schedule::Good;

/// After units were added, "sold out" may still be said for this long: a latch that does
/// not hear of them counts for one second, and the answer takes its time.
const LEASE_US: i64 = 1_500_000;

/// How long an instance that cannot hear from PostgreSQL may go on saying "sold out" after
/// units were added elsewhere, also to one who has just bought them there.
///
/// # Source
///
/// `docs/ARCHITECTURE.md`, "Latch".
const DEAF_US: i64 = 250_000;

/// Clocks of two processes on one machine are read one after the other.
const CLOCK_US: i64 = 50_000;

/// Counts for each "sold out" what was certainly there while it was asked for: what was
/// acknowledged as added well before, minus everything that may have been sold by then.
pub(super) fn false_ones(evidence: &Evidence) -> Vec<Violation> {
    evidence
        .goods
        .iter()
        .flat_map(|good| {
            let mut refusals = evidence
                .entries
                .iter()
                .filter(|entry| entry.sku == good.sku && entry.answer == Answer::SoldOut);
            // One for each SKU tells enough.
            refusals.find_map(|refusal| {
                let least_units = least_units(evidence, good, refusal);
                let what = format!(
                    "sold out was told for {} units, but at least {least_units} were free",
                    refusal.units
                );
                (least_units >= refusal.units)
                    .then(|| Violation::of(Rule::FalseSoldOut, refusal, what))
            })
        })
        .collect()
}

/// The least that can have been available at any time while a request was under way.
fn least_units(evidence: &Evidence, good: &Good, request: &Entry) -> i64 {
    let settled = |entry: &&Entry| {
        entry.answer == Answer::Done && entry.answered_us + LEASE_US <= request.sent_us
    };
    let of_sku = || evidence.entries.iter().filter(|it| it.sku == good.sku);
    // A restock that was acknowledged twice was added once.
    let restocked: BTreeMap<_, _> = of_sku()
        .filter(|entry| entry.ask == Ask::Restock)
        .filter(settled)
        .map(|entry| (entry.key.as_str(), entry.units))
        .collect();
    let cancelled: BTreeSet<_> = of_sku()
        .filter(settled)
        .filter_map(|entry| match &entry.ask {
            Ask::Cancel { order_id } => Some(order_id.as_str()),
            _ => None,
        })
        .collect();
    let orders = evidence.books.orders.iter();
    let sold_units: i64 = orders
        .filter(|order| order.sku == good.sku)
        .filter(|order| order.created_us <= request.answered_us + CLOCK_US)
        .filter(|order| !cancelled.contains(order.order_id.as_str()))
        .map(|order| order.units)
        .sum();
    let initial_units = i64::try_from(good.units).unwrap_or(i64::MAX);
    initial_units + restocked.values().sum::<i64>() - sold_units
}

/// Whether an instance that said "sold out" may not have heard yet that units were added at
/// another: the one thing that a latch may be late for.
pub(super) fn may_not_have_heard(evidence: &Evidence, refusal: &Entry) -> bool {
    let added_elsewhere = |entry: &Entry| {
        entry.ask != Ask::Order
            && entry.sku == refusal.sku
            && entry.instance != refusal.instance
    };
    refusal.answer == Answer::SoldOut
        && evidence.entries.iter().any(|entry| {
            added_elsewhere(entry)
                && entry.sent_us <= refusal.answered_us
                && refusal.sent_us <= entry.answered_us + DEAF_US
        })
}
