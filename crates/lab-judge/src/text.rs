//! A verdict to read, in at most 25 lines.

use std::collections::BTreeMap;

use flash_lab_crowd::look::count;
use flash_lab_interleave::{Buyer, Fault, Page, Scenario, Step, Wait};
use flash_lab_wire::Store;
use textwrap::{Options, WordSplitter};

use crate::cli::StageName;
use crate::verdict::{FaultAt, Judged, Looked, Verdict, Word};

/// Characters of a line.
const COLUMNS: usize = 88;

/// Lines that the steps may take.
const STEP_LINES: usize = 14;

/// Characters of a step where one buyer is alone.
const ALONE: usize = 70;

pub(crate) fn told(verdict: &Verdict) -> String {
    let word = match verdict.verdict {
        Word::Held => "held",
        Word::Broken => "broken",
        Word::Unknown => "could not judge",
    };
    format!("\n{}: {word}\n\n{}", verdict.program, details(verdict))
}

/// What held, what is broken and why, and what was not judged.
#[must_use]
pub fn details(verdict: &Verdict) -> String {
    let broken = verdict.rules.iter().find(|it| !it.held);
    let mut text = String::new();
    let mut others_held = 0;
    for stage in &verdict.stages {
        let place = (stage.id, stage.scenario);
        if broken.is_some_and(|it| (it.stage, it.scenario) == place) {
            others_held = stage.schedules - 1;
        } else {
            text += &format!("  held     {}\n", looked(stage));
        }
    }
    if let Some(broken) = broken {
        text += &broken_rule(broken, others_held);
    }
    if let Some(reason) = &verdict.reason {
        text += &format!("  {reason}\n");
    }
    text + &not_judged(verdict)
}

/// What a stage looked at.
fn looked(stage: &Looked) -> String {
    let count = stage.schedules;
    let scenario = stage.scenario.unwrap_or_default();
    let which = match (stage.id, stage.changes_max) {
        (StageName::Http, _) => format!("{count} purchases, one buyer at a time"),
        (StageName::Crash, _) => {
            format!("{count} purchases, each broken at one of its steps")
        }
        (StageName::Interleave, Some(changes)) if !stage.complete => format!(
            "{scenario}: {count} orders of steps, all with at most {changes} changes of turn"
        ),
        (StageName::Interleave, _) => {
            format!("{scenario}: all {count} orders of steps")
        }
    };
    format!("{:<12} {which}", stage.id)
}

fn broken_rule(broken: &Judged, others_held: usize) -> String {
    const BELOW: &str = "           ";
    let place = broken
        .scenario
        .map_or(broken.stage.to_string(), str::to_owned);
    let sentence = broken.sentence.as_deref().unwrap_or_default();
    let head = format!("  BROKEN   {:<14} ", broken.id.to_string());
    let mut text = indented(&format!("{place}: {sentence}."), &head);
    if let Some(why) = &broken.why {
        text += &indented(&why.sentence, BELOW);
    }
    if let Some(schedule) = &broken.schedule {
        let changes = i64::try_from(schedule.changes()).unwrap_or(i64::MAX);
        let changes = count(changes, "change");
        let held = format!("{others_held} others held");
        let order = format!("order {schedule}: {changes} of turn, {held}");
        text += &indented(&order, BELOW);
    }
    if let Some(transcript) = &broken.transcript {
        text += &format!("\n{}", race(&transcript.steps, broken));
    }
    if let (Some(steps), Some(at)) = (&broken.steps, broken.fault) {
        text += &format!("\n{}", alone(steps, at));
    }
    text
}

/// Wraps a text, the first line after a head and the others below it.
fn indented(text: &str, head: &str) -> String {
    let below = " ".repeat(head.len());
    let options = Options::new(COLUMNS)
        .initial_indent(head)
        .subsequent_indent(&below)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options) + "\n"
}

/// Who asks for what at a server, and with which key where that matters.
fn who(scenario: Option<&str>, side: Buyer) -> String {
    let played = Scenario::all().iter().find(|it| Some(&*it.id) == scenario);
    let asks = played.map_or(&[][..], |it| it.asks(side));
    let asks = asks.iter().map(|ask| {
        let mut text = ask.buyer.to_string();
        if ask.units > 1 {
            text += &format!(" wants {}", ask.units);
        }
        if ask.key != ask.buyer {
            text += &format!(" ({})", ask.key);
        }
        text
    });
    let asks: Vec<_> = asks.collect();
    format!("T{side}: {}", asks.join(", then "))
}

