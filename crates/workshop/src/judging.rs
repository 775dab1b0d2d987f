//! Asking the judge about an exercise.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, bail};

use clap::ValueEnum;
use flash_lab_crowd::error::Ending;
use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::seller::Seller;
use flash_lab_interleave::{Fault, Scenario};
use flash_lab_judge::{Judged, StageName, Verdict, Word};
use flash_sandbox::Sandbox;
use serde_json::Value;

use crate::table::Scope;

/// Judges a program as far as an exercise asks for it.
///
/// # Errors
///
/// The table asks for what there is not, or a program is missing.
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
    let scope = to_judge(scope).map_err(anyhow::Error::msg)?;
    flash_lab_judge::judge(stores, seller, &scope, progress).await
}

fn to_judge(scope: &Scope) -> Result<flash_lab_judge::Scope, String> {
    let stages = scope.stages.iter().map(|it| StageName::from_str(it, false));
    let scenarios = scope.scenarios.iter().map(|it| Scenario::named(it));
    let faults = scope.faults.iter().map(|it| Fault::from_str(it, false));
    Ok(flash_lab_judge::Scope {
        stages: stages.collect::<Result<_, _>>()?,
        scenarios: scenarios.collect::<Result<_, _>>()?,
        changes_max: scope.changes_max,
        faults: faults.collect::<Result<_, _>>()?,
    })
}

/// What came of a judgement.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Rules that held, as `exercises.toml` calls them.
    pub held: BTreeSet<String>,
    /// The rule that is broken and its sentence, if one is.
    pub broken: Option<(String, String)>,
    /// The recognizer and its sentence, where one knows why.
    pub why: Option<(String, String)>,
    /// What was to be judged, and was not.
    pub not_judged: Vec<String>,
    /// All of it.
    pub json: Value,
}

impl Finding {
    /// What a verdict says.
    ///
    /// # Errors
    ///
    /// It could not be judged.
    pub fn of(verdict: &Verdict) -> anyhow::Result<Self> {
        if verdict.verdict == Word::Unknown {
            bail!(
                "could not judge: {}",
                verdict.reason.as_deref().unwrap_or_default()
            );
        }
        let broken = broken(verdict);
        let held = verdict.rules.iter().filter(|it| it.held).map(name_of);
        let why = broken.and_then(|it| it.why.as_ref());
        Ok(Self {
            held: held.collect(),
            broken: broken
                .map(|it| (it.id.to_string(), it.sentence.clone().unwrap_or_default())),
            why: why.map(|it| (it.id.to_owned(), it.sentence.clone())),
            not_judged: verdict.not_judged.clone(),
            json: serde_json::to_value(verdict)?,
        })
    }

    /// What a program says itself, as one line of JSON.
    ///
    /// # Errors
    ///
    /// It says nothing, or could not find out.
    pub fn said_by(program: &mut Command) -> anyhow::Result<Self> {
        let output = program.output().context("cannot run it")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim_end().trim_start_matches("error: ");
        match output.status.code() {
            Some(0 | 3) => {}
            Some(69) => return Err(Ending::MissingProgram(said.to_owned()).into()),
            _ => bail!("could not judge: {said}"),
        }
        let json: Value = serde_json::from_slice(&output.stdout)?;
        let text =
            |name: &str| json.get(name).and_then(Value::as_str).map(str::to_owned);
        let held = json.get("held").and_then(Value::as_array);
        let held = held.into_iter().flatten().filter_map(Value::as_str);
        Ok(Self {
            held: held.map(str::to_owned).collect(),
            broken: text("rule").zip(text("sentence")),
            why: None,
            not_judged: Vec::new(),
            json,
        })
    }
}

/// What a rule that was judged is called in `exercises.toml`.
#[must_use]
pub fn name_of(judged: &Judged) -> String {
    let stage = judged.stage.to_possible_value();
    let stage = stage.as_ref().map_or("", |it| it.get_name());
    format!("{}@{}", judged.id, judged.scenario.unwrap_or(stage))
}

/// The rule that is broken, if one is.
#[must_use]
pub fn broken(verdict: &Verdict) -> Option<&Judged> {
    verdict.rules.iter().find(|it| !it.held)
}
