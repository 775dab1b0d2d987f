//! Stage `crash`: a purchase that breaks at one of its steps, and what comes of it.

use std::time::{Duration, Instant};

use flash_core::Sku;
use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Ask, Broken, Buyer, Fault, Stage};

use crate::cli::StageName;
use crate::rules::{Asked, unbalanced};
use crate::verdict::{self, FaultAt, Judged, Looked, Violation};
use crate::why;

/// How long phase 3's gates live here: beyond what a buyer waits, and soon enough to see what
/// comes back with them.
pub(crate) const GATE_LIFETIME: Duration = Duration::from_secs(10);

/// Longer than that after a gate expires nobody waits for a unit to come back.
const COMES_BACK_LIMIT: Duration = Duration::from_secs(20);

/// A program of somebody's own has no lifetime that we know of.
const OWN_COMES_BACK_LIMIT: Duration = Duration::from_secs(6);

/// How long a buyer asks who is told "sold out" while there is a unit, and how often at least.
const ASKING: Duration = Duration::from_secs(5);
const ASKED_AT_LEAST: u32 = 20;

/// How long a buyer asks who is told anything else: only what is never answered is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two questions of the same buyer.
const PAUSE: Duration = Duration::from_millis(100);

/// Enough for Ann and one more.
const UNITS: u32 = 2;

/// The most steps that a purchase may have.
const STEPS_MAX: usize = 100;

const RULES: [Rule; 6] = [
    Rule::Oversold,
    Rule::Books,
    Rule::Acknowledged,
    Rule::WinnerRefused,
    Rule::Stranded,
    Rule::Unanswered,
];

const fn wants_one(buyer: &'static str) -> Ask {
    Ask {
        buyer,
        units: 1,
        key: "k1",
    }
}

const ANN: Ask = wants_one("ann");

pub(crate) async fn judge(
    stage: &mut Stage,
    faults: &[Fault],
    progress: &Progress,
) -> anyhow::Result<verdict::Outcome> {
    let mut outcome = verdict::Outcome::default();
    let mut count = 0;
    'steps: for step in 1..=STEPS_MAX {
        for fault in faults.iter().copied() {
            let sku = stage.put_on_sale(UNITS, None).await?;
            let broken = stage.break_purchase(&ANN, &sku, step, fault).await?;
            if !broken.was_broken {
                break 'steps;
            }
            count += 1;
            progress
                .follow(format_args!("{}: {count} purchases broken", stage.seller()));
            let at = FaultAt { fault, step };
            if let Some(violation) = live_with(stage, &sku, &broken, at).await? {
                outcome.broken =
                    Some(describe(stage, &sku, broken, at, violation).await);
                break 'steps;
            }
        }
    }
    let complete = outcome.broken.is_none();
    outcome.looked.push(Looked {
        id: StageName::Crash,
        scenario: None,
        schedules: count,
        changes_max: None,
        complete,
    });
    if complete {
        let held = |rule| Judged::held(rule, StageName::Crash, None);
        outcome.held.extend(RULES.into_iter().map(held));
    }
    Ok(outcome)
}

/// Bob and Cid come, then Ann again; then the books are read.
async fn live_with(
    stage: &mut Stage,
    sku: &Sku,
    broken: &Broken,
    at: FaultAt,
) -> anyhow::Result<Option<Violation>> {
    let books = stage.read_books(sku).await?;
    if let Some(violation) = Asked::only(&ANN, &broken.told, &books).contradiction() {
        let sentence = format!("{}: {}", place(broken, at), violation.sentence);
        return Ok(Some(Violation::new(violation.rule, sentence)));
    }
    for buyer in ["bob", "cid"] {
        if let Some(violation) = buys_what_is_left(stage, sku, buyer).await? {
            return Ok(Some(violation));
        }
    }
    let told = insist(stage, sku, &ANN, |told| {
        matches!(told.outcome, Outcome::Accepted | Outcome::SoldOut)
    })
    .await;
    let books = stage.read_books(sku).await?;
    let again = Asked::new(&ANN, &told, &books);
    let violation = again.contradiction().or_else(|| match told.outcome {
        Outcome::Accepted | Outcome::SoldOut => unbalanced(&books),
        _ => Some(Violation::new(
            Rule::Unanswered,
            format!(
                "ann asked again for a minute and was told {}",
                told.outcome.as_str()
            ),
        )),
    });
    if violation.is_some() {
        return Ok(violation);
    }
    let oversold = books.audit.oversold_units;
    Ok((oversold > 0).then(|| {
        let sold = books.audit.accepted_units;
        let sentence = format!("{sold} units were sold, and there were {UNITS}");
        Violation::new(Rule::Oversold, sentence)
    }))
}

