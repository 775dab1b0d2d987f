//! All schedules of two buyers, and what they lead to.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::stage::{Finish, Played, Stage};
use crate::transcript::{SOLD_OUT, Step, Transcript};

/// How many schedules led to what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Matrix {
    /// Schedules that were tried, no two alike.
    pub(crate) schedules: usize,
    /// The audit found more units sold than there were.
    pub(crate) oversold: usize,
    /// The unit was sold once, and the books say so.
    pub(crate) exact: usize,
    /// A buyer waited for a lock of the other one.
    pub(crate) blocked: usize,
    /// A buyer was refused, and nobody waited for a lock.
    pub(crate) refused_early: usize,
}

impl Matrix {
    /// Counts one more.
    pub(crate) fn add(&mut self, transcript: &Transcript) {
        self.schedules += 1;
        self.oversold += usize::from(transcript.is_oversold());
        self.exact += usize::from(transcript.is_exact());
        self.blocked += usize::from(transcript.has_blocked());
        self.refused_early += usize::from(transcript.is_refused_early());
    }
}

/// What came of all schedules of one strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Exploration {
    /// Who sold.
    pub(crate) strategy: String,
    /// How many schedules led to what.
    pub(crate) matrix: Matrix,
    /// Of the schedules that oversell: the fewest turns, then the fewest changes of turn,
    /// then the first in order.
    pub(crate) shortest_oversell: Option<Transcript>,
    /// The schedule that was asked for, or the one in which a buyer waits or is refused
    /// earliest, with the fewest changes of turn, and then the first in order.
    pub(crate) chosen: Option<Transcript>,
}

impl Exploration {
    /// Nothing tried yet.
    pub(crate) fn new(strategy: String) -> Self {
        Self {
            strategy,
            matrix: Matrix::default(),
            shortest_oversell: None,
            chosen: None,
        }
    }

    pub(crate) fn add(&mut self, transcript: &Transcript) {
        self.matrix.add(transcript);
        let shortest =
            |it: &Transcript| (it.schedule.0.len(), it.changes(), it.schedule.clone());
        keep_least(
            &mut self.shortest_oversell,
            transcript,
            |it| it.is_oversold(),
            shortest,
        );
        let clearest = |it: &Transcript| {
            let told =
                |step: &Step| step.waited || step.answer.as_deref() == Some(SOLD_OUT);
            let position = it.steps.iter().position(told);
            (
                position.unwrap_or(usize::MAX),
                it.changes(),
                it.schedule.clone(),
            )
        };
        keep_least(&mut self.chosen, transcript, |_| true, clearest);
    }
}

fn keep_least<K: Ord>(
    kept: &mut Option<Transcript>,
    transcript: &Transcript,
    counts: impl Fn(&Transcript) -> bool,
    key: impl Fn(&Transcript) -> K,
) {
    let is_less = kept.as_ref().is_none_or(|kept| key(transcript) < key(kept));
    if counts(transcript) && is_less {
        *kept = Some(transcript.clone());
    }
}

/// Plays every schedule once: depth first, from a new SKU each time, along the turns that
/// led to a choice, then the other way, then to the end.
///
/// # Errors
///
/// A store or a server that does not do what it should.
///
/// # Cancel safety
///
/// A stage whose play was dropped must not be used again.
pub(crate) async fn explore(
    stage: &mut Stage,
    mut tell: impl FnMut(usize),
) -> anyhow::Result<Exploration> {
    let mut exploration = Exploration::new(stage.seller().to_string());
    let mut open = vec![Schedule::default()];
    while let Some(prefix) = open.pop() {
        let Played {
            transcript,
            choices,
            ..
        } = stage
            .play_scenario(&Scenario::LAST_UNIT, &prefix, Finish::Both)
            .await?;
        // What stands in the prefix has been turned both ways before.
        let turns = transcript.schedule.0.iter().zip(choices).enumerate();
        for (position, (buyer, has_choice)) in turns.skip(prefix.0.len()) {
            if has_choice {
                let mut other: Vec<_> = transcript
                    .schedule
                    .0
                    .iter()
                    .take(position)
                    .copied()
                    .collect();
                other.push(buyer.other());
                open.push(Schedule(other));
            }
        }
        exploration.add(&transcript);
        tell(exploration.matrix.schedules);
    }
    Ok(exploration)
}

/// Schedules that are still to be played, those with the fewest changes of turn first: what
/// is wrong shows after a few.
///
/// # Source
///
/// Musuvathi and Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded
/// Programs", PLDI 2007.
pub struct Frontier {
    open: BTreeSet<(usize, usize, Schedule)>,
    changes_max: usize,
    is_complete: bool,
}

impl Frontier {
    /// All schedules with at most so many changes of turn.
    #[must_use]
    pub fn new(changes_max: usize) -> Self {
        Self {
            open: BTreeSet::from([(0, 0, Schedule::default())]),
            changes_max,
            is_complete: true,
        }
    }

    /// The turns that the next one begins with. It is played with [`Finish::Stay`].
    pub fn next_turns(&mut self) -> Option<Schedule> {
        self.open.pop_first().map(|(_, _, schedule)| schedule)
    }

    /// Adds where a run that began with these turns could have gone another way.
    pub fn add(&mut self, begin: &Schedule, played: &Played) {
        let taken = &played.transcript.schedule.0;
        let turns = taken.iter().zip(&played.choices).enumerate();
        for (position, (buyer, has_choice)) in turns.skip(begin.0.len()) {
            if !has_choice {
                continue;
            }
            let before = taken.iter().take(position).copied();
            let other = Schedule(before.chain([buyer.other()]).collect());
            // The buyer who is left is still on the way, so there is one more change.
            if other.changes() + 1 > self.changes_max {
                self.is_complete = false;
            } else {
                self.open.insert((other.changes(), other.0.len(), other));
            }
        }
    }

    /// Whether no schedule was left out for its changes of turn.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}
