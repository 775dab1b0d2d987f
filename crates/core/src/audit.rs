//! The arithmetic of the judge. It knows sums, not strategies.

use serde::Serialize;

use crate::Sku;

/// What an audit counted in the stores, before any judgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCounts {
    /// What was audited.
    pub sku: Sku,
    /// Units on sale at the start.
    pub initial_units: i64,
    /// Units added since.
    pub restocked_units: i64,
    /// Units of all orders ever accepted, cancelled ones included.
    pub accepted_units: i64,
    /// Units of the cancelled orders.
    pub cancelled_units: i64,
    /// Units that the stock row says can still be sold.
    pub available_units: i64,
    /// Pairs of buyer and key that have more than one order.
    pub duplicate_keys: i64,
    /// Buyers who have more units than the SKU's limit per buyer.
    pub limit_overruns: i64,
    /// Units that Redis says are free, where Redis is used and knows the SKU.
    pub gate_free_units: Option<i64>,
}

/// The one-word result of an audit, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Duplicate orders, overrun limits or negative stock.
    Violated,
    /// More units live in orders than were ever supplied.
    Oversold,
    /// Supply, orders and available units do not add up.
    Drifted,
    /// Every unit is accounted for.
    Exact,
}

/// The audited books of one SKU.
///
/// # Units
///
/// With supply = initial + restocked and live = accepted − cancelled:
/// `oversold_units` = max(0, live − supply) and
/// `unaccounted_units` = supply − live − available. Where that is negative, decrements were
/// lost, and `lost_updates` is their number; where it is positive, units were lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(example = json!({
    "sku": "tee", "strategy": "engine", "initial_units": 100, "restocked_units": 0,
    "accepted_units": 100, "cancelled_units": 0, "available_units": 0,
    "oversold_units": 0, "unaccounted_units": 0, "lost_updates": 0,
    "negative_stock": false, "duplicate_keys": 0, "limit_overruns": 0,
    "gate_drift_units": 0, "verdict": "exact"
})))]
pub struct Audit {
    /// What was audited.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub sku: Sku,
    /// The strategy that sold it, where the auditor knows it.
    #[cfg_attr(feature = "schema", schema(required))]
    pub strategy: Option<String>,
    /// Units on sale at the start.
    pub initial_units: i64,
    /// Units added since.
    pub restocked_units: i64,
    /// Units of all orders ever accepted, cancelled ones included.
    pub accepted_units: i64,
    /// Units of the cancelled orders.
    pub cancelled_units: i64,
    /// Units that the stock row says can still be sold.
    pub available_units: i64,
    /// Units sold beyond the supply.
    pub oversold_units: i64,
    /// Supply − live − available; 0 when the books balance.
    pub unaccounted_units: i64,
    /// Units sold whose decrement the stock row does not show: max(0, −unaccounted).
    pub lost_updates: i64,
    /// Whether the stock row is below zero.
    pub negative_stock: bool,
    /// Pairs of buyer and key that have more than one order.
    pub duplicate_keys: i64,
    /// Buyers who have more units than the SKU's limit per buyer.
    pub limit_overruns: i64,
    /// Redis' free units − PostgreSQL's available units, at rest; null without Redis.
    #[cfg_attr(feature = "schema", schema(required))]
    pub gate_drift_units: Option<i64>,
    /// The result in one word.
    pub verdict: Verdict,
}

impl AuditCounts {
    /// Units in orders that are not cancelled.
    #[must_use]
    pub fn live_units(&self) -> i64 {
        self.accepted_units - self.cancelled_units
    }

    /// Units that could ever be sold.
    #[must_use]
    pub fn supply_units(&self) -> i64 {
        self.initial_units + self.restocked_units
    }

