//! `lab doctor`: what this machine has and what it lacks.

use std::env;
use std::process::{Command, Stdio};

use anyhow::anyhow;
use flash_sandbox::{Found, SandboxError, find_postgres, find_redis};
use nix::sys::statvfs::statvfs;

use crate::error::Ending;
use crate::{open_files, report, server_process};

/// The largest crowd of the demo.
const BUYERS_MAX: u64 = 10_000;

/// What a private PostgreSQL takes with some room for its log, in MiB.
const FREE_SPACE_MIB: u64 = 500;

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// As it should be.
    Good,
    /// Worth knowing; everything works without.
    Optional,
    /// A needed program is missing.
    Missing,
    /// Something else is in the way.
    Broken,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Finding {
    /// How good it is.
    pub(crate) state: State,
    /// What was looked at.
    pub(crate) what: &'static str,
    /// What was found, or how to get it.
    pub(crate) text: String,
}

/// Runs `lab doctor`.
///
/// # Errors
///
/// A needed program is missing, or something is in the way.
pub fn run() -> anyhow::Result<()> {
    let findings = [
        cargo(),
        linker(),
        store("PostgreSQL >= 14", "DATABASE_URL", find_postgres()),
        store("Redis >= 7", "REDIS_URL", find_redis()),
        just(),
        chromium(),
        server(),
        open_files_limit(),
        temporary_directory(),
        free_space(),
        url("DATABASE_URL", "PostgreSQL"),
        url("REDIS_URL", "Redis"),
    ];
    report::to_stdout(&report::findings(&findings))?;
    let names = |state| {
        let named = findings.iter().filter(move |it| it.state == state);
        named.map(|it| it.what).collect::<Vec<_>>().join(", ")
    };
    let (missing, broken) = (names(State::Missing), names(State::Broken));
    if !missing.is_empty() {
        return Err(Ending::MissingProgram(format!("missing: {missing}")).into());
    }
    if !broken.is_empty() {
        return Err(anyhow!("in the way: {broken}"));
    }
    Ok(())
}

fn finding(state: State, what: &'static str, text: impl Into<String>) -> Finding {
    let text = text.into();
    Finding { state, what, text }
}

/// The first line that a program prints about itself.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned)
}

fn cargo() -> Finding {
    match version("cargo") {
        Some(version) => finding(State::Good, "Rust", version),
        None => finding(
            State::Missing,
            "Rust",
            "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh",
        ),
    }
}

fn chromium() -> Finding {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    match names.into_iter().find_map(version) {
        Some(version) => finding(State::Good, "Chromium", version),
        None => finding(
            State::Optional,
            "Chromium",
            "only the tests of the page need it; `./just test-page` installs it",
        ),
    }
}

fn linker() -> Finding {
    match version("cc") {
        Some(version) => finding(State::Good, "C linker", version),
        None if cfg!(target_os = "macos") => {
            finding(State::Optional, "C linker", "xcode-select --install")
        }
        None => finding(
            State::Optional,
            "C linker",
            "no cc, which a build needs: ./just build installs one",
        ),
    }
}

/// A store that is given by its URL need not be installed here.
fn store(
    what: &'static str,
    variable: &str,
    found: Result<Found, SandboxError>,
) -> Finding {
    match found {
        Ok(found) => finding(
            State::Good,
            what,
            format!("{} {}", found.version, found.program.display()),
        ),
        Err(error) if is_set(variable) => finding(
            State::Optional,
            what,
            format!("{variable} is used; {error}"),
        ),
        Err(error) => finding(State::Missing, what, error.to_string()),
    }
}

fn just() -> Finding {
    match version("just") {
        Some(version) => finding(State::Good, "just", version),
        None => finding(
            State::Optional,
            "just",
            "./just RECIPE installs and runs it",
        ),
    }
}

fn server() -> Finding {
    match server_process::find() {
        Ok(path) => finding(State::Good, "server", path.display().to_string()),
        Err(error) => finding(State::Optional, "server", error.to_string()),
    }
}

fn open_files_limit() -> Finding {
    let what = "open files";
    match open_files::limits() {
        Ok((_, hard)) if open_files::buyers_within(hard) >= BUYERS_MAX => finding(
            State::Good,
            what,
            format!("{hard} at most, enough for {BUYERS_MAX} buyers"),
        ),
        Ok((_, hard)) => finding(
            State::Optional,
            what,
            format!(
                "{hard} at most: --buyers {} or less",
                open_files::buyers_within(hard)
            ),
        ),
        Err(error) => finding(State::Optional, what, error.to_string()),
    }
}

fn temporary_directory() -> Finding {
    let (what, dir) = ("temporary files", env::temp_dir());
    match tempfile::tempdir() {
        Ok(_) => finding(State::Good, what, dir.display().to_string()),
        Err(error) => finding(
            State::Broken,
            what,
            format!("{error}; set TMPDIR to a directory that you may write to"),
        ),
    }
}

fn free_space() -> Finding {
    let what = "free space";
    let Ok(stat) = statvfs(&env::temp_dir()) else {
        return finding(State::Optional, what, "unknown");
    };
    // Their width depends on the platform.
    let (blocks, block_bytes) = (
        u128::from(stat.blocks_available()),
        u128::from(stat.fragment_size()),
    );
    let free_mib = blocks * block_bytes / (1024 * 1024);
    if free_mib >= u128::from(FREE_SPACE_MIB) {
        finding(
            State::Good,
            what,
            format!("{free_mib} MiB for temporary files"),
        )
    } else {
        finding(
            State::Broken,
            what,
            format!("{free_mib} MiB for temporary files, {FREE_SPACE_MIB} are needed"),
        )
    }
}

fn url(variable: &'static str, store: &str) -> Finding {
    if is_set(variable) {
        finding(State::Good, variable, format!("set: this {store} is used"))
    } else {
        finding(
            State::Good,
            variable,
            format!("not set: a private {store} is started"),
        )
    }
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}
