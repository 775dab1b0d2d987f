//! What a run will do, drawn from its seed before anything is started.

use std::ops::{Range, RangeInclusive};

use fastrand::Rng;
use serde::Serialize;

use crate::fault::Fault;

/// How long buyers start new purchases.
pub(crate) const SALE_MS: u64 = 2_500;

/// The first fault comes when the crowd is there, the last one just before it leaves.
const FAULTS_MS: Range<u64> = 50..SALE_MS - 100;

/// How many faults, and how many restocks, a run has.
const FAULTS: RangeInclusive<u64> = 4..=9;
const RESTOCKS: RangeInclusive<u64> = 4..=12;

/// Everything about a run that is settled before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Plan {
    /// Where it all comes from.
    pub(crate) seed: u64,
    /// How many buyers there are.
    pub(crate) buyers: u64,
    /// The longest pause of a buyer between two purchases.
    pub(crate) pause_ms: u64,
    /// What is sold.
    pub(crate) skus: Vec<PlannedSku>,
    /// What is added meanwhile.
    pub(crate) restocks: Vec<PlannedRestock>,
    /// What breaks, in the order of time.
    pub(crate) faults: Vec<PlannedFault>,
}

/// One SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PlannedSku {
    /// Its name.
    pub(crate) sku: String,
    /// Units at the start.
    pub(crate) units: i64,
    /// The most units of one buyer.
    pub(crate) limit: Option<i64>,
}

#[cfg(test)]
impl PlannedSku {
    pub(crate) fn tee(units: i64, limit: Option<i64>) -> Self {
        let sku = "tee".to_owned();
        Self { sku, units, limit }
    }
}

/// Units that are added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PlannedRestock {
    /// When it is first sent.
    pub(crate) at_ms: u64,
    /// The SKU, by its number.
    pub(crate) sku: usize,
    /// How many.
    pub(crate) units: i64,
}

/// A fault and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct PlannedFault {
    /// When it begins.
    pub(crate) at_ms: u64,
    /// What breaks.
    pub(crate) fault: Fault,
}

/// Draws a run. The faults of Redis are left out where it is not used; the others stay
/// the same.
pub(crate) fn draw(seed: u64, with_redis: bool) -> Plan {
    let mut rng = Rng::with_seed(seed);
    let skus = draw_skus(&mut rng, seed);
    let restocks = (0..rng.u64(RESTOCKS))
        .map(|_| PlannedRestock {
            at_ms: rng.u64(FAULTS_MS),
            sku: rng.usize(..skus.len()),
            units: rng.i64(1..=40),
        })
        .collect();
    let mut faults: Vec<_> = (0..rng.u64(FAULTS))
        .map(|_| PlannedFault {
            at_ms: rng.u64(FAULTS_MS),
            fault: Fault::draw(&mut rng),
        })
        .collect();
    faults.retain(|planned| with_redis || !planned.fault.needs_redis());
    faults.sort_by_key(|planned| planned.at_ms);
    Plan {
        seed,
        buyers: rng.u64(64..=256),
        pause_ms: rng.u64(20..=200),
        skus,
        restocks,
        faults,
    }
}

fn draw_skus(rng: &mut Rng, seed: u64) -> Vec<PlannedSku> {
    let units = [1..=1, 150..=400, 5..=30, 30..=120, 2..=5];
    let count = rng.usize(3..=units.len());
    let units = units.into_iter().take(count).enumerate();
    units
        .map(|(number, units)| PlannedSku {
            sku: format!("chaos-{seed}-{number}"),
            units: rng.i64(units),
            limit: (rng.u64(0..10) < 4).then(|| rng.i64(1..=4)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_plan_of_which_other_faults_stay_without_redis() {
        let (all, mut some) = (draw(3, true), draw(3, false));
        assert_eq!(all, draw(3, true));
        assert_ne!(all.faults, draw(4, true).faults);
        assert_ne!(all, some);
        let mut kept = all.faults.clone();
        kept.retain(|planned| !planned.fault.needs_redis());
        assert_eq!(some.faults, kept);
        some.faults.clone_from(&all.faults);
        assert_eq!(some, all);
    }
}
