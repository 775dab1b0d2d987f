//! The shortest bad order of a seller, as `lab judge` says it: this program is run once
//! more for it.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, bail};
use clap::ValueEnum;
use flash_lab_crowd::{Seller, Strategy};
use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::sync::Mutex;

/// The sale that the step player plays.
const SCENARIO: [&str; 4] = ["--stages", "interleave", "--scenario", "last-unit"];

/// What the judge was asked so far.
pub(crate) struct Judge {
    sellers: Vec<Seller>,
    // One question at a time: each takes the machine for itself.
    known: Mutex<BTreeMap<String, Judgement>>,
}

/// What is wrong with a seller, if anything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Judgement {
    /// The order with the fewest changes of turn that breaks a rule.
    schedule: Option<String>,
    /// Why, or how many orders broke none.
    sentence: String,
}

/// What `lab judge --json` says of it.
#[derive(Deserialize)]
struct Verdict {
    reason: Option<String>,
    stages: Vec<Looked>,
    rules: Vec<Judged>,
}

#[derive(Deserialize)]
struct Looked {
    schedules: usize,
}

#[derive(Deserialize)]
struct Judged {
    held: bool,
    sentence: Option<String>,
    why: Option<Why>,
    schedule: Option<String>,
}

#[derive(Deserialize)]
struct Why {
    sentence: String,
}

impl Judge {
    pub(crate) fn of(sellers: Vec<Seller>) -> Self {
        Self {
            sellers,
            known: Mutex::default(),
        }
    }

    /// Judges once; whoever asks again gets the same.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the judge, whose stores end with it.
    pub(crate) async fn ask(&self, name: &str) -> anyhow::Result<Judgement> {
        let mut known = self.known.lock().await;
        if let Some(judgement) = known.get(name) {
            return Ok(judgement.clone());
        }
        let seller = self.sellers.iter().find(|it| it.name() == name);
        let seller = match seller {
            Some(seller) => seller.clone(),
            None => Seller::of(
                Strategy::from_str(name, false).map_err(anyhow::Error::msg)?,
            )?,
        };
        let judgement = judge(&seller).await?;
        known.insert(name.to_owned(), judgement.clone());
        Ok(judgement)
    }
}

async fn judge(seller: &Seller) -> anyhow::Result<Judgement> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.arg("judge").args(SCENARIO).args(["--json", "-"]);
    match seller.strategy() {
        Some(strategy) => command.args(["--strategy", strategy.as_str()]),
        None => command.arg("--server").arg(seller.executable()),
    };
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("the judge does not start")?;
    let verdict: Verdict =
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!("the judge ended without a word: {}", output.status)
        })?;
    verdict.read(seller)
}

impl Verdict {
    fn read(self, seller: &Seller) -> anyhow::Result<Judgement> {
        if let Some(reason) = self.reason {
            bail!("the judge cannot judge {seller}: {reason}");
        }
        if let Some(broken) = self.rules.into_iter().find(|it| !it.held) {
            let why = broken.why.map(|it| it.sentence);
            return Ok(Judgement {
                schedule: broken.schedule,
                sentence: why.or(broken.sentence).unwrap_or_default(),
            });
        }
        let played: usize = self.stages.iter().map(|it| it.schedules).sum();
        Ok(Judgement {
            schedule: None,
            sentence: format!(
                "The judge played {played} orders of {seller}, and none broke a rule."
            ),
        })
    }
}
