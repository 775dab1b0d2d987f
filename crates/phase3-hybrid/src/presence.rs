//! How the lanes fare: whether anybody can be sold anything.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flash_core::reason;
use flash_db::DbError;

use crate::metrics::METRICS;

/// PostgreSQL does not let this lane in, or lets it write nothing.
const AWAY: u8 = 1;

/// The transaction of this lane does not end.
const STUCK: u8 = 2;

/// How many causes are remembered; more than that in one go is one cause with changing
/// details.
const CAUSES_MAX: usize = 10;

/// The state of all lanes. Each cause of trouble stands in the log once, until all lanes
/// fare well again.
pub(crate) struct Presence {
    lanes: Box<[AtomicU8]>,
    told: Mutex<HashSet<String>>,
}

impl Presence {
    pub(crate) fn new(lanes: usize) -> Self {
        Self {
            lanes: (0..lanes).map(|_| AtomicU8::new(0)).collect(),
            told: Mutex::default(),
        }
    }

    /// Whether no lane has a PostgreSQL to sell from.
    pub(crate) fn is_away(&self) -> bool {
        let away = |lane: &AtomicU8| lane.load(Ordering::Relaxed) & AWAY != 0;
        self.lanes.iter().all(away)
    }

    /// Whether a lane could sell now.
    pub(crate) fn is_selling(&self) -> bool {
        let well = |lane: &AtomicU8| lane.load(Ordering::Relaxed) == 0;
        self.lanes.iter().any(well)
    }

    /// A lane cannot work, for this reason.
    pub(crate) fn away(&self, lane: usize, error: &DbError) {
        self.set(lane, AWAY);
        METRICS.postgresql_away.set(i64::from(self.is_away()));
        let reason = reason(error);
        let mut told = self.told();
        if told.len() < CAUSES_MAX && !told.contains(&reason) {
            tracing::warn!(reason, "PostgreSQL cannot be sold from");
            told.insert(reason);
        }
    }

    /// A lane can work.
    pub(crate) fn back(&self, lane: usize) {
        if self.clear(lane, AWAY) {
            METRICS.postgresql_away.set(i64::from(self.is_away()));
            self.tell_well("PostgreSQL can be sold from again");
        }
    }

    /// Says that the transaction of a lane does not end, until this is dropped.
    pub(crate) fn stuck(&self, lane: usize) -> Stuck<'_> {
        let waits = "a transaction does not end: PostgreSQL waits for a lock, a disk or a \
                     standby";
        self.set(lane, STUCK);
        METRICS.lanes_stuck.inc();
        let mut told = self.told();
        if told.insert(waits.to_owned()) {
            tracing::warn!("{waits}");
        }
        Stuck {
            presence: self,
            lane,
        }
    }

    fn tell_well(&self, what: &str) {
        let is_well = |lane: &AtomicU8| lane.load(Ordering::Relaxed) == 0;
        let mut told = self.told();
        if self.lanes.iter().all(is_well) && !told.is_empty() {
            tracing::warn!("{what}");
            told.clear();
        }
    }

    fn set(&self, lane: usize, flag: u8) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.fetch_or(flag, Ordering::Relaxed);
        }
    }

    /// Whether the flag was set.
    fn clear(&self, lane: usize, flag: u8) -> bool {
        let lane = self.lanes.get(lane);
        // Asked after every batch, so only read as a rule.
        lane.is_some_and(|lane| {
            lane.load(Ordering::Relaxed) & flag != 0
                && lane.fetch_and(!flag, Ordering::Relaxed) & flag != 0
        })
    }

    fn told(&self) -> MutexGuard<'_, HashSet<String>> {
        // Nothing panics while it holds the lock.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lane whose transaction does not end.
pub(crate) struct Stuck<'a> {
    presence: &'a Presence,
    lane: usize,
}

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.presence.clear(self.lane, STUCK);
        METRICS.lanes_stuck.dec();
        self.presence.tell_well("transactions end again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_buy_when_every_lane_is_away_or_stuck() {
        let presence = Presence::new(2);
        assert!(presence.is_selling());
        presence.away(0, &DbError::Silent);
        assert!(presence.is_selling(), "the other lane sells");
        let stuck = presence.stuck(1);
        assert!(!presence.is_selling());
        assert!(!presence.is_away(), "the stuck one may yet sell");
        drop(stuck);
        assert!(presence.is_selling());
        presence.away(1, &DbError::Silent);
        assert!(presence.is_away());
        presence.back(0);
        assert!(presence.is_selling() && !presence.is_away());
    }

    #[test]
    fn a_cause_is_told_once_until_all_lanes_fare_well() {
        let presence = Presence::new(2);
        presence.away(0, &DbError::Silent);
        presence.away(1, &DbError::Silent);
        assert_eq!(presence.told().len(), 1);
        presence.back(0);
        assert_eq!(
            presence.told().len(),
            1,
            "lane 1 is away for the same cause"
        );
        presence.back(1);
        assert!(presence.told().is_empty());
    }
}
