//! What the judge says.

use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Fault, Schedule, Step, Transcript};
use serde::Serialize;

use crate::cli::StageName;

/// The word for the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// Every rule that was judged held.
    Held,
    /// A rule is broken.
    Broken,
    /// It could not be judged.
    Unknown,
}

/// All that is said of one seller.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Who was judged.
    pub program: String,
    /// In one word.
    pub verdict: Word,
    /// Why it could not be judged.
    pub reason: Option<String>,
    /// How far each stage has looked.
    pub stages: Vec<Looked>,
    /// The rules that held, and the one that did not.
    pub rules: Vec<Judged>,
    /// What was asked for, and is not judged because a rule is broken.
    pub not_judged: Vec<String>,
}

/// How far one stage has looked.
#[derive(Debug, Clone, Serialize)]
pub struct Looked {
    /// Which stage.
    pub id: StageName,
    /// Which sale was played, in stage interleave.
    pub scenario: Option<&'static str>,
    /// Purchases in http, orders of steps in interleave, broken purchases in crash.
    pub schedules: usize,
    /// The most changes of turn, in stage interleave.
    pub changes_max: Option<usize>,
    /// Whether nothing was left out for its changes of turn.
    pub complete: bool,
}

/// One rule, as far as it was judged.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Which rule.
    pub id: Rule,
    /// Where it was judged.
    pub stage: StageName,
    /// In which sale, in stage interleave.
    pub scenario: Option<&'static str>,
    /// Whether it held.
    pub held: bool,
    /// What is wrong, in one sentence.
    pub sentence: Option<String>,
    /// Why, where that is recognized.
    pub why: Option<Why>,
    /// The order of steps that breaks it.
    pub schedule: Option<Schedule>,
    /// The fault that breaks it.
    pub fault: Option<FaultAt>,
    /// The steps of two buyers.
    pub transcript: Option<Transcript>,
    /// The steps of a purchase that was broken.
    pub steps: Option<Vec<Step>>,
}

/// Where a purchase was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FaultAt {
    /// What happened.
    pub fault: Fault,
    /// Counted from 1.
    pub step: usize,
}

/// Why a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// Which recognizer said it.
    pub id: &'static str,
    /// The sentence, with the numbers of two steps.
    pub sentence: String,
    /// The steps that it names, counted from 1.
    pub steps: Vec<usize>,
}

/// A rule that is broken, and the sentence that says how. It ends a stage, as any error does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
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

    /// The same, and where.
    pub(crate) fn at(self, place: &str) -> Self {
        Self::new(self.rule, format!("{place}: {}", self.sentence))
    }

    /// What has ended a stage, if anything has.
    ///
    /// # Errors
    ///
    /// That was something else.
    pub(crate) fn found(ended: anyhow::Result<()>) -> anyhow::Result<Option<Self>> {
        match ended {
            Ok(()) => Ok(None),
            Err(error) => error.downcast().map(Some),
        }
    }
}

/// Whether a rule holds.
///
/// # Errors
///
/// It does not.
pub(crate) fn ensure(
    holds: bool,
    rule: Rule,
    sentence: impl Into<String>,
) -> Result<(), Violation> {
    match holds {
        true => Ok(()),
        false => Err(Violation::new(rule, sentence)),
    }
}

impl Looked {
    /// What a stage that plays no sales has looked at.
    pub(crate) fn alone(id: StageName, schedules: usize, complete: bool) -> Self {
        Self {
            id,
            scenario: None,
            schedules,
            changes_max: None,
            complete,
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

impl Verdict {
    /// Adds what a stage came to, or one sale of it: the rule that is broken, or those that
    /// hold.
    pub(crate) fn add(
        &mut self,
        looked: Looked,
        rules: &[Rule],
        broken: Option<Judged>,
    ) {
        match broken {
            Some(broken) => {
                self.verdict = Word::Broken;
                self.rules.push(broken);
            }
            None => {
                let (stage, scenario) = (looked.id, looked.scenario);
                let held = rules.iter().map(|it| Judged::held(*it, stage, scenario));
                self.rules.extend(held);
            }
        }
        self.stages.push(looked);
    }
}
