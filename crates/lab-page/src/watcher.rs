//! Looks at a sale while it takes place.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use flash_lab_crowd::{Latency, Moment, Outcome, Outcomes, millis};

use crate::board::{Column, Stage};

/// Points of a curve at most: about as many as a column of the page has pixels to spare.
const POINTS_MAX: usize = 120;

/// What the crowd has told so far.
#[derive(Default)]
pub(crate) struct Watcher(RefCell<Seen>);

#[derive(Default)]
struct Seen {
    arrived: u32,
    released: Option<Instant>,
    outcomes: Outcomes,
    latencies: Vec<Duration>,
    accepted: Vec<Duration>,
}

impl Watcher {
    pub(crate) fn see(&self, moment: Moment<'_>) {
        let mut seen = self.0.borrow_mut();
        match moment {
            Moment::Arrived(arrived) => seen.arrived = arrived,
            Moment::Released(released) => seen.released = Some(released),
            Moment::Answered(answer, outcomes) => {
                seen.outcomes = outcomes.clone();
                seen.latencies.extend(answer.latency);
                if answer.outcome == Outcome::Accepted {
                    seen.accepted.extend(answer.latency);
                }
            }
        }
    }

    /// Writes down what was seen so far.
    pub(crate) fn show(&self, column: &mut Column) {
        let seen = self.0.borrow();
        column.arrived = seen.arrived;
        let Some(released) = seen.released else {
            column.stage = Stage::Gathering;
            return;
        };
        column.stage = Stage::Selling;
        column.outcomes = seen.outcomes.clone();
        column.waiting = seen.arrived.saturating_sub(seen.outcomes.total());
        column.elapsed_ms = millis(released.elapsed());
        column.latency_ms = Latency::of(seen.latencies.clone());
        column.curve = curve(seen.accepted.clone());
    }
}

/// How many were accepted by when, thinned out; the first and the last stay.
fn curve(mut accepted: Vec<Duration>) -> Vec<(f64, u32)> {
    accepted.sort_unstable();
    let step = accepted.len().div_ceil(POINTS_MAX).max(1);
    let last = accepted.len().saturating_sub(1);
    (1..)
        .zip(&accepted)
        .enumerate()
        .filter(|(index, _)| index % step == 0 || *index == last)
        .map(|(_, (count, at))| (millis(*at), count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_keeps_its_ends_and_is_never_long() {
        let times: Vec<_> = (1..=1000).rev().map(Duration::from_millis).collect();
        let points = curve(times);
        assert!(points.len() <= POINTS_MAX + 1, "{}", points.len());
        assert_eq!(points.first(), Some(&(1.0, 1)));
        assert_eq!(points.last(), Some(&(1000.0, 1000)));
        assert_eq!(curve(Vec::new()), []);
    }

    #[test]
    fn buyers_wait_only_once_they_were_let_go() {
        let watcher = Watcher::default();
        let mut column = Column::default();
        watcher.see(Moment::Arrived(3));
        watcher.show(&mut column);
        assert_eq!((column.stage, column.waiting), (Stage::Gathering, 0));
        watcher.see(Moment::Released(Instant::now()));
        watcher.show(&mut column);
        assert_eq!((column.stage, column.waiting), (Stage::Selling, 3));
    }
}
