//! What one sale left behind: the numbers of the report and of the JSON.

use std::time::Duration;

use flash_core::{Audit, Verdict};
use serde::Serialize;

use crate::outcome::Outcome;
use crate::seller::Seller;

/// How many buyers had which outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Buyers with an order.
    pub accepted: u32,
    /// Buyers who were told that there is nothing left.
    pub sold_out: u32,
    /// Buyers who were told that they have enough.
    pub limit_reached: u32,
    /// Buyers who were told to come again.
    pub busy: u32,
    /// Buyers for whom nothing was done.
    pub failed: u32,
    /// Buyers who cannot know.
    pub unknown: u32,
}

impl Outcomes {
    /// Counts one more.
    pub fn add(&mut self, outcome: Outcome) {
        let class = match outcome {
            Outcome::Accepted => &mut self.accepted,
            Outcome::SoldOut => &mut self.sold_out,
            Outcome::LimitReached => &mut self.limit_reached,
            Outcome::Busy => &mut self.busy,
            Outcome::Failed => &mut self.failed,
            Outcome::Unknown => &mut self.unknown,
        };
        *class += 1;
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.accepted + self.sold_out + self.limit_reached + self.without_answer()
    }

    /// Those who learned neither that they have it nor that they cannot.
    pub(crate) fn without_answer(&self) -> u32 {
        self.busy + self.failed + self.unknown
    }
}

/// How long buyers waited, in milliseconds from the release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half of them waited at most this long.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// Ninety-nine of a hundred.
    pub p99: f64,
    /// 999 of a thousand, where so many were measured that it says something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p999: Option<f64>,
    /// All of them.
    pub max: f64,
}

impl Latency {
    /// Sums up what buyers waited; all zero where nobody did.
    #[must_use]
    pub fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        // The nearest rank: the smallest value that so many percent do not exceed.
        Self::at(|percent| {
            let rank = (latencies.len() * usize::from(percent)).div_ceil(100);
            let value = latencies.get(rank.saturating_sub(1));
            millis(value.copied().unwrap_or_default())
        })
    }

    /// Asks how long so many percent waited at most.
    pub fn at(percentile: impl Fn(u8) -> f64) -> Self {
        Self {
            p50: percentile(50),
            p90: percentile(90),
            p99: percentile(99),
            p999: None,
            max: percentile(100),
        }
    }
}

/// Milliseconds, exact to the microsecond.
#[must_use]
pub fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// What became of all buyers.
#[derive(Debug, Default)]
pub struct Sale {
    /// How many of each.
    pub outcomes: Outcomes,
    /// From the release to the answer, in no order; without buyers who never came to ask.
    pub latencies: Vec<Duration>,
    /// From the release to the last answer.
    pub elapsed: Duration,
}

impl Sale {
    /// What a sale to so many was, once it is counted.
    pub fn counted(
        self,
        seller: &Seller,
        (units, buyers): (u32, u32),
        audit: Audit,
    ) -> Run {
        Run {
            seller: seller.clone(),
            units,
            buyers,
            undersold_units: undersold_units(&self.outcomes, &audit),
            outcomes: self.outcomes,
            elapsed_ms: millis(self.elapsed),
            latency_ms: Latency::of(self.latencies),
            audit,
        }
    }
}

/// One sale of one strategy.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Who sold, by name.
    #[serde(rename = "strategy")]
    pub seller: Seller,
    /// Units for sale.
    pub units: u32,
    /// Buyers who each wanted one.
    pub buyers: u32,
    /// What they were told.
    #[serde(flatten)]
    pub outcomes: Outcomes,
    /// Units left although buyers were turned away.
    pub undersold_units: i64,
    /// From the release to the last answer, in milliseconds.
    pub elapsed_ms: f64,
    /// How long buyers waited.
    pub latency_ms: Latency,
    /// What the stores say.
    pub audit: Audit,
}

/// Units of live orders.
#[must_use]
pub fn live_units(audit: &Audit) -> i64 {
    audit.accepted_units - audit.cancelled_units
}

/// Whether everybody was answered, nobody refused while units were left, and each unit
/// sold once.
pub(crate) fn is_sold_exactly(run: &Run) -> bool {
    run.audit.verdict == Verdict::Exact
        && run.undersold_units == 0
        && run.outcomes.without_answer() == 0
        && live_units(&run.audit) == i64::from(run.units.min(run.buyers))
}

/// Supply − live where a buyer was told "sold out", else 0. A buyer who is told "busy"
/// or gets no answer is not turned away: the same request may still be accepted.
fn undersold_units(outcomes: &Outcomes, audit: &Audit) -> i64 {
    let supply = audit.initial_units + audit.restocked_units;
    match outcomes.sold_out {
        0 => 0,
        _ => (supply - live_units(audit)).max(0),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::PathBuf;

    use flash_core::{AuditCounts, Sku};
    use strum::IntoEnumIterator;

    use super::*;
    use crate::cli::Strategy;

    pub(crate) fn told(accepted: u32, sold_out: u32) -> Outcomes {
        Outcomes {
            accepted,
            sold_out,
            ..Outcomes::default()
        }
    }

    /// A sale of so many units to so many buyers, with what they were told, the orders that
    /// there are, and what the stock row says.
    pub(crate) fn sale(
        strategy: Strategy,
        (units, buyers): (u32, u32),
        outcomes: Outcomes,
        (orders, available_units): (i64, i64),
    ) -> Run {
        let counts = AuditCounts {
            sku: Sku::new("demo").expect("a valid sku"),
            initial_units: units.into(),
            restocked_units: 0,
            accepted_units: orders,
            cancelled_units: 0,
            available_units,
            duplicate_keys: 0,
            limit_overruns: 0,
            gate_free_units: None,
        };
        let sale = Sale {
            outcomes,
            ..Sale::default()
        };
        let seller = Seller::of_server(PathBuf::new(), strategy);
        sale.counted(&seller, (units, buyers), counts.judge(None))
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured_and_latencies_need_no_order() {
        let waited = |all: &[u64]| {
            let all = all.iter().map(|ms| Duration::from_millis(*ms));
            let it = Latency::of(all.collect());
            [it.p50, it.p90, it.p99, it.max]
        };
        let many: Vec<_> = (1..=200).rev().collect();
        assert_eq!(waited(&many), [100.0, 180.0, 198.0, 200.0]);
        assert_eq!(waited(&[30, 10, 20]), [20.0, 30.0, 30.0, 30.0]);
        assert_eq!(waited(&[1]), [1.0; 4]);
        assert_eq!(waited(&[]), [0.0; 4]);
        assert_eq!(millis(Duration::from_nanos(1_234_567)), 1.235);
    }

    #[test]
    fn units_left_are_undersold_only_where_a_buyer_was_turned_away() {
        for (told, books, undersold) in [
            (told(97, 10), (97, 3), 3),
            (told(97, 0), (97, 3), 0),
            // An oversell is no negative undersell.
            (told(912, 88), (912, 12), 0),
        ] {
            let run = sale(Strategy::Naive, (100, 1000), told, books);
            assert_eq!(run.undersold_units, undersold);
        }
    }

    #[test]
    fn each_outcome_is_counted_once() {
        let mut outcomes = Outcomes::default();
        Outcome::iter().for_each(|outcome| outcomes.add(outcome));
        assert_eq!((outcomes.total(), outcomes.without_answer()), (6, 3));
    }
}