/// Whoever wants a unit that is there gets it, and else is told that it is sold out.
async fn buys_what_is_left(
    stage: &mut Stage,
    sku: &Sku,
    buyer: &'static str,
) -> anyhow::Result<Option<Violation>> {
    let ask = wants_one(buyer);
    let begun = Instant::now();
    let mut asked = 0;
    loop {
        let at = if asked % 2 == 0 {
            Buyer::One
        } else {
            Buyer::Two
        };
        let told = stage.buy(at, &ask, sku).await;
        asked += 1;
        if told.outcome == Outcome::Accepted {
            return Ok(None);
        }
        let books = stage.read_books(sku).await?;
        let left = books.audit.available_units;
        let is_sold_out = told.outcome == Outcome::SoldOut;
        if is_sold_out && left < 1 {
            return Ok(None);
        }
        let enough = if is_sold_out { ASKING } else { PATIENCE };
        if begun.elapsed() >= enough && asked >= ASKED_AT_LEAST {
            let said = told.outcome.as_str();
            return Ok(Some(if left > 0 {
                let unit = if left == 1 { "unit is" } else { "units are" };
                Violation::new(
                    Rule::Stranded,
                    format!(
                        "{left} {unit} left, and {buyer} asked for {} s and was told \
                             {said}",
                        enough.as_secs()
                    ),
                )
            } else {
                Violation::new(
                    Rule::Unanswered,
                    format!("{buyer} asked for a minute and was told {said}"),
                )
            }));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn insist(
    stage: &Stage,
    sku: &Sku,
    ask: &Ask,
    is_final: impl Fn(&Told) -> bool,
) -> Told {
    let begun = Instant::now();
    loop {
        let told = stage.buy(Buyer::One, ask, sku).await;
        if is_final(&told) || begun.elapsed() >= PATIENCE {
            return told;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn describe(
    stage: &mut Stage,
    sku: &Sku,
    broken: Broken,
    at: FaultAt,
    violation: Violation,
) -> Judged {
    let is_stranded = violation.rule == Rule::Stranded;
    let mut why = match violation.rule {
        Rule::Stranded => why::died_with_its_permit(&broken.steps, at.fault),
        Rule::Acknowledged => why::told_blindly(&broken.steps, &broken.told, at.step),
        _ => None,
    };
    let mut violation = violation;
    if is_stranded {
        violation.sentence = format!("{}: {}", place(&broken, at), violation.sentence);
    }
    if let Some(why) = &mut why
        && is_stranded
    {
        // The result does not hold it: it would differ from run to run.
        if let Some(after) = comes_back(stage, sku).await {
            why.sentence.push_str(&format!(
                " It came back after {} s.",
                after.as_secs_f64().round()
            ));
        }
    }
    Judged {
        why,
        fault: Some(at),
        steps: Some(broken.steps),
        ..Judged::broken(violation, StageName::Crash, None)
    }
}

/// How long it took until what was stranded could be bought.
async fn comes_back(stage: &Stage, sku: &Sku) -> Option<Duration> {
    let begun = Instant::now();
    let dan = wants_one("dan");
    let limit = match stage.seller().strategy() {
        Some(_) => COMES_BACK_LIMIT,
        None => OWN_COMES_BACK_LIMIT,
    };
    while begun.elapsed() < limit {
        if stage.buy(Buyer::One, &dan, sku).await.outcome == Outcome::Accepted {
            return Some(ASKING + begun.elapsed());
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

/// What happened, at which step.
fn place(broken: &Broken, at: FaultAt) -> String {
    let FaultAt { fault, step } = at;
    let statement = broken.steps.last().map(|it| &it.statement.readable);
    let name: String = statement
        .map(|text| text.split(' ').take(1).collect())
        .unwrap_or_default();
    match fault {
        Fault::KilledBefore => {
            format!("the server was killed before step {step} ({name})")
        }
        Fault::KilledAfter => {
            format!("the server was killed after step {step} ({name})")
        }
        Fault::AnswerLost => format!("the answer to {name} (step {step}) was lost"),
        Fault::StepLost => format!("{name} (step {step}) was lost on its way"),
    }
}
