//! Asking the judge about an exercise.

use std::sync::Arc;

use clap::ValueEnum;
use flash_lab_crowd::progress::Progress;
use flash_lab_crowd::seller::Seller;
use flash_lab_judge::{Judged, StageName, Verdict};
use flash_sandbox::Sandbox;

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
    let scenarios = scope.scenarios.iter();
    let scenarios = scenarios.map(|it| flash_lab_judge::scenario(it));
    let faults = scope.faults.iter().map(|it| flash_lab_judge::fault(it));
    Ok(flash_lab_judge::Scope {
        stages: stages.collect::<Result<_, _>>()?,
        scenarios: scenarios.collect::<Result<_, _>>()?,
        changes_max: scope.changes_max,
        faults: faults.collect::<Result<_, _>>()?,
    })
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
