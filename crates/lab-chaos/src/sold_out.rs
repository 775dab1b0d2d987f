//! Whether "sold out" was true.

use std::collections::{BTreeMap, BTreeSet};

use flash_lab_crowd::Rule;

use crate::evidence::{Evidence, Promise, Violation};
use crate::journal::{Answer, Ask, Entry};
use crate::schedule::PlannedSku;

/// After units were added, "sold out" may still be said for this long: a latch that does
/// not hear of them counts for one second, and the answer takes its time.
const LEASE_US: i64 = 1_500_000;

/// How old what a gate of phase 3 was loaded with may be beyond its lifetime: a server may be
/// stopped, or its stores slow, between its look at PostgreSQL and its word to Redis.
const STALE_US: i64 = 2_000_000;

/// How long after its buyer has gone a request may still be admitted: as long as a server may
/// work on it, or be stopped.
const ADMITTED_US: i64 = 3_000_000;

/// A request that took less was not tried twice.
const TWICE_US: i64 = 50_000;

/// How long a request of phase 3 may go on after its buyer has gone: the server may be stopped
/// meanwhile, and PostgreSQL waits for 5 s for a process that does not end.
const GOES_ON_US: i64 = 10_000_000;

/// Clocks of two processes on one machine are read one after the other.
const CLOCK_US: i64 = 50_000;

