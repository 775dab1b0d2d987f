//! Judges what is claimed of a run: whether the run says so, too.

use std::process::ExitCode;

use flash_lab_bench::{Estimate, estimate, median, significant};

use super::bench::{Block, Claim, Run};
use super::finding::{Finding, tell};

/// What is judged. Each number that can be had by a mistake is another one here.
const RUN: &str = include_str!("../../exercises/e09_say_it_with_an_interval/run.json");

/// How far the end of an interval may be from ours, of its value: resampling is luck, too.
const TOLERANCE: f64 = 0.03;

/// Three claims of one run.
#[derive(Debug, Clone, Copy)]
pub struct Claims {
    /// While `pessimistic` sells one unit, `engine` sells so many.
    pub times_as_many: fn(&Run) -> Claim,
    /// 99 of 100 buyers of `engine` have an answer after so many milliseconds.
    pub p99_ms: fn(&Run) -> Claim,
    /// Orders per second of one row, from what is known before.
    pub one_row_per_second: fn(&Run) -> f64,
}

/// Judges claims; or prints them, where an argument names a run of one's own.
pub fn examine_claims(claims: Claims) -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        return judge_claims(claims);
    };
    let told = std::fs::read_to_string(&path)
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(Run::read(&text)?))
        .and_then(|run| flash_lab_crowd::output::to_stdout(&of_own(claims, &run)));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {path} is no run of ./just bench --json: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Judges claims of the run of the exercise.
pub fn judge_claims(claims: Claims) -> ExitCode {
    let run = Run::read(RUN).map_err(anyhow::Error::from);
    tell(run.map(|run| look_at(claims, &run)))
}

fn of_own(claims: Claims, run: &Run) -> String {
    let times = told(&(claims.times_as_many)(run), "times");
    let p99 = told(&(claims.p99_ms)(run), "ms");
    let row = significant((claims.one_row_per_second)(run));
    format!(
        "  engine over pessimistic: {times}\n  p99 at half load: {p99}\n  one row: {row} \
         orders/s expected, {} measured\n",
        significant(measured_row(run))
    )
}

fn told(claim: &Claim, unit: &str) -> String {
    match claim {
        Claim::Says(it) => format!("{} {unit} ({})", significant(it.median), ends(it)),
        Claim::Refused(reason) => format!("refused: {reason}"),
    }
}

fn ends(it: &Estimate) -> String {
    format!("{} to {}", significant(it.low), significant(it.high))
}

fn look_at(claims: Claims, run: &Run) -> Finding {
    let mut finding = Finding::default();
    // In the order in which they are told of; the first that is broken ends it.
    let _all = finding.holds("times-as-many", wrong_times(claims, run))
        && finding.holds("says-an-interval", wrong_interval(claims, run))
        && finding.holds("computed-from-the-run", typed_in(claims, run))
        && finding.holds(
            "refuses-what-cannot-be-said",
            said_all_the_same(claims, run),
        )
        && finding.holds("p99-below-the-most", wrong_p99(claims, run))
        && finding.holds("one-row-within-two", wrong_row(claims, run));
    finding
}

fn per_second(block: &Block) -> f64 {
    block.orders() / block.seconds
}

fn is_valid(pair: &[&Block; 2]) -> bool {
    pair.iter().all(|it| it.void.is_none())
}

fn ratios(run: &Run, of: fn(&Block) -> f64) -> Vec<f64> {
    let pairs = run.pairs("pessimistic");
    let valid = pairs.iter().filter(|it| is_valid(it));
    valid.map(|[a, b]| of(b) / of(a)).collect()
}

/// What the run says.
fn times(run: &Run) -> Estimate {
    estimate_of(&ratios(run, per_second))
}

fn p99(run: &Run) -> Estimate {
    let pairs = run.pairs("half-load");
    let valid = pairs.iter().filter(|it| is_valid(it));
    estimate_of(&valid.map(|[_, engine]| engine.p99_ms()).collect::<Vec<_>>())
}