/// How much a step matters: those that the sentence names first, then what touches the
/// stock; none for what does not matter.
fn weight(number: usize, step: &Step, named: &[usize]) -> Option<usize> {
    let does = step.statement.does();
    let matters = [
        named.contains(&number),
        step.answer.is_some(),
        does.reads_stock || does.writes_stock || does.locks || does.unlocks,
        does.records || does.counts || does.commits,
    ];
    matters.iter().position(|it| *it)
}

/// The steps that matter most.
fn race(steps: &[Step], broken: &Judged) -> String {
    let named = broken.why.as_ref().map_or(&[][..], |it| &it.steps);
    let mut weighed: Vec<_> = (1..)
        .zip(steps)
        .filter_map(|(number, step)| Some((weight(number, step, named)?, number, step)))
        .collect();
    weighed.sort_by_key(|(weight, number, _)| (*weight, *number));
    let mut chosen = BTreeMap::new();
    let mut left = STEP_LINES;
    for (_, number, step) in weighed {
        let lines = lines(step, Page::COLUMN_MOST);
        if lines.len() <= left {
            left -= lines.len();
            chosen.insert(number, (step, lines));
        }
    }
    let mut page = Page::wide();
    let [one, two] = Buyer::BOTH.map(|it| who(broken.scenario, it));
    page.line("", [&one, &two], "stock");
    for (number, (step, lines)) in chosen {
        let stock = step.available_units_after.to_string();
        page.lines(step.buyer, &number.to_string(), &stock, &lines);
    }
    page.into_text()
}

/// A statement in one line, and what came back in another where it says something.
fn lines(step: &Step, width: usize) -> Vec<String> {
    let mut statement = step.statement.readable.clone();
    let told = step.answer.as_deref().map(|answer| match answer {
        "accepted" => "is told \"you have it\"".to_owned(),
        answer => format!("is told {answer}"),
    });
    let (beside, below) = match told {
        Some(told) if step.statement.does().commits => (Some(told), None),
        told => (None, told),
    };
    statement.extend(beside.map(|it| format!(": {it}")));
    let returned = step.returned.as_deref().unwrap_or_default();
    let says_something = step.statement.store == Store::Redis
        || returned.contains(" = ")
        || returned.starts_with("UPDATE")
        || returned.starts_with("ERROR")
        || returned == "no row";
    let waits = match step.waited_for {
        Some(Wait::Lock) => "waits, ",
        _ => "",
    };
    let returned = says_something.then(|| format!("→ {waits}{returned}"));
    let further = returned
        .into_iter()
        .chain(below)
        .map(|it| format!("  {it}"));
    let all = [statement].into_iter().chain(further);
    all.map(|it| cut(&it, width)).collect()
}

fn alone(steps: &[Step], at: FaultAt) -> String {
    let from = steps.len().saturating_sub(STEP_LINES / 2);
    let mut text = String::new();
    for (number, step) in (1..).zip(steps).skip(from) {
        let mut number_shown = number.to_string();
        for line in lines(step, ALONE) {
            let line = format!("{:>3}  {line}", std::mem::take(&mut number_shown));
            text += &format!("{}\n", line.trim_end());
        }
        if number == at.step {
            text += match at.fault {
                Fault::KilledBefore | Fault::StepLost => "  ✗  never arrives\n",
                _ => "  ✗  nobody hears of it\n",
            };
        }
    }
    text
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let shown: String = text.chars().take(width - 1).collect();
    format!("{}…", shown.trim_end())
}

/// What was not looked at, in any case.
fn not_judged(verdict: &Verdict) -> String {
    let mut parts = verdict.not_judged.clone();
    parts.push("cancelling, restocking, crowds, time".to_owned());
    let text = format!("\n{}", indented(&parts.join("; "), "  not judged: "));
    // Where the README of a strategy of ours names what is broken.
    let named = match (verdict.verdict, verdict.program.as_str()) {
        (Word::Broken, "naive") => {
            "crates/phase1-naive/README.md, \"What still goes wrong\", names it: it is a lesson"
        }
        (Word::Broken, "hybrid") => {
            "crates/phase3-hybrid/README.md, \"What still goes wrong\", names it"
        }
        _ => return text,
    };
    format!("{text}  {named}\n")
}
