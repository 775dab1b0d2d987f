//! `lab doctor`: what this machine has, what it lacks, and what each thing is needed for.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::anyhow;
use flash_lab_crowd::{
    Cell, Ending, Look, Tone, open_files, output, sentence, sentences, server_process,
};
use flash_sandbox::{Found, SandboxError, find_postgres, find_redis};
use nix::sys::statvfs::statvfs;

use crate::given;

/// The largest crowd of the demo.
const BUYERS_MAX: u64 = 10_000;

/// What a private PostgreSQL takes with some room for its log, in MiB.
const FREE_SPACE_MIB: u64 = 500;

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
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
struct Finding {
    /// How good it is.
    state: State,
    /// What was looked at.
    what: &'static str,
    /// What was found, or how to get it.
    text: String,
    /// Who uses it.
    needed_for: &'static str,
}

impl Finding {
    fn new(state: State, text: impl Into<String>) -> Self {
        Self {
            state,
            what: "",
            text: text.into(),
            needed_for: "",
        }
    }

    fn good(text: impl Into<String>) -> Self {
        Self::new(State::Good, text)
    }

    fn optional(text: impl Into<String>) -> Self {
        Self::new(State::Optional, text)
    }

    fn of(self, what: &'static str, needed_for: &'static str) -> Self {
        Self {
            what,
            needed_for,
            ..self
        }
    }

    fn row(&self) -> (Cell, &'static str, String) {
        let (mark, tone) = match self.state {
            State::Good => ("ok", Tone::Good),
            State::Optional => ("note", Tone::Note),
            State::Missing => ("missing", Tone::Bad),
            State::Broken => ("broken", Tone::Bad),
        };
        let text = format!("{}\nfor {}", self.text, self.needed_for);
        (Cell::toned(mark, tone), self.what, text)
    }
}

/// Runs `lab doctor`.
///
/// # Errors
///
/// A needed program is missing, or something is in the way.
pub async fn run() -> anyhow::Result<()> {
    let findings = findings().await;
    let rows: Vec<_> = findings.iter().map(Finding::row).collect();
    output::to_stdout(&sentences(&rows, &Look::of_stdout()))?;
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

async fn findings() -> [Finding; 13] {
    let stores = "the private stores of demo, page, interleave, bench and tests";
    let sales = "demo and audit";
    [
        cargo().of("Rust", "every build"),
        linker().of("C linker", "every build"),
        store("DATABASE_URL", find_postgres()).of("PostgreSQL >= 14", stores),
        store("REDIS_URL", find_redis()).of("Redis >= 7", stores),
        optional(
            version("just"),
            "not on PATH; ./just RECIPE installs and runs it",
        )
        .of("just", "the recipes"),
        chromium().of("Chromium", "./just test-page, ci and pictures alone"),
        docker().of("Docker, compose", "./just up and down alone"),
        server().of("server", "demo, page, interleave, chaos and bench"),
        open_files_limit().of("open files", "the crowd: each buyer is a connection"),
        temporary_directory().of("temporary files", "the data of private stores"),
        free_space().of("free space", "the data of private stores"),
        postgres_url().await.of("DATABASE_URL", sales),
        redis_url().await.of("REDIS_URL", sales),
    ]
}

/// The first line that a program prints about itself.
fn told(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned)
}

fn version(program: &str) -> Option<String> {
    told(program, &["--version"])
}

fn cargo() -> Finding {
    match version("cargo") {
        Some(version) => Finding::good(version),
        None => Finding::new(
            State::Missing,
            "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh",
        ),
    }
}

/// What need not be there, or how to get it.
fn optional(found: Option<String>, otherwise: &str) -> Finding {
    found.map_or_else(|| Finding::optional(otherwise), Finding::good)
}

fn chromium() -> Finding {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.into_iter().find_map(version);
    optional(found, "not here; ./just test-page installs it")
}

