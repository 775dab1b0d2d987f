//! `lab judge`, from what was asked to what is said.

use std::sync::Arc;

use anyhow::ensure;
use clap::ValueEnum;
use flash_lab_crowd::error::{Ending, sentence};
use flash_lab_crowd::outcome::Outcome;
use flash_lab_crowd::output::JsonFile;
use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::rule::Rule;
use flash_lab_crowd::seller::Seller;
use flash_lab_interleave::{Fault, Scenario, Stage, Unrehearsed, start_stores, tell};
use flash_sandbox::{Sandbox, SandboxError};

use crate::cli::{JudgeArgs, Scope, StageName};
use crate::verdict::{Judged, Verdict, Violation, Word};
use crate::{crash, http, race, text};

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
    let json = JsonFile::open(args.json.take())?;
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

    let those = |word: Word| {
        let those = verdicts.iter().filter(|it| it.verdict == word);
        let names: Vec<_> = those.map(|it| it.program.as_str()).collect();
        names.join(", ")
    };
    tell(&json, &verdicts, |_| {
        verdicts.iter().map(text::told).collect()
    })?;
    let (broken, unknown) = (those(Word::Broken), those(Word::Unknown));
    if !broken.is_empty() {
        return Err(Ending::RuleBroken(format!("broken: {broken}")).into());
    }
    ensure!(unknown.is_empty(), "could not judge: {unknown}");
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
        program: seller.name.clone(),
        verdict: Word::Held,
        reason: None,
        stages: Vec::new(),
        rules: Vec::new(),
        not_judged: Vec::new(),
    };
    match judge_stages(stores, seller, scope, progress, &mut verdict).await {
        Ok(()) => {}
        Err(error) if error.is::<SandboxError>() || error.is::<Ending>() => {
            return Err(error);
        }
        Err(error) if never_sells(&error) => {
            let sentence =
                "nobody has bought anything yet, and the first buyer was told sold out";
            let violation = Violation::new(Rule::FalseSoldOut, sentence);
            verdict.verdict = Word::Broken;
            let judged = Judged::broken(violation, StageName::Http, None);
            verdict.rules.push(judged);
        }
        Err(error) => {
            verdict.verdict = Word::Unknown;
            verdict.reason = Some(sentence(&error));
        }
    }
    Ok(verdict)
}

/// Whoever says "sold out" to the first buyer of thousands of units needs no judging.
fn never_sells(error: &anyhow::Error) -> bool {
    let unrehearsed = error.downcast_ref::<Unrehearsed>();
    unrehearsed.is_some_and(|it| it.outcome == Outcome::SoldOut)
}

async fn judge_stages(
    stores: &Arc<Sandbox>,
    seller: &Seller,
    scope: &Scope,
    progress: &Progress,
    verdict: &mut Verdict,
) -> anyhow::Result<()> {
    let scenarios = match scope.scenarios.as_slice() {
        [] => &Scenario::all().iter().collect::<Vec<_>>()[..],
        some => some,
    };
    let faults = match scope.faults.as_slice() {
        [] => Fault::value_variants(),
        some => some,
    };
    let mut two_servers = None;
    for stage in &scope.stages {
        if verdict.verdict == Word::Broken {
            verdict.not_judged.push(stage.to_string());
            continue;
        }
        progress.step(&format!("{seller}: {stage}"));
        if *stage == StageName::Crash {
            let lifetime = crash::GATE_LIFETIME;
            let opening = Stage::open_with(Arc::clone(stores), seller, lifetime);
            crash::judge(&mut opening.await?, faults, progress, verdict).await?;
            continue;
        }
        let servers = match &mut two_servers {
            Some(servers) => servers,
            None => two_servers.insert(Stage::open(Arc::clone(stores), seller).await?),
        };
        if *stage == StageName::Http {
            http::judge(servers, verdict).await?;
            continue;
        }
        for scenario in scenarios {
            if verdict.verdict == Word::Broken {
                verdict.not_judged.push(scenario.id.clone());
                continue;
            }
            let changes = scope.changes_max;
            race::judge(servers, scenario, changes, progress, verdict).await?;
        }
    }
    Ok(())
}
