//! `exercises.toml`: what there is to do, and what proves it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

/// All exercises, in the order in which they are done.
#[derive(Debug, Clone, Deserialize)]
pub struct Table {
    /// The exercises.
    #[serde(rename = "exercise")]
    pub exercises: Vec<Exercise>,
}

/// One exercise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// Its name on the command line, such as `e01`.
    pub id: String,
    /// The rest of the names of its folders.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// The chapter of the book that leads to it.
    pub chapter: String,
    /// How long it takes: a guess until somebody holds a class.
    pub minutes: u32,
    /// How hard it is: `○`, `◑` or `●`.
    pub level: char,
    /// What is judged.
    pub judge: Scope,
    /// What the solution holds: `rule@scenario`, or `rule@stage`.
    pub rules: Vec<String>,
    /// What the suites of the testkit are told that it promises; none where it is no
    /// strategy.
    pub promise: Option<Promise>,
    /// Three, each tells more than the one before.
    pub hints: Vec<String>,
    /// How the exercise fails as it is released; none where it does not.
    pub start_fails: Option<Failure>,
    /// Answers that people give and that are wrong.
    #[serde(default, rename = "miss")]
    pub misses: Vec<Miss>,
}

/// What a strategy promises, as the testkit knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Promise {
    /// Exact at the stock row.
    Row,
    /// Exact, and refused before the row.
    Gate,
}

/// What the judge looks at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Stages, one after the other.
    pub stages: Vec<String>,
    /// Sales that are played in stage interleave, one after the other.
    pub scenarios: Vec<String>,
    /// The most changes of turn.
    pub changes_max: usize,
    /// Faults of stage crash.
    pub faults: Vec<String>,
    /// Whether the exercise is no server, but a program that says itself what it finds.
    pub says_itself: bool,
}

/// How something fails. `*` in a sentence stands for anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The rule that is broken.
    pub rule: String,
    /// What is wrong.
    pub sentence: String,
    /// The recognizer that says why.
    pub why: Option<String>,
    /// What it says.
    pub because: Option<String>,
}

/// A near miss.
#[derive(Debug, Clone, Deserialize)]
pub struct Miss {
    /// The name of its file.
    pub name: String,
    /// How it fails.
    #[serde(flatten)]
    pub fails: Failure,
}

impl Table {
    /// Reads the table of this workspace.
    ///
    /// # Errors
    ///
    /// It is not there, or not as it should be.
    pub fn read() -> anyhow::Result<Self> {
        let path = folder().join("exercises.toml");
        let text =
            fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Finds an exercise by its name: `e01`, `01`, `1` or `one_statement`.
    ///
    /// # Errors
    ///
    /// There is none of that name; those that there are.
    pub fn find(&self, name: &str) -> anyhow::Result<&Exercise> {
        let number = |id: &str| id.trim_start_matches('e').parse::<u32>().ok();
        let found = self.exercises.iter().find(|it| {
            it.id == name
                || it.name == name
                || (number(name).is_some() && number(&it.id) == number(name))
        });
        let Some(found) = found else {
            let ids: Vec<_> = self.exercises.iter().map(|it| it.id.as_str()).collect();
            bail!("there is no exercise {name}: there are {}", ids.join(", "));
        };
        Ok(found)
    }
}

impl Exercise {
    /// The name of its folders.
    #[must_use]
    pub fn folder_name(&self) -> String {
        format!("{}_{}", self.id, self.name)
    }

    /// The folder that the learner works in, from the root of the workspace.
    #[must_use]
    pub fn exercise(&self, file: &str) -> PathBuf {
        Path::new("crates/workshop/exercises")
            .join(self.folder_name())
            .join(file)
    }

    /// The folder with the answers, from the root of the workspace.
    #[must_use]
    pub fn answer(&self, file: &str) -> PathBuf {
        Path::new("crates/workshop/answers")
            .join(self.folder_name())
            .join(file)
    }
}

impl Failure {
    /// Whether a rule and its sentences are these.
    #[must_use]
    pub fn is(&self, rule: &str, sentence: &str, why: Option<(&str, &str)>) -> bool {
        self.rule == rule
            && fits(&self.sentence, sentence)
            && self.why.as_deref() == why.map(|(id, _)| id)
            && match (&self.because, why) {
                (Some(because), Some((_, sentence))) => fits(because, sentence),
                (None, _) => true,
                (Some(_), None) => false,
            }
    }
}

/// Whether a text is as a pattern says, in which `*` stands for anything.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    ends.any(|at| fits(rest, text.get(at..).unwrap_or_default()))
}

/// The folder of this crate.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    let root = folder().join("../..");
    root.canonicalize().unwrap_or(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("told failed", "told failed", true),
            ("told failed", "told failed.", false),
            ("step * read *.", "step 2 read 1.", true),
            ("step * read *.", "step 2 wrote 1.", false),
            ("*", "", true),
            ("a*", "ba", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn an_exercise_is_found_by_what_people_type() -> anyhow::Result<()> {
        let table = Table::read()?;
        for name in ["e01", "1", "01", "one_statement"] {
            assert_eq!(table.find(name)?.id, "e01");
        }
        assert!(table.find("e99").is_err());
        Ok(())
    }
}