/// The plugin is a package of its own in some distributions.
fn docker() -> Finding {
    let compose = || told("docker", &["compose", "version"]);
    match (version("docker"), compose()) {
        (Some(docker), Some(compose)) => Finding::good(format!("{docker}; {compose}")),
        (Some(docker), None) => Finding::optional(format!(
            "{docker}, without its compose plugin: \
             https://docs.docker.com/compose/install/"
        )),
        (None, _) => {
            Finding::optional("not here; https://docs.docker.com/engine/install/")
        }
    }
}

/// A compiler without the C library's start files cannot link.
fn linker() -> Finding {
    let has_start_files = || {
        let found = told("cc", &["-print-file-name=crt1.o"]);
        found.is_some_and(|path| Path::new(&path).is_absolute())
    };
    match version("cc") {
        Some(version) if cfg!(target_os = "macos") || has_start_files() => {
            Finding::good(version)
        }
        None if cfg!(target_os = "macos") => {
            Finding::optional("xcode-select --install")
        }
        _ => Finding::optional("no cc that can link; ./just build installs one"),
    }
}

/// A store that is given by its URL need not be installed here.
fn store(variable: &str, found: Result<Found, SandboxError>) -> Finding {
    match found {
        Ok(found) => {
            Finding::good(format!("{} {}", found.version, found.program.display()))
        }
        Err(error) if url(variable).is_some() => {
            Finding::optional(format!("{variable} is used; {error}"))
        }
        Err(error) => Finding::new(State::Missing, error.to_string()),
    }
}

fn server() -> Finding {
    match server_process::find() {
        Ok(path) => Finding::good(from_here(&path)),
        Err(error) => Finding::optional(error.to_string()),
    }
}

/// A path below the directory of the caller is told from there.
fn from_here(path: &Path) -> String {
    let here = env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.as_deref().unwrap_or(path).display().to_string()
}

fn open_files_limit() -> Finding {
    match open_files::limits() {
        Ok((_, hard)) if open_files::buyers_within(hard) >= BUYERS_MAX => {
            Finding::good(format!("{hard} at most, enough for {BUYERS_MAX} buyers"))
        }
        Ok((_, hard)) => Finding::optional(format!(
            "{hard} at most: --buyers {} or less",
            open_files::buyers_within(hard)
        )),
        Err(error) => Finding::optional(error.to_string()),
    }
}

fn temporary_directory() -> Finding {
    match tempfile::tempdir() {
        Ok(_) => Finding::good(env::temp_dir().display().to_string()),
        Err(error) => Finding::new(
            State::Broken,
            format!("{error}; set TMPDIR to a directory that you may write to"),
        ),
    }
}

fn free_space() -> Finding {
    let Ok(stat) = statvfs(&env::temp_dir()) else {
        return Finding::optional("unknown");
    };
    // Their width depends on the platform.
    let blocks = u128::from(stat.blocks_available());
    let free_mib = blocks * u128::from(stat.fragment_size()) / (1024 * 1024);
    if free_mib >= u128::from(FREE_SPACE_MIB) {
        Finding::good(format!("{free_mib} MiB"))
    } else {
        let text = format!("{free_mib} MiB, and {FREE_SPACE_MIB} are needed");
        Finding::new(State::Broken, text)
    }
}

async fn postgres_url() -> Finding {
    let Some(url) = url("DATABASE_URL") else {
        return Finding::good("not set: the demo starts a private PostgreSQL");
    };
    match given::postgres_version(&url).await {
        Ok(version) => {
            let address = flash_db::address(&url);
            Finding::good(format!("PostgreSQL {version} answers at {address}"))
        }
        Err(error) => Finding::new(State::Broken, sentence(&error)),
    }
}

async fn redis_url() -> Finding {
    let Some(url) = url("REDIS_URL") else {
        return Finding::good("not set: the demo starts a private Redis");
    };
    match given::redis_version(&url).await {
        Ok(Some(version)) => Finding::good(format!("Redis {version} answers")),
        Ok(None) => Finding::good("Redis answers"),
        Err(error) => Finding::new(State::Broken, sentence(&error)),
    }
}

fn url(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|url| !url.trim().is_empty())
}
