//! Stage `interleave`: two buyers, in every order of their steps.

use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::rule::Rule;
use flash_lab_interleave::{
    Ask, Books, Buyer, Finish, Frontier, Played, Scenario, Stage,
};

use crate::cli::StageName;
use crate::rules::{broken, rules_of};
use crate::verdict::{self, Judged, Looked, Violation, Why};
use crate::why::{self, Case};

/// Who buys what is left, to see that it can be bought.
const EVE: Ask = Ask {
    buyer: "eve",
    units: 1,
    key: "eve",
};

pub(crate) async fn judge(
    stage: &mut Stage,
    scenarios: &[Scenario],
    changes_max: usize,
    progress: &Progress,
) -> anyhow::Result<verdict::Outcome> {
    let mut outcome = verdict::Outcome::default();
    for scenario in scenarios {
        play(stage, scenario, changes_max, progress, &mut outcome).await?;
        if outcome.broken.is_some() {
            break;
        }
    }
    Ok(outcome)
}

async fn play(
    stage: &mut Stage,
    scenario: &Scenario,
    changes_max: usize,
    progress: &Progress,
    outcome: &mut verdict::Outcome,
) -> anyhow::Result<()> {
    let mut frontier = Frontier::new(changes_max);
    let mut count = 0;
    let mut found = None;
    while let Some(begin) = frontier.next_turns() {
        let played = stage.play_scenario(scenario, &begin, Finish::Stay).await?;
        count += 1;
        progress.follow(format_args!(
            "{}: {}: {count} orders of steps",
            stage.seller(),
            scenario.id
        ));
        frontier.add(&begin, &played);
        if let Some(violation) = violation(stage, scenario, &played).await? {
            found = Some((played, violation));
            break;
        }
    }
    outcome.looked.push(Looked {
        id: StageName::Interleave,
        scenario: Some(scenario.id),
        schedules: count,
        changes_max: Some(changes_max),
        complete: found.is_none() && frontier.is_complete(),
    });
    let Some((played, violation)) = found else {
        let held =
            |rule: &Rule| Judged::held(*rule, StageName::Interleave, Some(scenario.id));
        outcome.held.extend(rules_of(scenario).iter().map(held));
        return Ok(());
    };
    let why = reason(stage, scenario, &played, &violation).await?;
    outcome.broken = Some(Judged {
        why,
        schedule: Some(played.transcript.schedule.clone()),
        transcript: Some(played.transcript),
        ..Judged::broken(violation, StageName::Interleave, Some(scenario.id))
    });
    Ok(())
}

async fn violation(
    stage: &Stage,
    scenario: &Scenario,
    played: &Played,
) -> anyhow::Result<Option<Violation>> {
    let Some(books) = &played.books else {
        return Ok(None);
    };
    let violation = broken(scenario, &played.told, books);
    let left = books.audit.available_units;
    if violation.is_some() || scenario.limit.is_some() || left < 1 || scenario.units > 1
    {
        return Ok(violation);
    }
    let told = stage.buy(Buyer::Two, &EVE, &books.audit.sku).await;
    let is_bought = told.outcome == flash_lab_crowd::outcome::Outcome::Accepted;
    Ok((!is_bought).then(|| {
        let said = told.outcome.as_str();
        let sentence = format!("1 unit is left, and whoever wants it is told {said}");
        Violation::new(Rule::Stranded, sentence)
    }))
}

async fn reason(
    stage: &mut Stage,
    scenario: &Scenario,
    played: &Played,
    violation: &Violation,
) -> anyhow::Result<Option<Why>> {
    let Some(books): Option<&Books> = played.books.as_ref() else {
        return Ok(None);
    };
    let case = Case {
        scenario,
        played,
        books,
        violation,
    };
    if let Some(why) = why::why(&case) {
        return Ok(Some(why));
    }
    let steps = &played.transcript.steps;
    if violation.rule == Rule::Oversold
        && let Some(pair) = why::compare(steps)
        && stage.is_apart_at_one_server(scenario).await?
    {
        return Ok(Some(why::lock_of_its_own(pair)));
    }
    Ok(why::last_resort(&case))
}
