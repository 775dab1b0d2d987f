//! Whether "sold out" was true.

use std::collections::BTreeMap;

use flash_lab_crowd::Rule;

use crate::evidence::{Evidence, Purchase, Violation};
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

impl Evidence {
    /// Counts for each "sold out" what was certainly there while it was asked for: what was
    /// acknowledged as added well before, minus everything that may have been sold by then.
    /// One for each SKU tells enough.
    pub(crate) fn false_sold_out(
        &self,
        purchases: &[Purchase<'_>],
        planned: &PlannedSku,
    ) -> Option<Violation> {
        let of_sku = self.entries.iter().filter(|it| it.wish.sku == planned.sku);
        let mut refusals = of_sku
            .filter(|it| it.answer.is_sold_out() && !self.is_of_an_emptied_gate(it));
        refusals.find_map(|refusal| {
            let wanted_units = refusal.wish.units;
            let least_units = self.least_units(planned, refusal)
                - self.held_units(purchases, refusal);
            let what = format!(
                "sold out was told for {wanted_units} units, but at least {least_units} \
                 were free"
            );
            (least_units >= wanted_units)
                .then(|| Violation::of(Rule::FalseSoldOut, &refusal.wish, what))
        })
    }

    /// The least that can have been available at any time while a request was under way, were
    /// nothing held.
    fn least_units(&self, planned: &PlannedSku, request: &Entry) -> i64 {
        let lease_us = self.gate_us().unwrap_or(LEASE_US);
        let settled = self.entries.iter().filter(|it| {
            it.wish.sku == planned.sku
                && it.answer == Answer::Done
                && it.answered_us + lease_us <= request.sent_us
        });
        // What was acknowledged twice was done once.
        let done: BTreeMap<_, _> = settled
            .map(|it| match &it.wish.ask {
                Ask::Cancel(order_id) => (order_id, 0),
                _ => (&it.wish.key, it.wish.units),
            })
            .collect();
        let orders = self.orders.iter();
        let sold_units: i64 = orders
            .filter(|it| it.sku == planned.sku && !done.contains_key(&it.order_id))
            .filter(|it| it.created_us <= request.answered_us + CLOCK_US)
            .map(|it| it.units)
            .sum();
        planned.units + done.values().sum::<i64>() - sold_units
    }

    /// The most that other requests can have kept from a request in the gate that it met,
    /// beside what they bought: whoever is admitted may hold a permit until the gate expires,
    /// whatever became of it. Only a refusal by the gate itself holds nothing; but a server
    /// tries twice where its connection to PostgreSQL breaks, and the first try may have been
    /// admitted.
    fn held_units(&self, purchases: &[Purchase<'_>], request: &Entry) -> i64 {
        let Some(gate_us) = self.gate_us() else {
            return 0;
        };
        let may_hold = |it: &Entry| {
            let is_once = it.answered_us - it.sent_us < TWICE_US;
            let after_us = match it.answer {
                Answer::SoldOut if is_once => 0,
                Answer::Lost | Answer::Again(_) => gate_us + ADMITTED_US,
                _ => gate_us,
            };
            it.wish.sku == request.wish.sku
                && it.sent_us <= request.answered_us
                && it.answered_us + after_us >= request.sent_us
        };
        let others = purchases.iter().filter(|it| it.name != request.wish.name());
        let holding = others.flat_map(|purchase| {
            let mut attempts = purchase.attempts.iter();
            attempts.find(|attempt| {
                // Who asks again for what is bought may be admitted once more by a gate that
                // does not know of it.
                let buys = purchase.orders.iter().any(|order| {
                    order.created_us <= request.answered_us + CLOCK_US
                        && attempt.sent_us <= order.created_us
                });
                may_hold(attempt) && !buys
            })
        });
        holding.map(|it| it.wish.units).sum()
    }

    /// How long a gate may say what it was loaded with; none where no gate says "sold out".
    fn gate_us(&self) -> Option<i64> {
        Some(self.gate_lifetime_us? + STALE_US)
    }

    /// Whether a gate of phase 3 that was set to nothing may have lived when it refused.
    fn is_of_an_emptied_gate(&self, refusal: &Entry) -> bool {
        let mut emptied = self.emptied_us.iter();
        self.gate_us().is_some_and(|gate_us| {
            refusal.answer == Answer::SoldOut
                && emptied.any(|(from_us, to_us)| {
                    *from_us <= refusal.answered_us
                        && refusal.sent_us <= to_us + gate_us
                })
        })
    }

    /// Whether a refusal may be by a gate that did not hear of an order, because it was loaded
    /// before that was there: the one way in which phase 3 refuses its owner.
    pub(crate) fn is_of_an_older_gate(&self, refusal: &Entry, ordered_us: i64) -> bool {
        self.gate_us().is_some_and(|gate_us| {
            refusal.answer == Answer::SoldOut
                && refusal.sent_us <= ordered_us + gate_us
                && ordered_us <= refusal.answered_us + GOES_ON_US
        })
    }

    /// Whether an order of phase 3 may be that of a request which its buyer had given up, and
    /// which went on while the same one was asked for once more and refused.
    pub(crate) fn may_be_overtaken(&self, refusal: &Entry, ordered_us: i64) -> bool {
        let during_us = refusal.sent_us - CLOCK_US..=refusal.answered_us + GOES_ON_US;
        let goes_on = refusal.answer.is_sold_out() && during_us.contains(&ordered_us);
        self.is_of_an_older_gate(refusal, ordered_us)
            || (goes_on && self.gate_us().is_some())
    }

    /// Whether an instance that said "sold out" may not have heard yet that units were added
    /// at another: the one thing that a latch may be late for.
    pub(crate) fn may_not_have_heard(&self, refusal: &Entry) -> bool {
        self.additions(refusal).any(|it| {
            it.instance != refusal.instance
                && it.sent_us <= refusal.answered_us
                && refusal.sent_us <= it.answered_us + LEASE_US
        })
    }

    /// Whether units were added after a refusal, so that it was true, and a request that was
    /// on its way may have been sold them.
    pub(crate) fn was_added_to(&self, refusal: &Entry) -> bool {
        let mut additions = self.additions(refusal);
        additions.any(|it| it.answered_us >= refusal.sent_us)
    }

    /// Who added units, or tried to, where "sold out" was told.
    fn additions(&self, refusal: &Entry) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|it| {
            refusal.answer.is_sold_out()
                && it.wish.ask != Ask::Order
                && it.wish.sku == refusal.wish.sku
        })
    }
}