fn estimate_of(values: &[f64]) -> Estimate {
    let nothing = Estimate {
        median: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
    };
    estimate(values).unwrap_or(nothing)
}

fn measured_row(run: &Run) -> f64 {
    let pairs = run.pairs("pessimistic");
    let valid = pairs.iter().filter(|it| is_valid(it));
    let rates: Vec<_> = valid.map(|[row, _]| per_second(row)).collect();
    median(&rates).unwrap_or(f64::NAN)
}

fn holds(truth: &Estimate, value: f64) -> bool {
    (truth.low..=truth.high).contains(&value)
}

fn is_same(a: f64, b: f64) -> bool {
    (a - b).abs() <= b.abs() * 1e-6
}

fn wrong_times(claims: Claims, run: &Run) -> Option<String> {
    let truth = times(run);
    let said = match (claims.times_as_many)(run) {
        Claim::Says(said) => said.median,
        Claim::Refused(reason) => {
            return Some(format!(
                "you refuse to say how many times: {reason}. This run says it: it is durable, \
                 and {} pairs are valid",
                ratios(run, per_second).len()
            ));
        }
    };
    if holds(&truth, said) {
        return None;
    }
    let told = format!(
        "you say {} times. orders_vs_pessimistic of this run is {} ({})",
        significant(said),
        significant(truth.median),
        ends(&truth)
    );
    let said = significant(said);
    Some(match mistake(run, &said) {
        Some(mistake) => format!("{told}. {said} comes from {mistake}"),
        None => told,
    })
}

/// Where a number comes from that is not what the run says.
fn mistake(run: &Run, said: &str) -> Option<&'static str> {
    let pairs = run.pairs("pessimistic");
    let of_all = |of: fn(&Block) -> f64, side: usize, of_valid: bool| -> Vec<f64> {
        let blocks = pairs.iter().filter_map(|pair| pair.get(side));
        let blocks = blocks.filter(|it| !of_valid || it.void.is_none());
        blocks.map(|it| of(it)).collect()
    };
    let answers: fn(&Block) -> f64 = |it| it.answers() / it.seconds;
    let best = |of, of_valid| {
        let most = |side| of_all(of, side, of_valid).into_iter().fold(0.0, f64::max);
        most(1) / most(0)
    };
    let of_medians = |of_valid| {
        let middle = |side| median(&of_all(per_second, side, of_valid));
        middle(1).unwrap_or(f64::NAN) / middle(0).unwrap_or(f64::NAN)
    };
    let all: Vec<_> = pairs
        .iter()
        .map(|[a, b]| per_second(b) / per_second(a))
        .collect();
    let counted = "counting refusals as sales";
    let best_of_all = "the best block of each: that is the run with the most luck";
    let known = [
        (best(answers, false), counted),
        (best(answers, true), counted),
        (median(&ratios(run, answers)).unwrap_or(f64::NAN), counted),
        (best(per_second, false), best_of_all),
        (best(per_second, true), best_of_all),
        (
            median(&all).unwrap_or(f64::NAN),
            "blocks that are void: their orders and their stock are not the same number",
        ),
        (of_medians(true), OF_MEDIANS),
        (of_medians(false), OF_MEDIANS),
    ];
    let found = known.iter().find(|(value, _)| significant(*value) == said);
    found.map(|(_, mistake)| *mistake)
}

const OF_MEDIANS: &str = "two medians: the machine was not the same for both. Only neighbors met the same one";

