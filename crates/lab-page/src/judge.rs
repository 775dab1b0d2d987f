//! The shortest bad order of a seller, as `lab judge` says it: this program is run once
//! more for it.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, bail};
use flash_lab_crowd::Seller;
use serde::Serialize;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;

/// The sale that the step player plays.
const SCENARIO: [&str; 4] = ["--stages", "interleave", "--scenario", "last-unit"];

/// What the judge was asked so far. One question at a time: each takes the machine for
/// itself.
#[derive(Default)]
pub(crate) struct Judge(Mutex<BTreeMap<String, Judgement>>);

/// What is wrong with a seller, if anything is.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Judgement {
    /// The order with the fewest changes of turn that breaks a rule.
    schedule: Option<String>,
    /// Why, or how many orders broke none.
    sentence: String,
}

impl Judge {
    /// Judges once; whoever asks again gets the same.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the judge, whose stores end with it.
    pub(crate) async fn ask(&self, seller: &Seller) -> anyhow::Result<Judgement> {
        let mut known = self.0.lock().await;
        if let Some(judgement) = known.get(&seller.name) {
            return Ok(judgement.clone());
        }
        let judgement = judge(seller).await?;
        known.insert(seller.to_string(), judgement.clone());
        Ok(judgement)
    }
}

async fn judge(seller: &Seller) -> anyhow::Result<Judgement> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.arg("judge").args(SCENARIO).args(["--json", "-"]);
    match seller.strategy {
        Some(strategy) => command.args(["--strategy", strategy.as_str()]),
        None => command.arg("--server").arg(&seller.program),
    };
    let judging = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = judging.await.context("the judge does not start")?;
    let verdict = serde_json::from_slice(&output.stdout).with_context(|| {
        format!("the judge ended without a word: {}", output.status)
    })?;
    read(&verdict, seller)
}

fn read(verdict: &Value, seller: &Seller) -> anyhow::Result<Judgement> {
    if let Some(reason) = verdict["reason"].as_str() {
        bail!("the judge cannot judge {seller}: {reason}");
    }
    let rules = verdict["rules"].as_array().context("no rules")?;
    if let Some(broken) = rules.iter().find(|it| it["held"] == false) {
        let why = broken["why"]["sentence"].as_str();
        let sentence = why.or(broken["sentence"].as_str()).unwrap_or_default();
        return Ok(Judgement {
            schedule: broken["schedule"].as_str().map(str::to_owned),
            sentence: sentence.to_owned(),
        });
    }
    // The one stage of the scenario.
    let played = verdict["stages"][0]["schedules"].as_u64();
    let played = played.context("no schedules")?;
    Ok(Judgement {
        schedule: None,
        sentence: format!(
            "The judge played {played} orders of {seller}, and none broke a rule."
        ),
    })
}
