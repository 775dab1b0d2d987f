//! `lab judge`, from what was asked to what is said.

use std::sync::Arc;

use anyhow::anyhow;
use flash_lab_crowd::error::{Ending, sentence};
use flash_lab_crowd::output::{self, JsonFile};
use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::rule::Rule;
use flash_lab_crowd::seller::Seller;
use flash_lab_interleave::{Fault, Scenario, Stage, Unrehearsed, start_stores};
use flash_sandbox::{Sandbox, SandboxError};
use serde::Serialize;

use crate::cli::{JudgeArgs, Scope, StageName};
use crate::verdict::{Judged, Outcome, Verdict, Violation, Word};
use crate::{crash, http, race, text};

/// Where more than one was judged.
#[derive(Serialize)]
struct Runs<'a> {
    runs: &'a [Verdict],
}

/// Runs `lab judge`.
///
/// # Errors
///
/// A broken rule, or whatever kept a seller from being judged.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn run(mut args: JudgeArgs) -> anyhow::Result<()> {
    let json = args.json.take().map(JsonFile::open).transpose()?;
    let sellers = args.sellers.sellers(&[])?;
    if sellers.is_empty() {
        let text = "say who is judged: --strategy STRATEGY or --server PROGRAM";
        return Err(Ending::Usage(text.to_owned()).into());
    }
    let progress = Progress::start();
    progress.step("starting private stores");
    let stores = start_stores().await?;
    let mut verdicts = Vec::new();
    for seller in &sellers {
        progress.step(&format!("{seller}: judging"));
        verdicts.push(judge(&stores, seller, &args.scope, &progress).await?);
    }
    drop(stores);
    drop(progress);

    if let Some(json) = &json {
        match verdicts.as_slice() {
            [verdict] => json.write(verdict)?,
            runs => json.write(&Runs { runs })?,
        }
    }
    let look = output::look_beside_json(json.as_ref());
    let told: String = verdicts.iter().map(|it| text::told(it, &look)).collect();
    output::beside_json(json.as_ref(), &told)?;
    ended(&verdicts)
}

fn ended(verdicts: &[Verdict]) -> anyhow::Result<()> {
    let those = |word: Word| {
        let those = verdicts.iter().filter(|it| it.verdict == word);
        let names: Vec<_> = those.map(|it| it.program.as_str()).collect();
        names.join(", ")
    };
    let (broken, unknown) = (those(Word::Broken), those(Word::Unknown));
    if !broken.is_empty() {
        return Err(Ending::RuleBroken(format!("broken: {broken}")).into());
    }
    if !unknown.is_empty() {
        return Err(anyhow!("could not judge: {unknown}"));
    }
    Ok(())
}

/// Judges one seller. What it does wrong is a verdict; so is that it cannot be judged.
///
/// # Errors
///
/// A program that is missing.
///
/// # Cancel safety
///
/// A dropped future ends what it has started.
pub async fn judge(
    stores: &Arc<Sandbox>,
    seller: &Seller,
    scope: &Scope,
    progress: &Progress,
) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict {
        program: seller.name().to_owned(),
        verdict: Word::Held,
        reason: None,
        stages: Vec::new(),
        rules: Vec::new(),
        not_judged: Vec::new(),
    };
    let judged = judge_stages(stores, seller, scope, progress, &mut verdict).await;
    if let Err(error) = judged {
        if error.is::<SandboxError>() || error.is::<Ending>() {
            return Err(error);
        }
        if let Some(violation) = never_sells(&error) {
            let judged = Judged::broken(violation, StageName::Http, None);
            verdict.rules.push(judged);
            verdict.verdict = Word::Broken;
            return Ok(verdict);
        }
        verdict.verdict = Word::Unknown;
        verdict.reason = Some(sentence(&error));
    }
    Ok(verdict)
}

/// Whoever says "sold out" to the first buyer of thousands of units needs no judging.
fn never_sells(error: &anyhow::Error) -> Option<Violation> {
    let unrehearsed = error.downcast_ref::<Unrehearsed>()?;
    (unrehearsed.outcome == flash_lab_crowd::outcome::Outcome::SoldOut).then(|| {
        Violation::new(
            Rule::FalseSoldOut,
            "nobody has bought anything yet, and the first buyer was told sold out",
        )
    })
}

async fn judge_stages(
    stores: &Arc<Sandbox>,
    seller: &Seller,
    scope: &Scope,
    progress: &Progress,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let scenarios = match scope.scenarios.as_slice() {
        [] => &Scenario::ALL[..],
        some => some,
    };
    let faults = match scope.faults.as_slice() {
        [] => &Fault::ALL[..],
        some => some,
    };
    let mut two_servers = None;
    for stage in &scope.stages {
        if verdict.verdict == Word::Broken {
            verdict.not_judged.push(name(*stage).to_owned());
            continue;
        }
        progress.step(&format!("{seller}: {}", name(*stage)));
        let outcome = match stage {
            StageName::Crash => {
                let lifetime = crash::GATE_LIFETIME;
                let opening = Stage::open_with(Arc::clone(stores), seller, lifetime);
                crash::judge(&mut opening.await?, faults, progress).await?
            }
            StageName::Http | StageName::Interleave => {
                let servers = match &mut two_servers {
                    Some(servers) => servers,
                    None => two_servers
                        .insert(Stage::open(Arc::clone(stores), seller).await?),
                };
                if *stage == StageName::Http {
                    http::judge(servers).await?
                } else {
                    let changes = scope.changes_max;
                    race::judge(servers, scenarios, changes, progress).await?
                }
            }
        };
        if *stage == StageName::Interleave {
            let played = outcome.looked.len();
            let left = scenarios.iter().skip(played);
            verdict.not_judged.extend(left.map(|it| it.id.to_owned()));
        }
        add(verdict, outcome);
    }
    Ok(())
}

fn add(verdict: &mut Verdict, outcome: Outcome) {
    verdict.stages.extend(outcome.looked);
    verdict.rules.extend(outcome.held);
    if let Some(broken) = outcome.broken {
        verdict.verdict = Word::Broken;
        verdict.rules.push(broken);
    }
}

fn name(stage: StageName) -> &'static str {
    match stage {
        StageName::Http => "http",
        StageName::Interleave => "interleave",
        StageName::Crash => "crash",
    }
}
