//! What is told about runs: for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use flash_core::Audit;
use flash_lab_crowd::Seller;
use serde::Serialize;

use crate::evidence::{Evidence, Violation};
use crate::saboteur::Happened;
use crate::schedule::Plan;
use crate::story;

/// All runs of one command.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Chaos {
    strategy: String,
    batch_max: Option<u16>,
    runs: Vec<Run>,
    faults: BTreeMap<String, u64>,
    answers: BTreeMap<String, u64>,
    /// Of all runs; null where gates do not expire.
    stranded_units: Option<i64>,
    violations: usize,
    pub(crate) seconds: f64,
}

/// One run.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    plan: Plan,
    faults: Vec<Happened>,
    answers: BTreeMap<String, u64>,
    /// Units that the probe found left and bought.
    probed_units: i64,
    /// Units whose permit outlived its gate, so that they came back with the next one; null
    /// where gates do not expire.
    pub(crate) stranded_units: Option<i64>,
    audits: Vec<Audit>,
    violations: Vec<Told>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    violation: Violation,
    story: Vec<String>,
}

impl Run {
    pub(crate) fn of(
        plan: &Plan,
        evidence: &Evidence,
        faults: Vec<Happened>,
        violations: Vec<Violation>,
        elapsed: Duration,
    ) -> Self {
        let mut answers = BTreeMap::new();
        for entry in &evidence.entries {
            *answers.entry(entry.answer.word().to_owned()).or_default() += 1;
        }
        Self {
            plan: plan.clone(),
            answers,
            stranded_units: None,
            probed_units: evidence.probes.iter().map(|it| it.bought_units).sum(),
            audits: evidence.books.audits.clone(),
            violations: violations
                .into_iter()
                .map(|violation| Told {
                    story: story::tell(&violation, evidence, &faults),
                    violation,
                })
                .collect(),
            faults,
            seconds: elapsed.as_secs_f64(),
        }
    }
}

impl Chaos {
    pub(crate) fn new(seller: &Seller, batch_max: Option<u16>) -> Self {
        Self {
            strategy: seller.to_string(),
            batch_max,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, run: Run) {
        for planned in &run.plan.faults {
            let kind = planned.fault.kind().to_owned();
            *self.faults.entry(kind).or_default() += 1;
        }
        for (word, count) in &run.answers {
            *self.answers.entry(word.clone()).or_default() += count;
        }
        if let Some(units) = run.stranded_units {
            *self.stranded_units.get_or_insert_default() += units;
        }
        self.violations += run.violations.len();
        self.runs.push(run);
    }

    pub(crate) fn seeds_of_violations(&self) -> Vec<String> {
        self.runs
            .iter()
            .filter(|run| !run.violations.is_empty())
            .map(|run| run.plan.seed.to_string())
            .collect()
    }
}

/// One line, and a story for each rule that was broken.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.violations.len() {
            0 => "no violation".to_owned(),
            count => format!("{count} VIOLATIONS"),
        };
        write!(
            f,
            "seed {}: {} buyers, {} SKUs, {} faults, {} answers, {} units probed, {:.1} s: \
             {verdict}",
            self.plan.seed,
            self.plan.buyers,
            self.plan.skus.len(),
            self.faults.len(),
            self.answers.values().sum::<u64>(),
            self.probed_units,
            self.seconds
        )?;
        if let Some(units @ 1..) = self.stranded_units {
            write!(f, "; {units} stranded units came back")?;
        }
        if self.violations.is_empty() {
            return Ok(());
        }
        write!(f, "\n  schedule:")?;
        for planned in &self.plan.faults {
            write!(f, "\n    {:>5} ms {}", planned.at_ms, planned.fault)?;
        }
        let mut last = None;
        for told in &self.violations {
            let it = &told.violation;
            write!(f, "\n  {:?}: {}: {}", it.rule, it.sku, it.what)?;
            // The first story of a rule is enough to read; JSON has all.
            if last.replace(it.rule) != Some(it.rule) {
                for line in &told.story {
                    write!(f, "\n    {line}")?;
                }
            }
        }
        Ok(())
    }
}

/// The last line.
impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<String, u64>| {
            let counts: Vec<_> = counts
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            counts.join(", ")
        };
        write!(
            f,
            "{}: {} runs in {:.0} s, {} violations\n  {} faults: {}\n  {} answers: {}",
            self.strategy,
            self.runs.len(),
            self.seconds,
            self.violations,
            self.faults.values().sum::<u64>(),
            list(&self.faults),
            self.answers.values().sum::<u64>(),
            list(&self.answers)
        )?;
        match self.stranded_units {
            Some(units) => write!(
                f,
                "\n  {units} stranded units came back: a permit outlived its gate, and the \
                 next one had them again"
            ),
            None => Ok(()),
        }
    }
}
