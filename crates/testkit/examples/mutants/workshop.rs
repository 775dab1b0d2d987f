//! A copy of the workspace to break things in.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs, io};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::list::{Mutant, TARGET};

/// What is not copied: what is built, and what no build needs.
const LEFT_OUT: [&str; 4] = ["target", ".git", ".tools", "docs"];

/// How long the tests of one mutant may take. They bound their waits themselves; this
/// ends one that a mutant has made endless.
const LIMIT: Duration = Duration::from_secs(120);

/// What tests say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// The first thing that was wrong.
    Failed(String),
}

/// Where mutants are made. What the workspace has built of other people's crates is used
/// here too.
pub(crate) struct Workshop {
    home: PathBuf,
    copy: PathBuf,
    programs: PathBuf,
}

/// A test program.
pub(crate) struct Program {
    path: PathBuf,
}

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn check_in(root: &Path, mutant: &Mutant) -> Result<String> {
    let path = root.join(mutant.file);
    let text = fs::read_to_string(&path).with_context(|| mutant.file)?;
    let count = text.matches(mutant.find).count();
    ensure!(
        count == 1,
        "{} has {count} times {:?}: change the mutant {:?} with it",
        mutant.file,
        mutant.find,
        mutant.broken_by
    );
    Ok(text)
}

/// Whether a mutant fits to the workspace as it is.
#[cfg(test)]
pub(crate) fn check_at_home(mutant: &Mutant) -> Result<()> {
    check_in(&home(), mutant).map(drop)
}

impl Workshop {
    /// Copies what has changed since the last time.
    pub(crate) fn open() -> Result<Self> {
        let home = home().canonicalize()?;
        let below = home.join("target/mutants");
        let workshop = Self {
            copy: below.join("src"),
            programs: below.join("programs"),
            home,
        };
        copy(&workshop.home, &workshop.copy)?;
        fs::create_dir_all(&workshop.programs)?;
        Ok(workshop)
    }

    pub(crate) fn check(&self, mutant: &Mutant) -> Result<()> {
        check_in(&self.copy, mutant).map(drop)
    }

    pub(crate) fn mutate(&self, mutant: &Mutant) -> Result<()> {
        let text = check_in(&self.copy, mutant)?;
        let text = text.replacen(mutant.find, mutant.replace, 1);
        Ok(fs::write(self.copy.join(mutant.file), text)?)
    }

    pub(crate) fn restore(&self, mutant: &Mutant) -> Result<()> {
        copy_file(&self.home.join(mutant.file), &self.copy.join(mutant.file))?;
        Ok(())
    }

    /// Builds the tests as they are now.
    pub(crate) async fn build(&self, name: &str) -> Result<Program> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            // The whole workspace, because that decides the features of its dependencies.
            .args(["test", "--workspace", "--locked", "--no-run"])
            .args([
                "--test",
                TARGET,
                "--message-format",
                "json-render-diagnostics",
            ])
            .env("CARGO_TARGET_DIR", self.home.join("target"))
            .current_dir(&self.copy)
            .output()
            .await
            .context("cargo")?;
        ensure!(
            output.status.success(),
            "{name} does not compile:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let messages = String::from_utf8_lossy(&output.stdout);
        let built = messages
            .split("\"executable\":\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .map(Path::new)
            .find(|path| is_target(path))
            .context("cargo names no test program")?;
        // The next mutant is built in the same place.
        let path = self.programs.join(name);
        fs::copy(built, &path)?;
        Ok(Program { path })
    }
}

fn is_target(path: &Path) -> bool {
    path.file_name()
        .and_then(OsStr::to_str)
        .is_some_and(|name| name.starts_with(&format!("{TARGET}-")))
}

impl Program {
    /// Runs tests by their full names, and checks that they were there.
    pub(crate) async fn run(self, tests: &[&str]) -> Result<Verdict> {
        let running = Command::new(&self.path)
            .args(tests)
            .arg("--exact")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, running).await;
        let output = output.with_context(|| format!("{tests:?} did not end"))??;
        let text = String::from_utf8_lossy(&output.stdout);
        for test in tests {
            ensure!(text.contains(&format!("test {test} ")), "no test {test}");
        }
        fs::remove_file(&self.path)?;
        match output.status.code() {
            Some(0) => Ok(Verdict::Passed),
            // What the test harness ends with when a test has failed.
            Some(101) => Ok(Verdict::Failed(complaint(&text))),
            code => bail!("{tests:?} ended with {code:?}: {text}"),
        }
    }
}

/// The test that failed and the line in which it says what is wrong.
fn complaint(text: &str) -> String {
    let failed = text.split("\n---- ").nth(1).unwrap_or("see the test");
    let (test, said) = failed.split_once(" stdout ----").unwrap_or((failed, ""));
    let mut lines = said.lines();
    let line = lines.find_map(|line| line.strip_prefix("Error: "));
    let line: String = line.unwrap_or_default().chars().take(80).collect();
    format!("{test}: {line}")
}

/// Copies a directory, and removes from the copy what is not there any more.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let is_gone = !from.join(entry.file_name()).exists();
        if is_gone && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if is_gone {
            fs::remove_file(entry.path())?;
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else {
            copy_file(&entry.path(), &to.join(name))
                .context(entry.path().display().to_string())?;
        }
    }
    Ok(())
}

/// Writes only what differs, so that cargo builds only that again.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let text = fs::read(from)?;
    if fs::read(to).is_ok_and(|there| there == text) {
        return Ok(());
    }
    fs::write(to, text)
}
