//! How the lanes fare: whether anybody can be sold anything.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flash_core::reason;
use flash_db::DbError;

use crate::metrics::METRICS;

/// This lane has no connection that it could sell over.
const AWAY: u8 = 1;

/// The transaction of this lane does not end.
const STUCK: u8 = 2;

/// Over a fresh connection PostgreSQL let this lane write nothing, and would let no other.
const REFUSED: u8 = 4;

/// How many causes are remembered; more than that in one go is one cause with changing
/// details.
const CAUSES_MAX: usize = 10;

/// The state of all lanes. Each cause of trouble stands in the log once, until all lanes
/// fare well again.
pub(crate) struct Presence {
    lanes: Box<[AtomicU8]>,
    told: Mutex<HashSet<String>>,
    /// Whether any was told, for those who are in a hurry.
    any_told: AtomicBool,
}

impl Presence {
    pub(crate) fn new(lanes: usize) -> Self {
        Self {
            lanes: (0..lanes).map(|_| AtomicU8::new(0)).collect(),
            told: Mutex::default(),
            any_told: AtomicBool::new(false),
        }
    }

    /// Whether no lane has a PostgreSQL to sell from.
    pub(crate) fn is_away(&self) -> bool {
        let away = |lane: &AtomicU8| lane.load(Ordering::Relaxed) & AWAY != 0;
        self.lanes.iter().all(away)
    }

    /// Whether a lane could sell now.
    pub(crate) fn is_selling(&self) -> bool {
        let state = |lane: &AtomicU8| lane.load(Ordering::Relaxed);
        self.lanes.iter().any(|lane| state(lane) == 0)
            && self.lanes.iter().all(|lane| state(lane) & REFUSED == 0)
    }

    /// A lane cannot work, for this reason.
    pub(crate) fn away(&self, lane: usize, error: &DbError) {
        self.set(lane, AWAY);
        METRICS.postgresql_away.set(i64::from(self.is_away()));
        self.tell(error);
    }

    /// PostgreSQL lets a lane in and lets it write nothing, for this reason.
    pub(crate) fn refused(&self, lane: usize, error: &DbError) {
        self.set(lane, REFUSED);
        self.away(lane, error);
    }

    /// Says in the log what keeps a lane from selling.
    pub(crate) fn tell(&self, error: &DbError) {
        self.tell_cause(reason(error));
    }

    /// A lane has sold, or could.
    pub(crate) fn back(&self, lane: usize) {
        if self.clear(lane, AWAY | REFUSED) {
            METRICS.postgresql_away.set(i64::from(self.is_away()));
        }
        if self.any_told.load(Ordering::Relaxed) {
            self.tell_well();
        }
    }

    /// Says that the transaction of a lane does not end, until this is dropped.
    pub(crate) fn stuck(&self, lane: usize) -> Stuck<'_> {
        let waits = "a transaction does not end: PostgreSQL waits for a lock, a disk or a \
                     standby";
        self.set(lane, STUCK);
        METRICS.lanes_stuck.inc();
        self.tell_cause(waits.to_owned());
        Stuck {
            presence: self,
            lane,
        }
    }

    fn tell_cause(&self, cause: String) {
        let mut told = self.told();
        if !told.contains(&cause) && told.len() < CAUSES_MAX {
            tracing::warn!(cause, "PostgreSQL cannot be sold from");
            told.insert(cause);
            self.any_told.store(true, Ordering::Relaxed);
        }
    }

    fn tell_well(&self) {
        let is_well = |lane: &AtomicU8| lane.load(Ordering::Relaxed) == 0;
        let mut told = self.told();
        if self.lanes.iter().all(is_well) && !told.is_empty() {
            tracing::warn!("PostgreSQL can be sold from again");
            told.clear();
            self.any_told.store(false, Ordering::Relaxed);
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
        presence.refused(0, &DbError::Silent);
        assert!(
            !presence.is_selling(),
            "the other lane would be refused, too"
        );
        presence.back(0);
        presence.away(0, &DbError::Silent);
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