fn wrong_interval(claims: Claims, run: &Run) -> Option<String> {
    let Claim::Says(said) = (claims.times_as_many)(run) else {
        return None;
    };
    let (truth, values) = (times(run), ratios(run, per_second));
    if is_same(said.low, said.high) {
        return Some(format!(
            "you say {} times, and not how well you know it: between which two numbers may it \
             lie",
            significant(said.median)
        ));
    }
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(0.0, f64::max);
    if is_same(said.low, lowest) && is_same(said.high, highest) {
        return Some(format!(
            "{} is from the unluckiest pair to the luckiest, and one pair more can only make it \
             wider. The median lies within {}",
            ends(&said),
            ends(&truth)
        ));
    }
    let is_near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * b;
    let is_right = is_near(said.low, truth.low) && is_near(said.high, truth.high);
    (!is_right).then(|| {
        format!(
            "your interval is {}; that of this run is {}",
            ends(&said),
            ends(&truth)
        )
    })
}

/// Whether another run would be told of with the same number.
fn typed_in(claims: Claims, run: &Run) -> Option<String> {
    let slow = run.clone().but(|_, blocks| {
        let rows = blocks.iter_mut().filter(|it| it.arm() == "pessimistic");
        rows.for_each(|it| it.seconds *= 2.0);
    });
    match (claims.times_as_many)(&slow) {
        Claim::Says(said) if holds(&times(&slow), said.median) => None,
        Claim::Says(said) => Some(format!(
            "where one row is twice as slow you say {} times, and it is {}: your number is not \
             computed from the run",
            significant(said.median),
            significant(times(&slow).median)
        )),
        Claim::Refused(reason) => Some(format!(
            "where one row is twice as slow you refuse to say how many times: {reason}"
        )),
    }
}

/// Whether something is claimed of a run that says nothing.
fn said_all_the_same(claims: Claims, run: &Run) -> Option<String> {
    let no_disk = run.clone().but(|fsync, _| "off".clone_into(fsync));
    let all_void = run.clone().but(|_, blocks| {
        for block in blocks {
            block.void = Some("a server was killed".to_owned());
        }
    });
    let runs = [
        (no_disk, "fsync is off", "what no disk keeps is no order"),
        (
            all_void,
            "every block is void",
            "there is nothing to compare",
        ),
    ];
    for (run, what, because) in runs {
        for (claim, unit) in [(claims.times_as_many, "times"), (claims.p99_ms, "ms")] {
            if let Claim::Says(said) = claim(&run) {
                return Some(format!(
                    "in another run {what}, and you say {} {unit} all the same: {because}",
                    significant(said.median)
                ));
            }
        }
    }
    None
}

fn wrong_p99(claims: Claims, run: &Run) -> Option<String> {
    let truth = p99(run);
    let said = match (claims.p99_ms)(run) {
        Claim::Says(said) if holds(&truth, said.median) => return None,
        Claim::Says(said) => said.median,
        Claim::Refused(reason) => {
            return Some(format!(
                "you refuse to say how long an order takes: {reason}"
            ));
        }
    };
    let pairs = run.pairs("pessimistic");
    let fullest = pairs.iter().map(|[_, engine]| engine.p99_ms());
    let is_full = fullest.fold(f64::INFINITY, f64::min) <= said;
    let because = match is_full {
        true => {
            ". At full load a buyer asks again when the last answer came: you chose this number \
             when you chose how many buyers there are"
        }
        false => "",
    };
    Some(format!(
        "you say {} ms. At half of what it can do, asked at times of its own, it is {} ({}){because}",
        significant(said),
        significant(truth.median),
        ends(&truth)
    ))
}

fn wrong_row(claims: Claims, run: &Run) -> Option<String> {
    let (said, measured) = ((claims.one_row_per_second)(run), measured_row(run));
    if (measured / 2.0..=measured * 2.0).contains(&said) {
        return None;
    }
    let because = match is_same(said, 1e6 / run.fsync_us()) {
        true => {
            ". A row is held for all round trips of a purchase, and not for one write of the \
             disk alone"
        }
        false => "",
    };
    Some(format!(
        "you expect {} orders/s of one row, and {} were measured: that is not within a factor \
         of two{because}",
        significant(said),
        significant(measured)
    ))
}