/// Counts for each "sold out" what was certainly there while it was asked for: what was
/// acknowledged as added well before, minus everything that may have been sold by then.
pub(crate) fn false_ones(evidence: &Evidence) -> Vec<Violation> {
    evidence
        .skus
        .iter()
        .flat_map(|planned| {
            let mut refusals = evidence
                .entries
                .iter()
                .filter(|entry| entry.sku == planned.sku && entry.answer.is_sold_out())
                .filter(|entry| !is_of_an_emptied_gate(evidence, entry));
            // One for each SKU tells enough.
            refusals.find_map(|refusal| {
                let least_units = least_units(evidence, planned, refusal);
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
fn least_units(evidence: &Evidence, planned: &PlannedSku, request: &Entry) -> i64 {
    let lease_us = gate_us(evidence).unwrap_or(LEASE_US);
    let settled = |entry: &&Entry| {
        entry.answer == Answer::Done && entry.answered_us + lease_us <= request.sent_us
    };
    let of_sku = || evidence.entries.iter().filter(|it| it.sku == planned.sku);
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
        .filter(|order| order.sku == planned.sku)
        .filter(|order| order.created_us <= request.answered_us + CLOCK_US)
        .filter(|order| !cancelled.contains(order.order_id.as_str()))
        .map(|order| order.units)
        .sum();
    let initial_units = i64::try_from(planned.units).unwrap_or(i64::MAX);
    initial_units + restocked.values().sum::<i64>()
        - sold_units
        - held_units(evidence, request)
}

/// How long a gate may say what it was loaded with; none where no gate says "sold out".
fn gate_us(evidence: &Evidence) -> Option<i64> {
    match evidence.promise {
        Promise::Exact => None,
        Promise::UntilGateExpires { lifetime_us } => Some(lifetime_us + STALE_US),
    }
}

/// The most that other requests can have kept from a request in the gate that it met, beside
/// what they bought: whoever is admitted may hold a permit until the gate expires, whatever
/// became of it. Only a refusal by the gate itself holds nothing; but a server tries twice
/// where its connection to PostgreSQL breaks, and the first try may have been admitted.
fn held_units(evidence: &Evidence, request: &Entry) -> i64 {
    let Some(gate_us) = gate_us(evidence) else {
        return 0;
    };
    let name = |entry: &Entry| (entry.buyer.clone(), entry.key.clone());
    let orders = evidence.books.orders.iter();
    let bought: BTreeMap<_, _> = orders
        .filter(|order| order.created_us <= request.answered_us + CLOCK_US)
        .map(|order| {
            let name = (order.buyer_id.clone(), order.idempotency_key.clone());
            (name, order.created_us)
        })
        .collect();
    // Who asks again for what is bought may be admitted once more by a gate that does not
    // know of it.
    let buys = |entry: &Entry| {
        let created_us = bought.get(&name(entry));
        created_us.is_some_and(|created_us| entry.sent_us <= *created_us)
    };
    let held: BTreeMap<_, _> = evidence
        .entries
        .iter()
        .filter(|it| it.sku == request.sku && it.ask == Ask::Order)
        .filter(|it| it.sent_us <= request.answered_us)
        .filter(|it| {
            let is_once = it.answered_us - it.sent_us < TWICE_US;
            let after_us = match it.answer {
                Answer::SoldOut if is_once => 0,
                Answer::Lost | Answer::Again(_) => gate_us + ADMITTED_US,
                _ => gate_us,
            };
            it.answered_us + after_us >= request.sent_us
        })
        .filter(|it| !buys(it))
        .map(|it| (name(it), it.units))
        .collect();
    let own = held.get(&name(request)).copied().unwrap_or_default();
    held.values().sum::<i64>() - own
}

/// Whether a gate of phase 3 that was set to nothing may have lived when it refused.
fn is_of_an_emptied_gate(evidence: &Evidence, refusal: &Entry) -> bool {
    let mut emptied = evidence.emptied_us.iter();
    gate_us(evidence).is_some_and(|gate_us| {
        refusal.answer == Answer::SoldOut
            && emptied.any(|(from_us, to_us)| {
                *from_us <= refusal.answered_us && refusal.sent_us <= to_us + gate_us
            })
    })
}

/// Whether a refusal may be by a gate that did not hear of an order, because it was loaded
/// before that was there: the one way in which phase 3 refuses its owner.
pub(crate) fn is_of_an_older_gate(
    evidence: &Evidence,
    refusal: &Entry,
    ordered_us: i64,
) -> bool {
    gate_us(evidence).is_some_and(|gate_us| {
        refusal.answer == Answer::SoldOut
            && refusal.sent_us <= ordered_us + gate_us
            && ordered_us <= refusal.answered_us + GOES_ON_US
    })
}

/// Whether an order of phase 3 may be that of a request which its buyer had given up, and
/// which went on while the same one was asked for once more and refused.
pub(crate) fn may_be_overtaken(
    evidence: &Evidence,
    refusal: &Entry,
    ordered_us: i64,
) -> bool {
    let during_us = refusal.sent_us - CLOCK_US..=refusal.answered_us + GOES_ON_US;
    let goes_on = refusal.answer.is_sold_out() && during_us.contains(&ordered_us);
    is_of_an_older_gate(evidence, refusal, ordered_us)
        || (goes_on && gate_us(evidence).is_some())
}

/// Whether an instance that said "sold out" may not have heard yet that units were added at
/// another: the one thing that a latch may be late for.
pub(crate) fn may_not_have_heard(evidence: &Evidence, refusal: &Entry) -> bool {
    let added_elsewhere = |entry: &Entry| {
        entry.ask != Ask::Order
            && entry.sku == refusal.sku
            && entry.instance != refusal.instance
    };
    refusal.answer.is_sold_out()
        && evidence.entries.iter().any(|entry| {
            added_elsewhere(entry)
                && entry.sent_us <= refusal.answered_us
                && refusal.sent_us <= entry.answered_us + LEASE_US
        })
}

/// Whether units were added after a refusal, so that it was true, and a request that was on
/// its way may have been sold them.
pub(crate) fn was_added_to(evidence: &Evidence, refusal: &Entry) -> bool {
    refusal.answer.is_sold_out()
        && evidence.entries.iter().any(|entry| {
            entry.ask != Ask::Order
                && entry.sku == refusal.sku
                && entry.answered_us >= refusal.sent_us
        })
}
