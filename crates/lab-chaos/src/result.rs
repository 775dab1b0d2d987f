//! What is told about runs, for people and as JSON, and the story of each violation.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use flash_core::Audit;
use flash_lab_crowd::{Rule, Seller, millis};
use serde::Serialize;

use crate::evidence::{Evidence, Violation};
use crate::journal::{Answer, Ask, Entry};
use crate::saboteur::Happened;
use crate::schedule::Plan;

/// Faults this long before the first line of a story belong to it.
const BEFORE_US: i64 = 1_000_000;

/// Units that came back this long before or after a refusal may be those that were sold.
const AROUND_US: i64 = 500_000;

/// The most lines of requests in a story, and in that of a SKU, which its sums tell.
const LINES_MAX: usize = 16;
const SKU_LINES_MAX: usize = 6;

/// How often there was each, by its name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// All runs of one command.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Chaos {
    strategy: String,
    batch_max: Option<u16>,
    runs: Vec<Run>,
    faults: Counts,
    answers: Counts,
    /// Of all runs; null where gates do not expire.
    stranded_units: Option<i64>,
    violations: usize,
    pub(crate) seconds: f64,
}

/// One run.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) faults: Vec<Happened>,
    pub(crate) answers: Counts,
    /// Units that the probe found left and bought.
    pub(crate) probed_units: i64,
    /// Units whose permit outlived its gate, so that they came back with the next one; null
    /// where gates do not expire.
    pub(crate) stranded_units: Option<i64>,
    pub(crate) audits: Vec<Audit>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) seconds: f64,
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
            *self.faults.entry(planned.fault.kind()).or_default() += 1;
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
        let broken = self.runs.iter().filter(|run| !run.violations.is_empty());
        broken.map(|run| run.plan.seed.to_string()).collect()
    }
}

/// One line, and a story for each rule that was broken.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, buyers, .. } = self.plan;
        let (skus, faults) = (self.plan.skus.len(), self.faults.len());
        let answers: u64 = self.answers.values().sum();
        let (probed, seconds) = (self.probed_units, self.seconds);
        write!(
            f,
            "seed {seed}: {buyers} buyers, {skus} SKUs, {faults} faults, {answers} answers, \
             {probed} units probed, {seconds:.1} s: "
        )?;
        match self.violations.len() {
            0 => f.write_str("no violation")?,
            count => write!(f, "{count} VIOLATIONS")?,
        }
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
        for of_rule in self.violations.chunk_by(|one, next| one.rule == next.rule) {
            for (number, it) in of_rule.iter().enumerate() {
                write!(f, "\n  {:?}: {}: {}", it.rule, it.sku, it.what)?;
                // The first story of a rule is enough to read; JSON has all.
                for line in it.story.iter().filter(|_| number == 0) {
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
        let (runs, violations) = (self.runs.len(), self.violations);
        let (strategy, seconds) = (&self.strategy, self.seconds);
        write!(
            f,
            "{strategy}: {runs} runs in {seconds:.0} s, {violations} violations"
        )?;
        for (what, counts) in [("faults", &self.faults), ("answers", &self.answers)] {
            let count: u64 = counts.values().sum();
            let each: Vec<_> = counts
                .iter()
                .map(|(name, it)| format!("{name} {it}"))
                .collect();
            write!(f, "\n  {count} {what}: {}", each.join(", "))?;
        }
        if let Some(units) = self.stranded_units {
            write!(
                f,
                "\n  {units} stranded units came back: a permit outlived its gate, and the \
                 next one had them again"
            )?;
        }
        Ok(())
    }
}

/// Tells what happened around a violation, in the order of time.
pub(crate) fn story(
    violation: &Violation,
    evidence: &Evidence,
    faults: &[Happened],
) -> Vec<String> {
    let mut entries = entries_of(violation, evidence);
    let lines_max = match violation.key {
        Some(_) => LINES_MAX,
        None => SKU_LINES_MAX,
    };
    let start = entries.len().saturating_sub(lines_max);
    entries.drain(..start);
    let from_us = entries.first().map_or(0, |it| it.sent_us) - BEFORE_US;
    let to_us = entries.iter().map(|it| it.answered_us).max();
    let to_us = to_us.unwrap_or(i64::MAX);

    let requests = entries.into_iter().map(|it| (it.sent_us, line(it)));
    let mut lines: Vec<_> = requests.collect();
    for fault in faults.iter().filter(|it| it.skipped.is_none()) {
        if fault.from_us <= to_us && fault.to_us >= from_us {
            let times = times(fault.from_us, fault.to_us);
            lines.push((fault.from_us, format!("{times} fault: {}", fault.what)));
        }
    }
    for order in &evidence.orders {
        if violation.name() == Some(order.name()) {
            let text = format!(
                "{:>9.1} ms              order {} of {} units was made, is {}",
                ms(order.created_us),
                order.order_id,
                order.units,
                order.status
            );
            lines.push((order.created_us, text));
        }
    }
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// All attempts of the purchase, and what was added around the last; for a SKU what was added
/// and the last that was told.
fn entries_of<'a>(violation: &Violation, evidence: &'a Evidence) -> Vec<&'a Entry> {
    let is_own = |it: &Entry| violation.name() == Some(it.wish.name());
    let of_sku = || {
        let entries = evidence.entries.iter();
        entries.filter(|it| it.wish.sku == violation.sku)
    };
    let own = || of_sku().filter(|it| is_own(it));
    let from_us = own().map(|it| it.sent_us).max().unwrap_or(0);
    let to_us = own().map(|it| it.answered_us).max().unwrap_or(0);
    let around_us = match violation.rule {
        _ if violation.key.is_none() => 0..=i64::MAX,
        // From the beginning: all that was added is free.
        Rule::FalseSoldOut => 0..=to_us,
        Rule::RefusedButSold | Rule::WinnerRefused => {
            from_us - AROUND_US..=to_us + AROUND_US
        }
        // Nothing was added before the run began.
        _ => -1..=-1,
    };
    of_sku()
        .filter(|it| {
            let added = it.wish.ask != Ask::Order && it.answer == Answer::Done;
            let told = violation.key.is_none() && it.answer.is_final();
            is_own(it) || (added && around_us.contains(&it.sent_us)) || told
        })
        .collect()
}

fn line(entry: &Entry) -> String {
    let wish = &entry.wish;
    let (sku, buyer, key, units) = (&wish.sku, &wish.buyer, &wish.key, wish.units);
    let what = match &wish.ask {
        Ask::Order => format!("{buyer} orders {units} of {sku}, key {key}"),
        Ask::Cancel(order_id) => format!("{buyer} cancels {order_id} of {sku}"),
        Ask::Restock => format!("{units} are added to {sku}, key {key}"),
    };
    let answer = match &entry.answer {
        Answer::Accepted(order_id) => format!("accepted {order_id}"),
        Answer::Unexpected(text) => text.clone(),
        other => other.word().to_owned(),
    };
    let (times, instance) = (times(entry.sent_us, entry.answered_us), entry.instance);
    format!("{times} {what}, at {instance}: {answer}")
}

fn times(from_us: i64, to_us: i64) -> String {
    format!("{:>9.1} – {:>7.1} ms", ms(from_us), ms(to_us))
}

/// For people. Nothing that is told was before the run began.
fn ms(us: i64) -> f64 {
    millis(Duration::from_micros(us.unsigned_abs()))
}