    /// Judges the counts; `strategy` is recorded, not used.
    #[must_use]
    pub fn judge(self, strategy: Option<&str>) -> Audit {
        let oversold_units = (self.live_units() - self.supply_units()).max(0);
        let unaccounted_units =
            self.supply_units() - self.live_units() - self.available_units;
        let negative_stock = self.available_units < 0;

        let verdict =
            if self.duplicate_keys > 0 || self.limit_overruns > 0 || negative_stock {
                Verdict::Violated
            } else if oversold_units > 0 {
                Verdict::Oversold
            } else if unaccounted_units != 0 {
                Verdict::Drifted
            } else {
                Verdict::Exact
            };

        Audit {
            strategy: strategy.map(str::to_owned),
            initial_units: self.initial_units,
            restocked_units: self.restocked_units,
            accepted_units: self.accepted_units,
            cancelled_units: self.cancelled_units,
            available_units: self.available_units,
            oversold_units,
            unaccounted_units,
            lost_updates: (-unaccounted_units).max(0),
            negative_stock,
            duplicate_keys: self.duplicate_keys,
            limit_overruns: self.limit_overruns,
            gate_drift_units: self.gate_free_units.map(|f| f - self.available_units),
            verdict,
            sku: self.sku,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(initial: i64, accepted: i64, available: i64) -> AuditCounts {
        AuditCounts {
            sku: Sku::new("tee").expect("a valid sku"),
            initial_units: initial,
            restocked_units: 0,
            accepted_units: accepted,
            cancelled_units: 0,
            available_units: available,
            duplicate_keys: 0,
            limit_overruns: 0,
            gate_free_units: None,
        }
    }

    #[test]
    fn a_sale_that_adds_up_is_exact() {
        assert_eq!(counts(100, 100, 0).judge(None).verdict, Verdict::Exact);
        assert_eq!(counts(100, 60, 40).judge(None).verdict, Verdict::Exact);
        assert_eq!(counts(0, 0, 0).judge(None).verdict, Verdict::Exact);
    }

    #[test]
    fn the_naive_sale_is_oversold_and_its_lost_decrements_are_counted() {
        let audit = counts(100, 912, 12).judge(Some("naive"));
        assert_eq!(audit.verdict, Verdict::Oversold);
        assert_eq!(audit.oversold_units, 812);
        assert_eq!(audit.unaccounted_units, -824);
        assert_eq!(audit.lost_updates, 824);
        assert_eq!(audit.strategy.as_deref(), Some("naive"));
    }

    #[test]
    fn a_lost_unit_is_drift_and_not_oversell() {
        let audit = counts(100, 99, 0).judge(None);
        assert_eq!(audit.verdict, Verdict::Drifted);
        assert_eq!(audit.unaccounted_units, 1);
        assert_eq!(audit.lost_updates, 0);
        assert_eq!(audit.oversold_units, 0);
    }

    #[test]
    fn restock_adds_to_supply_and_cancelling_takes_from_live() {
        let mut books = counts(100, 120, 10);
        books.restocked_units = 20;
        books.cancelled_units = 10;
        assert_eq!(books.judge(None).verdict, Verdict::Exact);
    }

    #[test]
    fn each_violation_outranks_oversell() {
        let oversold = counts(100, 101, 0);
        for broken in [
            AuditCounts {
                duplicate_keys: 1,
                ..oversold.clone()
            },
            AuditCounts {
                limit_overruns: 1,
                ..oversold.clone()
            },
            AuditCounts {
                available_units: -1,
                ..oversold.clone()
            },
        ] {
            assert_eq!(broken.judge(None).verdict, Verdict::Violated);
        }
    }

    #[test]
    fn gate_drift_is_what_redis_has_more_than_postgresql() {
        let mut books = counts(100, 60, 40);
        books.gate_free_units = Some(38);
        assert_eq!(books.clone().judge(None).gate_drift_units, Some(-2));
        books.gate_free_units = None;
        assert_eq!(books.judge(None).gate_drift_units, None);
    }

    #[test]
    fn the_json_has_the_fields_of_the_contract() {
        let json = serde_json::to_value(counts(100, 100, 0).judge(Some("hybrid")))
            .expect("an audit is JSON");
        assert_eq!(
            json,
            serde_json::json!({
                "sku": "tee", "strategy": "hybrid", "initial_units": 100,
                "restocked_units": 0, "accepted_units": 100, "cancelled_units": 0,
                "available_units": 0, "oversold_units": 0, "unaccounted_units": 0,
                "lost_updates": 0, "negative_stock": false, "duplicate_keys": 0,
                "limit_overruns": 0, "gate_drift_units": null, "verdict": "exact"
            })
        );
    }

    #[test]
    fn exact_means_that_no_unit_is_missing_or_too_many() {
        const MOST: i64 = 12;
        for initial in 0..=MOST {
            for accepted in 0..=2 * MOST {
                for available in 0..=MOST {
                    let audit = counts(initial, accepted, available).judge(None);
                    let balance = initial - accepted - available;
                    assert_eq!(audit.verdict == Verdict::Exact, balance == 0);
                    assert_eq!(audit.lost_updates, (-balance).max(0));
                }
            }
        }
    }
}
