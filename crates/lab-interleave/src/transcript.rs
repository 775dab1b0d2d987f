//! What happened when two buyers took their steps in one order.

use flash_core::{Audit, Verdict};
use flash_engine::ADMITTED;
use flash_lab_wire::Statement;
use serde::Serialize;

use crate::schedule::{Buyer, Schedule};

/// What a buyer waits for after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Wait {
    /// A lock of the other buyer's transaction, as `pg_stat_activity` says.
    Lock,
    /// Engine: not admitted by Redis, waits until PostgreSQL has decided for the other.
    Gate,
}

/// One step of one buyer: a statement and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Whose step it is, 1 or 2.
    pub buyer: Buyer,
    /// What was sent.
    #[serde(flatten)]
    pub statement: Statement,
    /// What came back; null while it waits for a lock.
    pub returned: Option<String>,
    /// Whether the buyer had to wait for the other one, who was on the way.
    pub waited: bool,
    /// For what.
    pub waited_for: Option<Wait>,
    /// The number of the step that ended the wait, counted from 1; null where there was
    /// no wait, or it has not ended.
    pub waited_until: Option<usize>,
    /// The units that everybody can see in the stock row after this step: what is
    /// committed. A buyer's own write shows here after the buyer's COMMIT.
    pub available_units_after: i64,
    /// What the buyer was told, where this step was the last one before the answer.
    pub answer: Option<String>,
}

impl Step {
    /// A step that was just sent.
    pub(crate) fn of(buyer: Buyer, statement: Statement) -> Self {
        Self {
            buyer,
            statement,
            returned: None,
            waited: false,
            waited_for: None,
            waited_until: None,
            available_units_after: 0,
            answer: None,
        }
    }

    /// Where it waited, the step with this number has ended that.
    pub(crate) fn end_wait(&mut self, number: usize) {
        if self.waited && self.waited_until.is_none() {
            self.waited_until = Some(number);
        }
    }
}

/// Where a buyer is after the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Has not sent the purchase request.
    Ready,
    /// The next statement is held.
    Held,
    /// Waits for the other one; nothing to choose.
    Waiting,
    /// Has an answer.
    Answered,
}

/// One buyer after the last step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuyerState {
    /// Where the buyer is. `ready` and `held` can take the next step.
    pub place: Place,
    /// The statement that the next step sends.
    pub next: Option<Statement>,
    /// What the buyer was told: `accepted`, `sold out`, or what else the server said.
    pub answer: Option<String>,
}

/// What the stores say when both buyers have their answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ending {
    /// The word of the audit.
    pub verdict: Verdict,
    /// Units sold beyond the one there was.
    pub oversold_units: i64,
    /// Units in orders.
    pub accepted_units: i64,
    /// What the stock row says.
    pub available_units: i64,
    /// Units sold whose decrement the stock row does not show.
    pub lost_updates: i64,
}

impl Ending {
    pub(crate) fn of(audit: &Audit) -> Self {
        Self {
            verdict: audit.verdict,
            oversold_units: audit.oversold_units,
            accepted_units: audit.accepted_units,
            available_units: audit.available_units,
            lost_updates: audit.lost_updates,
        }
    }
}

/// One order of events, step by step, on real stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transcript {
    /// Who sold.
    pub strategy: String,
    /// Whose turn it was, step by step, such as `111222222111`.
    pub schedule: Schedule,
    /// The steps, in the order in which they were sent.
    pub steps: Vec<Step>,
    /// Where both buyers are after the last step.
    pub buyers: [BuyerState; 2],
    /// The audit; null while a buyer is on the way.
    pub ending: Option<Ending>,
}

impl Transcript {
    /// Whether more units were sold than there were.
    #[must_use]
    pub fn is_oversold(&self) -> bool {
        let ending = self.ending.as_ref();
        ending.is_some_and(|it| it.verdict == Verdict::Oversold)
    }

    /// Whether the one unit was sold once and the books say so.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let ending = self.ending.as_ref();
        ending.is_some_and(|it| it.verdict == Verdict::Exact && it.accepted_units == 1)
    }

    /// Whether a buyer waited for a lock.
    #[must_use]
    pub fn has_blocked(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| step.waited_for == Some(Wait::Lock))
    }

    /// Whether a buyer was refused, and nobody waited for a lock.
    #[must_use]
    pub fn is_refused_early(&self) -> bool {
        let refused = |buyer: &BuyerState| buyer.answer.as_deref() == Some(SOLD_OUT);
        self.buyers.iter().any(refused) && !self.has_blocked()
    }
}

/// How phase 3's gate refuses.
pub(crate) const NOT_ADMITTED: &str = "0";

/// Whether a gate neither admits a buyer nor refuses for good: the engine's says `[fence, 0]`
/// where the units may come back.
pub(crate) fn is_held(text: &str) -> bool {
    text.contains(", ") && !text.ends_with(&format!(", {ADMITTED}]"))
}

/// What a refused buyer is told.
pub(crate) const SOLD_OUT: &str = "sold out";
