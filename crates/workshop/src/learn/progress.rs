//! `.workshop/progress.json`: what a learner has done. Exercises that are not known here are
//! kept as they are.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::place::{workshop, write};

const FILE: &str = "progress.json";

/// All that is kept of a learner.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Progress {
    pub(crate) version: u32,
    pub(crate) learner: String,
    pub(crate) machine: String,
    pub(crate) exercises: BTreeMap<String, Done>,
    pub(crate) predictions: BTreeMap<String, Prediction>,
}

/// What was done with one exercise.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Done {
    pub(crate) opened: Option<String>,
    pub(crate) passed: Option<String>,
    pub(crate) checks: u32,
    pub(crate) hints: usize,
    pub(crate) gave_up: bool,
    pub(crate) first_failure: Option<Failed>,
}

/// How it failed first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Failed {
    pub(crate) rule: String,
    pub(crate) why: Option<String>,
    pub(crate) schedule: Option<String>,
}

/// What was expected of a chapter's run, and what came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Prediction {
    pub(crate) said: String,
    pub(crate) at: String,
    pub(crate) result: Option<String>,
}

impl Progress {
    /// Reads what there is; nothing at first.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let path = workshop(FILE);
        if !path.exists() {
            let version = 1;
            return Ok(Self {
                version,
                ..Self::default()
            });
        }
        let text =
            fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        serde_json::from_str(&text).with_context(|| path.display().to_string())
    }

    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        write(&workshop(FILE), &(text + "\n"))
    }

    /// What was done with an exercise; from now on it is opened.
    pub(crate) fn open(&mut self, id: &str) -> &mut Done {
        let done = self.exercises.entry(id.to_owned()).or_default();
        done.opened.get_or_insert_with(now);
        done
    }

    pub(crate) fn has_passed(&self, id: &str) -> bool {
        self.exercises.get(id).is_some_and(|it| it.passed.is_some())
    }
}

/// The time of this place, to the minute.
pub(crate) fn now() -> String {
    chrono::Local::now().format("%Y-%m-%dT%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_no_reason_to_fail() -> anyhow::Result<()> {
        let text =
            r#"{"version":2,"exercises":{"e77":{"checks":3,"mood":"good"}},"x":1}"#;
        let progress: Progress = serde_json::from_str(text)?;
        assert_eq!(progress.exercises["e77"].checks, 3);
        assert!(!progress.has_passed("e77") && !progress.has_passed("e01"));
        Ok(())
    }
}
