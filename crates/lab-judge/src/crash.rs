//! Stage `crash`: a purchase that breaks at one of its steps, and what comes of it.

use std::time::{Duration, Instant};

use flash_core::Sku;
use flash_lab_crowd::outcome::{Outcome, Told};
use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Ask, Broken, Buyer, Fault, Stage};

use crate::cli::StageName;
use crate::rules::{Asked, balanced};
use crate::verdict::{FaultAt, Judged, Looked, Verdict, Violation, ensure};
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

const ANN: Ask = Ask::new("ann", 1, "k1");

pub(crate) async fn judge(
    stage: &mut Stage,
    faults: &[Fault],
    progress: &Progress,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let mut count = 0;
    let mut found = None;
    'steps: for step in 1..=STEPS_MAX {
        for fault in faults.iter().copied() {
            let sku = stage.put_on_sale(UNITS, None).await?;
            let broken = stage.break_purchase(&ANN, &sku, step, fault).await?;
            let Some(broken) = broken else {
                break 'steps;
            };
            count += 1;
            let seller = stage.seller();
            progress.follow(format_args!("{seller}: {count} purchases broken"));
            let at = FaultAt { fault, step };
            let lived = live_with(stage, &sku, &broken, at).await;
            if let Some(violation) = Violation::found(lived)? {
                found = Some(describe(stage, &sku, broken, at, violation).await);
                break 'steps;
            }
        }
    }
    let looked = Looked::alone(StageName::Crash, count, found.is_none());
    verdict.add(looked, &RULES, found);
    Ok(())
}

/// Bob and Cid come, then Ann again; then the books are read.
async fn live_with(
    stage: &mut Stage,
    sku: &Sku,
    broken: &Broken,
    at: FaultAt,
) -> anyhow::Result<()> {
    let books = stage.read_books(sku).await?;
    let agrees = Asked::new(&ANN, &broken.told, &books, true).agrees();
    agrees.map_err(|it| it.at(&place(broken, at)))?;
    for buyer in ["bob", "cid"] {
        buys_what_is_left(stage, sku, buyer).await?;
    }
    let is_final =
        |told: &Told| matches!(told.outcome, Outcome::Accepted | Outcome::SoldOut);
    let told = insist(stage, sku, &ANN, PATIENCE, is_final).await;
    let books = stage.read_books(sku).await?;
    Asked::new(&ANN, &told, &books, false).agrees()?;
    let said = told.outcome.as_str();
    let unanswered = format!("ann asked again for a minute and was told {said}");
    ensure(is_final(&told), Rule::Unanswered, unanswered)?;
    balanced(&books)?;
    let sold = books.audit.accepted_units;
    let oversold = format!("{sold} units were sold, and there were {UNITS}");
    ensure(books.audit.oversold_units == 0, Rule::Oversold, oversold)?;
    Ok(())
}

/// Whoever wants a unit that is there gets it, and else is told that it is sold out.
async fn buys_what_is_left(
    stage: &mut Stage,
    sku: &Sku,
    buyer: &'static str,
) -> anyhow::Result<()> {
    let ask = Ask::new(buyer, 1, "k1");
    let begun = Instant::now();
    let mut asked = 0;
    for at in Buyer::BOTH.into_iter().cycle() {
        let told = stage.buy(at, &ask, sku).await;
        asked += 1;
        let left = stage.read_books(sku).await?.audit.available_units;
        let is_sold_out = told.outcome == Outcome::SoldOut;
        if told.outcome == Outcome::Accepted || (is_sold_out && left < 1) {
            break;
        }
        let enough = if is_sold_out { ASKING } else { PATIENCE };
        let has_patience = begun.elapsed() < enough || asked < ASKED_AT_LEAST;
        let said = told.outcome.as_str();
        let unit = if left == 1 { "unit is" } else { "units are" };
        let seconds = enough.as_secs();
        let stranded = format!(
            "{left} {unit} left, and {buyer} asked for {seconds} s and was told {said}"
        );
        ensure(has_patience || left < 1, Rule::Stranded, stranded)?;
        let unanswered = format!("{buyer} asked for a minute and was told {said}");
        ensure(has_patience, Rule::Unanswered, unanswered)?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Asks until an answer is final, or for so long.
async fn insist(
    stage: &Stage,
    sku: &Sku,
    ask: &Ask,
    limit: Duration,
    is_final: impl Fn(&Told) -> bool,
) -> Told {
    let begun = Instant::now();
    loop {
        let told = stage.buy(Buyer::One, ask, sku).await;
        if is_final(&told) || begun.elapsed() >= limit {
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
    mut violation: Violation,
) -> Judged {
    let mut why = None;
    if violation.rule == Rule::Acknowledged {
        why = why::told_blindly(&broken.steps, &broken.told, at.step);
    } else if violation.rule == Rule::Stranded {
        violation = violation.at(&place(&broken, at));
        why = why::died_with_its_permit(&broken.steps, at.fault);
        if let Some(why) = &mut why {
            why.sentence += &comes_back(stage, sku).await;
        }
    }
    Judged {
        why,
        fault: Some(at),
        steps: Some(broken.steps),
        ..Judged::broken(violation, StageName::Crash, None)
    }
}

/// When what was stranded can be bought, if ever. It says what is set and not what was
/// measured, so that every run says the same.
async fn comes_back(stage: &Stage, sku: &Sku) -> String {
    let (limit, when, set) = match stage.seller().strategy {
        Some(_) => (COMES_BACK_LIMIT, "after", GATE_LIFETIME),
        None => {
            let limit = OWN_COMES_BACK_LIMIT;
            (limit, "within", ASKING + limit)
        }
    };
    let dan = Ask::new("dan", 1, "k1");
    let is_bought = |told: &Told| told.outcome == Outcome::Accepted;
    match is_bought(&insist(stage, sku, &dan, limit, is_bought).await) {
        true => format!(" It came back {when} {} s.", set.as_secs()),
        false => String::new(),
    }
}

/// What happened, at which step.
fn place(broken: &Broken, at: FaultAt) -> String {
    let FaultAt { fault, step } = at;
    let last = broken.steps.last();
    let name = last.and_then(|it| it.statement.readable.split(' ').next());
    let name = name.unwrap_or_default();
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
