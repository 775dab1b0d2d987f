//! All schedules of two buyers, and what they lead to.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::scenario::Scenario;
use crate::schedule::{Finish, Schedule};
use crate::stage::{Played, Stage};
use crate::transcript::{SOLD_OUT, Step, Transcript};

/// How many schedules led to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// What these came to.
    pub(crate) fn of(stage: &Stage, transcripts: &[Transcript]) -> Self {
        let count = |is_so: fn(&Transcript) -> bool| {
            transcripts.iter().filter(|it| is_so(it)).count()
        };
        let told =
            |step: &Step| step.waited || step.answer.as_deref() == Some(SOLD_OUT);
        let told_at =
            |it: &Transcript| it.steps.iter().position(told).unwrap_or(usize::MAX);
        let order = |it: &Transcript| (it.schedule.changes(), it.schedule.clone());
        let oversold = transcripts.iter().filter(|it| it.is_oversold());
        let shortest = oversold.min_by_key(|it| (it.steps.len(), order(it)));
        let chosen = transcripts.iter().min_by_key(|it| (told_at(it), order(it)));
        Self {
            strategy: stage.seller().to_string(),
            matrix: Matrix {
                schedules: transcripts.len(),
                oversold: count(Transcript::is_oversold),
                exact: count(Transcript::is_exact),
                blocked: count(Transcript::has_blocked),
                refused_early: count(Transcript::is_refused_early),
            },
            shortest_oversell: shortest.cloned(),
            chosen: chosen.cloned(),
        }
    }
}

/// Plays every schedule once.
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
    tell: impl Fn(usize),
) -> anyhow::Result<Vec<Transcript>> {
    let mut transcripts = Vec::new();
    let mut frontier = Frontier::new(usize::MAX);
    while let Some(played) = frontier.play(stage, Scenario::last_unit()).await? {
        transcripts.push(played.transcript);
        tell(transcripts.len());
    }
    Ok(transcripts)
}

/// Schedules that are still to be played, those with the fewest changes of turn first: what
/// is wrong shows after a few. Each is played once, from a new SKU, along the turns that led
/// to a choice, then the other way, then to the end.
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

    /// Plays the next one; none where all are played.
    ///
    /// # Errors
    ///
    /// A store or a server that does not do what it should.
    ///
    /// # Cancel safety
    ///
    /// A stage whose play was dropped must not be used again.
    pub async fn play(
        &mut self,
        stage: &mut Stage,
        scenario: &Scenario,
    ) -> anyhow::Result<Option<Played>> {
        let Some((_, _, begin)) = self.open.pop_first() else {
            return Ok(None);
        };
        let played = stage.play_scenario(scenario, &begin, Finish::Stay).await?;
        // What stands in the beginning has been turned both ways before.
        let taken = &played.transcript.schedule.0;
        let turns = taken.iter().zip(&played.choices).enumerate();
        for (position, (buyer, has_choice)) in turns.skip(begin.0.len()) {
            if !has_choice {
                continue;
            }
            let before = taken.iter().take(position).copied();
            let other = Schedule(before.chain([buyer.other()]).collect());
            // The buyer who is left is still on the way, so there is one more change.
            if other.changes() >= self.changes_max {
                self.is_complete = false;
            } else {
                self.open.insert((other.changes(), other.0.len(), other));
            }
        }
        Ok(Some(played))
    }

    /// Whether no schedule was left out for its changes of turn.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}
