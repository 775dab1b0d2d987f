//! Stage `interleave`: two buyers, in every order of their steps.

use flash_lab_crowd::outcome::Outcome;
use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{Ask, Books, Buyer, Frontier, Played, Scenario, Stage};

use crate::cli::StageName;
use crate::rules::check;
use crate::verdict::{Judged, Looked, Verdict, Violation, Why, ensure};
use crate::why::Case;

/// Who buys what is left, to see that it can be bought.
const EVE: Ask = Ask::new("eve", 1, "eve");

/// Plays one sale.
pub(crate) async fn judge(
    stage: &mut Stage,
    scenario: &'static Scenario,
    changes_max: usize,
    progress: &Progress,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let mut frontier = Frontier::new(changes_max);
    let mut count = 0;
    let mut broken = None;
    while let Some(played) = frontier.play(stage, scenario).await? {
        count += 1;
        progress.follow(format_args!(
            "{}: {}: {count} orders of steps",
            stage.seller(),
            scenario.id
        ));
        let Some(books) = &played.books else {
            continue;
        };
        let checked = holds(stage, scenario, &played, books).await;
        if let Some(violation) = Violation::found(checked)? {
            let why = reason(stage, scenario, &played, books, &violation).await?;
            let id = Some(&*scenario.id);
            broken = Some(Judged {
                why,
                schedule: Some(played.transcript.schedule.clone()),
                transcript: Some(played.transcript),
                ..Judged::broken(violation, StageName::Interleave, id)
            });
            break;
        }
    }
    let looked = Looked {
        id: StageName::Interleave,
        scenario: Some(&scenario.id),
        schedules: count,
        changes_max: Some(changes_max),
        complete: broken.is_none() && frontier.is_complete(),
    };
    verdict.add(looked, &scenario.rules, broken);
    Ok(())
}

async fn holds(
    stage: &Stage,
    scenario: &Scenario,
    played: &Played,
    books: &Books,
) -> anyhow::Result<()> {
    check(scenario, &played.told, books)?;
    let is_left = books.audit.available_units > 0;
    if is_left && scenario.limit.is_none() && scenario.units == 1 {
        let told = stage.buy(Buyer::Two, &EVE, &books.audit.sku).await;
        let said = told.outcome.as_str();
        let sentence = format!("1 unit is left, and whoever wants it is told {said}");
        ensure(told.outcome == Outcome::Accepted, Rule::Stranded, sentence)?;
    }
    Ok(())
}

async fn reason(
    stage: &mut Stage,
    scenario: &'static Scenario,
    played: &Played,
    books: &Books,
    violation: &Violation,
) -> anyhow::Result<Option<Why>> {
    let case = Case::new(scenario, played, books, violation.rule);
    if let Some(why) = case.why() {
        return Ok(Some(why));
    }
    if violation.rule == Rule::Oversold
        && let Some(why) = case.lock_in_process()
        && stage.is_apart_at_one_server(scenario).await?
    {
        return Ok(Some(why));
    }
    Ok(case.read_then_written())
}
