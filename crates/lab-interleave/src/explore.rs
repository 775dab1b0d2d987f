//! All schedules of two buyers, and what they lead to.

use serde::Serialize;

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
    let mut exploration = Exploration::new(stage.strategy().to_string());
    let mut open = vec![Schedule::default()];
    while let Some(prefix) = open.pop() {
        let Played {
            transcript,
            choices,
        } = stage.play_with_choices(&prefix, Finish::Both).await?;
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
