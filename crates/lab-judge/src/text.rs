//! A verdict to read, in at most 25 lines.

use flash_lab_crowd::look::{Look, count};
use flash_lab_interleave::{Buyer, Fault, Scenario, Step, Wait};
use flash_lab_wire::Store;

use crate::cli::StageName;
use crate::verdict::{FaultAt, Judged, Looked, Verdict, Word};

/// Lines that the steps may take.
const STEP_LINES: usize = 14;

/// Characters of each buyer's column.
const COLUMN: usize = 37;

/// Characters of a step where one buyer is alone.
const ALONE: usize = 70;

pub(crate) fn told(verdict: &Verdict, look: &Look) -> String {
    let word = match verdict.verdict {
        Word::Held => "held",
        Word::Broken => "broken",
        Word::Unknown => "could not judge",
    };
    format!(
        "\n{}: {word}\n\n{}",
        verdict.program,
        details(verdict, look)
    )
}

/// What held, what is broken and why, and what was not judged.
#[must_use]
pub fn details(verdict: &Verdict, look: &Look) -> String {
    let mut text = String::new();
    for stage in &verdict.stages {
        if is_held(verdict, stage) {
            text += &format!("  held     {}\n", looked(stage));
        }
    }
    let broken = verdict.rules.iter().find(|it| !it.held);
    if let Some(broken) = broken {
        text += &broken_rule(verdict, broken, look);
    }
    if let Some(reason) = &verdict.reason {
        text += &format!("  {reason}\n");
    }
    text + &not_judged(verdict)
}

fn is_held(verdict: &Verdict, stage: &Looked) -> bool {
    !verdict
        .rules
        .iter()
        .any(|it| !it.held && it.stage == stage.id && it.scenario == stage.scenario)
}

/// What a stage looked at.
fn looked(stage: &Looked) -> String {
    let count = stage.schedules;
    match (stage.id, stage.changes_max) {
        (StageName::Http, _) => {
            format!("http         {count} purchases, one buyer at a time")
        }
        (StageName::Crash, _) => {
            format!("crash        {count} purchases, each broken at one of its steps")
        }
        (StageName::Interleave, Some(changes)) if !stage.complete => format!(
            "interleave   {}: {count} orders of steps, all with at most {changes} changes \
             of turn",
            stage.scenario.unwrap_or_default()
        ),
        (StageName::Interleave, _) => format!(
            "interleave   {}: all {count} orders of steps",
            stage.scenario.unwrap_or_default()
        ),
    }
}

fn broken_rule(verdict: &Verdict, broken: &Judged, look: &Look) -> String {
    let place = broken.scenario.map_or_else(
        || {
            match broken.stage {
                StageName::Crash => "crash: ",
                _ => "http: ",
            }
            .to_owned()
        },
        |id| format!("{id}: "),
    );
    let sentence = broken.sentence.as_deref().unwrap_or_default();
    let id = broken.id.to_string();
    let mut text = indented(
        &format!("{place}{sentence}."),
        &format!("  BROKEN   {id:<14} "),
    );
    if let Some(why) = &broken.why {
        text += &indented(&why.sentence, "           ");
    }
    if let (Some(schedule), Some(changes)) = (&broken.schedule, changes(broken)) {
        let looked = verdict
            .stages
            .iter()
            .find(|it| it.id == broken.stage && it.scenario == broken.scenario);
        let before = looked.map_or(0, |it| it.schedules - 1);
        text += &indented(
            &format!(
                "order {schedule}: {} of turn, {before} others held",
                count(i64::try_from(changes).unwrap_or(i64::MAX), "change")
            ),
            "           ",
        );
    }
    if let Some(transcript) = &broken.transcript {
        text += &format!("\n{}", race(&transcript.steps, broken, look));
    }
    if let (Some(steps), Some(at)) = (&broken.steps, broken.fault) {
        text += &format!("\n{}", alone(steps, at));
    }
    text
}

fn changes(broken: &Judged) -> Option<usize> {
    broken
        .schedule
        .as_ref()
        .map(flash_lab_interleave::Schedule::changes)
}

/// Wraps a text, the first line after a head and the others below it.
fn indented(text: &str, head: &str) -> String {
    const WIDTH: usize = 88;
    let width = WIDTH - head.chars().count().min(WIDTH / 2);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |it| it.chars().count());
        if line > 0 && line + 1 + word.chars().count() > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let below = " ".repeat(head.chars().count());
    let mut told = String::new();
    for (position, line) in lines.iter().enumerate() {
        told += if position == 0 { head } else { &below };
        told += line;
        told.push('\n');
    }
    told
}

