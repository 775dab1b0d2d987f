//! What the judge says.

use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Fault, Schedule, Step, Transcript};
use serde::Serialize;

use crate::cli::StageName;

/// The word for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    /// Every rule that was judged held.
    Held,
    /// A rule is broken.
    Broken,
    /// It could not be judged.
    Unknown,
}

/// All that is said of one seller.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) program: String,
    pub(crate) verdict: Word,
    /// Why it could not be judged.
    pub(crate) reason: Option<String>,
    pub(crate) stages: Vec<Looked>,
    pub(crate) rules: Vec<Judged>,
    /// What was asked for, and is not judged because a rule is broken.
    pub(crate) not_judged: Vec<String>,
}

/// How far one stage has looked.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Looked {
    pub(crate) id: StageName,
    /// Which sale was played, in stage interleave.
    pub(crate) scenario: Option<&'static str>,
    /// Purchases in http, orders of steps in interleave, broken purchases in crash.
    pub(crate) schedules: usize,
    pub(crate) changes_max: Option<usize>,
    /// Whether nothing was left out for its changes of turn.
    pub(crate) complete: bool,
}

/// One rule, as far as it was judged.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Judged {
    pub(crate) id: Rule,
    pub(crate) stage: StageName,
    pub(crate) scenario: Option<&'static str>,
    pub(crate) held: bool,
    /// What is wrong, in one sentence.
    pub(crate) sentence: Option<String>,
    pub(crate) why: Option<Why>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) fault: Option<FaultAt>,
    pub(crate) transcript: Option<Transcript>,
    /// The steps of a purchase that was broken.
    pub(crate) steps: Option<Vec<Step>>,
}

/// Where a purchase was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct FaultAt {
    pub(crate) fault: Fault,
    /// Counted from 1.
    pub(crate) step: usize,
}

/// Why a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Why {
    pub(crate) id: &'static str,
    pub(crate) sentence: String,
    /// The steps that it names, counted from 1.
    pub(crate) steps: Vec<usize>,
}

/// A rule that is broken, and the sentence that says how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) sentence: String,
}

impl Violation {
    pub(crate) fn new(rule: Rule, sentence: impl Into<String>) -> Self {
        Self {
            rule,
            sentence: sentence.into(),
        }
    }
}

impl Judged {
    pub(crate) fn held(
        id: Rule,
        stage: StageName,
        scenario: Option<&'static str>,
    ) -> Self {
        Self {
            id,
            stage,
            scenario,
            held: true,
            sentence: None,
            why: None,
            schedule: None,
            fault: None,
            transcript: None,
            steps: None,
        }
    }

    pub(crate) fn broken(
        violation: Violation,
        stage: StageName,
        scenario: Option<&'static str>,
    ) -> Self {
        Self {
            held: false,
            sentence: Some(violation.sentence),
            ..Self::held(violation.rule, stage, scenario)
        }
    }
}

/// What one stage came to: how far it looked, the rules that held, and the one that did not.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) looked: Vec<Looked>,
    pub(crate) held: Vec<Judged>,
    pub(crate) broken: Option<Judged>,
}
