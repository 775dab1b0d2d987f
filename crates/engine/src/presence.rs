//! How the lanes fare: whether anybody can be sold anything.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use flash_core::reason;
use flash_db::DbError;
use parking_lot::Mutex;

use crate::metrics::METRICS;

/// How many causes are remembered; more than that in one go is one cause with changing
/// details.
const CAUSES_MAX: usize = 10;

/// What keeps a lane from selling.
#[derive(Clone, Default, PartialEq)]
struct Lane {
    /// It has no connection that it could sell over.
    is_away: bool,
    /// Over a fresh connection PostgreSQL let it write nothing, and would let no other.
    is_refused: bool,
    /// Its transaction does not end.
    is_stuck: bool,
}

/// The state of all lanes. Each cause of trouble stands in the log once, until all lanes
/// fare well again.
pub(crate) struct Presence {
    lanes: Mutex<Vec<Lane>>,
    told: Mutex<HashSet<String>>,
    /// Whether all lanes are away, for those who are in a hurry.
    is_away: AtomicBool,
}

impl Presence {
    pub(crate) fn new(lanes: usize) -> Self {
        Self {
            lanes: Mutex::new(vec![Lane::default(); lanes]),
            told: Mutex::default(),
            is_away: AtomicBool::new(false),
        }
    }

    /// Whether no lane has a PostgreSQL to sell from.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Whether a lane could sell now.
    pub(crate) fn is_selling(&self) -> bool {
        let lanes = self.lanes.lock();
        lanes.contains(&Lane::default()) && !lanes.iter().any(|it| it.is_refused)
    }

    /// A lane cannot work, for this reason.
    pub(crate) fn away(&self, lane: usize, error: &DbError) {
        self.change(lane, |it| it.is_away = true);
        self.tell(error);
    }

    /// PostgreSQL lets a lane in and lets it write nothing, for this reason.
    pub(crate) fn refused(&self, lane: usize, error: &DbError) {
        self.change(lane, |it| it.is_refused = true);
        self.away(lane, error);
    }

    /// Says in the log what keeps a lane from selling.
    pub(crate) fn tell(&self, error: &DbError) {
        self.tell_cause(reason(error));
    }

    /// A lane has sold, or could.
    pub(crate) fn back(&self, lane: usize) {
        let all_well = self.change(lane, |it| {
            it.is_away = false;
            it.is_refused = false;
        });
        let mut told = self.told.lock();
        if all_well && !told.is_empty() {
            tracing::warn!("PostgreSQL can be sold from again");
            told.clear();
        }
    }

    /// Says that the transaction of a lane does not end, until this is dropped.
    pub(crate) fn stuck(&self, lane: usize) -> Stuck<'_> {
        let waits = "a transaction does not end: PostgreSQL waits for a lock, a disk or a \
                     standby";
        self.change(lane, |it| it.is_stuck = true);
        METRICS.lanes_stuck.inc();
        self.tell_cause(waits.to_owned());
        Stuck(self, lane)
    }

    fn tell_cause(&self, cause: String) {
        let mut told = self.told.lock();
        if !told.contains(&cause) && told.len() < CAUSES_MAX {
            tracing::warn!(cause, "PostgreSQL cannot be sold from");
            told.insert(cause);
        }
    }

    /// Whether all lanes fare well after the change.
    fn change(&self, lane: usize, change: impl FnOnce(&mut Lane)) -> bool {
        let mut lanes = self.lanes.lock();
        if let Some(lane) = lanes.get_mut(lane) {
            change(lane);
        }
        let is_away = lanes.iter().all(|it| it.is_away);
        self.is_away.store(is_away, Ordering::Relaxed);
        METRICS.postgresql_away.set(i64::from(is_away));
        lanes.iter().all(|it| *it == Lane::default())
    }
}

/// A lane whose transaction does not end.
pub(crate) struct Stuck<'a>(&'a Presence, usize);

impl Drop for Stuck<'_> {
    fn drop(&mut self) {
        self.0.change(self.1, |it| it.is_stuck = false);
        METRICS.lanes_stuck.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_buy_when_every_lane_is_away_or_stuck() {
        let presence = Presence::new(2);
        let sells_or_is_away = || (presence.is_selling(), presence.is_away());
        assert_eq!(sells_or_is_away(), (true, false));
        presence.away(0, &DbError::Silent);
        assert_eq!(sells_or_is_away(), (true, false), "the other lane sells");
        let stuck = presence.stuck(1);
        assert_eq!(sells_or_is_away(), (false, false), "it may yet sell");
        drop(stuck);
        assert_eq!(sells_or_is_away(), (true, false));
        presence.refused(0, &DbError::Silent);
        assert_eq!(
            sells_or_is_away(),
            (false, false),
            "the other would be, too"
        );
        presence.back(0);
        presence.away(0, &DbError::Silent);
        presence.away(1, &DbError::Silent);
        assert_eq!(sells_or_is_away(), (false, true));
        presence.back(0);
        assert_eq!(sells_or_is_away(), (true, false));
    }

    #[test]
    fn a_cause_is_told_once_until_all_lanes_fare_well() {
        let presence = Presence::new(2);
        presence.away(0, &DbError::Silent);
        presence.away(1, &DbError::Silent);
        assert_eq!(presence.told.lock().len(), 1);
        presence.back(0);
        let still = "lane 1 is away for the same cause";
        assert_eq!(presence.told.lock().len(), 1, "{still}");
        presence.back(1);
        assert!(presence.told.lock().is_empty());
    }
}