/// Who asks for what at a server, and with which key where that matters.
fn who(scenario: Option<&str>, side: Buyer) -> String {
    let played = Scenario::ALL.iter().find(|it| Some(it.id) == scenario);
    let asks = played.map_or(&[][..], |it| it.asks(side));
    let asks = asks.iter().map(|ask| {
        let mut asks = ask.buyer.to_owned();
        if ask.units > 1 {
            asks += &format!(" wants {}", ask.units);
        }
        if ask.key != ask.buyer {
            asks += &format!(" ({})", ask.key);
        }
        asks
    });
    let asks: Vec<_> = asks.collect();
    match asks.as_slice() {
        [] => format!("T{side}"),
        asks => format!("T{side}: {}", asks.join(", then ")),
    }
}

/// The steps that matter: those that the sentence names first, then what touches the stock.
fn race(steps: &[Step], broken: &Judged, _look: &Look) -> String {
    let named = broken.why.as_ref().map_or(&[][..], |it| &it.steps);
    let weight = |number: usize, step: &Step| {
        let does = step.statement.does();
        if named.contains(&number) {
            0
        } else if step.answer.is_some() {
            1
        } else if does.reads_stock || does.writes_stock || does.locks || does.unlocks {
            2
        } else if does.records || does.counts || does.commits {
            3
        } else {
            4
        }
    };
    let mut chosen: Vec<_> = steps
        .iter()
        .enumerate()
        .map(|(position, step)| (weight(position + 1, step), position + 1, step))
        .collect();
    chosen.sort_by_key(|(weight, number, _)| (*weight, *number));
    let mut left = STEP_LINES;
    chosen.retain(|(weight, _, step)| {
        let lines = lines(step, COLUMN).len();
        let fits = *weight < 4 && lines <= left;
        left -= if fits { lines } else { 0 };
        fits
    });
    chosen.sort_by_key(|(_, number, _)| *number);
    let [one, two] = Buyer::BOTH.map(|it| who(broken.scenario, it));
    let mut text = row("", &one, &two, "stock");
    for (_, number, step) in chosen {
        for (position, line) in lines(step, COLUMN).iter().enumerate() {
            let stock = step.available_units_after.to_string();
            let (number, stock) = match position {
                0 => (number.to_string(), stock),
                _ => (String::new(), String::new()),
            };
            text += &match step.buyer {
                Buyer::One => row(&number, line, "", &stock),
                Buyer::Two => row(&number, "", line, &stock),
            };
        }
    }
    text
}

fn row(number: &str, one: &str, two: &str, stock: &str) -> String {
    let line = format!("{number:>3}  {one:<COLUMN$}  {two:<COLUMN$}  {stock:>5}");
    format!("{}\n", line.trim_end())
}

/// A statement in one line, and what came back in another where it says something.
fn lines(step: &Step, width: usize) -> Vec<String> {
    let mut first = cut(&step.statement.readable, width);
    let mut lines = Vec::new();
    if let Some(answer) = &step.answer {
        let is_told = match answer.as_str() {
            "accepted" => ": is told \"you have it\"".to_owned(),
            answer => format!(": is told {answer}"),
        };
        if step.statement.does().commits {
            first = cut(&format!("{}{is_told}", step.statement.readable), width);
        } else {
            lines.push(cut(&format!("  is told{}", &is_told[9..]), width));
        }
    }
    let returned = step.returned.as_deref().unwrap_or_default();
    let says_something = step.statement.store == Store::Redis
        || returned.contains(" = ")
        || returned.starts_with("UPDATE")
        || returned.starts_with("ERROR")
        || returned == "no row";
    let waits = (step.waited_for == Some(Wait::Lock)).then_some("waits, ");
    if says_something {
        let returned = format!("  → {}{returned}", waits.unwrap_or_default());
        lines.insert(0, cut(&returned, width));
    }
    lines.insert(0, first);
    lines
}

fn alone(steps: &[Step], at: FaultAt) -> String {
    let from = steps.len().saturating_sub(STEP_LINES / 2);
    let mut text = String::new();
    for (position, step) in steps.iter().enumerate().skip(from) {
        for (line_number, line) in lines(step, ALONE).iter().enumerate() {
            let number = match line_number {
                0 => (position + 1).to_string(),
                _ => String::new(),
            };
            text += format!("{number:>3}  {line}").trim_end();
            text.push('\n');
        }
        if position + 1 == at.step {
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
    let mut text = format!("\n{}", indented(&parts.join("; "), "  not judged: "));
    if let Some(named) = named_in_readme(verdict) {
        text += &format!("  {named}\n");
    }
    text
}

/// Where the README of a strategy of ours names what is broken.
fn named_in_readme(verdict: &Verdict) -> Option<&'static str> {
    if verdict.verdict != Word::Broken {
        return None;
    }
    match verdict.program.as_str() {
        "naive" => Some(
            "crates/phase1-naive/README.md, \"What still goes wrong\", names it: it is a lesson",
        ),
        "hybrid" => {
            Some("crates/phase3-hybrid/README.md, \"What still goes wrong\", names it")
        }
        _ => None,
    }
}
