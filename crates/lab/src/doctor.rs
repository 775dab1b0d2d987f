//! `lab doctor`: what this machine has, what it lacks, and what each thing is needed for.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use Finding::{Broken, Good, Missing, Optional};
use anyhow::ensure;
use flash_lab_crowd::{
    Cell, Ending, Look, open_files, output, sentence, sentences, server_process,
};
use flash_sandbox::{Found, SandboxError, find_postgres, find_redis};
use nix::sys::statvfs::statvfs;

use crate::given;

/// The largest crowd of the demo.
const BUYERS_MAX: u64 = 10_000;

/// What a private PostgreSQL takes with some room for its log, in MiB.
const FREE_SPACE_MIB: u128 = 500;

/// How good it is, and what was found, or how to get it.
enum Finding {
    /// As it should be.
    Good(String),
    /// Worth knowing; everything works without.
    Optional(String),
    /// A needed program is missing.
    Missing(String),
    /// Something else is in the way.
    Broken(String),
}

/// What was looked at, what was found, and who uses it.
type Line = (&'static str, Finding, &'static str);

/// Runs `lab doctor`.
///
/// # Errors
///
/// A needed program is missing, or something is in the way.
pub async fn run() -> anyhow::Result<()> {
    let lines = look_around().await;
    let rows: Vec<_> = lines.iter().map(row).collect();
    output::to_stdout(&sentences(&rows, &Look::of_stdout()))?;
    let those = |are_meant: fn(&Finding) -> bool| {
        let those = lines.iter().filter(|(_, finding, _)| are_meant(finding));
        those.map(|(what, ..)| *what).collect::<Vec<_>>().join(", ")
    };
    let missing = those(|it| matches!(it, Missing(_)));
    if !missing.is_empty() {
        return Err(Ending::MissingProgram(format!("missing: {missing}")).into());
    }
    let broken = those(|it| matches!(it, Broken(_)));
    ensure!(broken.is_empty(), "in the way: {broken}");
    Ok(())
}

fn row((what, finding, needed_for): &Line) -> (Cell, &'static str, String) {
    let (mark, text) = match finding {
        Good(text) => (Cell::good("ok"), text),
        Optional(text) => (Cell::note("note"), text),
        Missing(text) => (Cell::bad("missing"), text),
        Broken(text) => (Cell::bad("broken"), text),
    };
    (mark, what, format!("{text}\nfor {needed_for}"))
}

async fn look_around() -> [Line; 13] {
    let stores = "the private stores of demo, page, interleave, bench and tests";
    let sales = "demo and audit";
    let browsers = ["chromium", "chromium-browser", "google-chrome"];
    let browser = browsers.into_iter().find_map(version);
    let commands = "demo, page, interleave, chaos and bench";
    let data = "the data of private stores";
    let crowd = "the crowd: each buyer is a connection";
    let pictures = "./just test-page, ci and pictures alone";
    let postgres = store("DATABASE_URL", find_postgres());
    [
        ("Rust", cargo(), "every build"),
        ("C linker", linker(), "every build"),
        ("PostgreSQL >= 14", postgres, stores),
        ("Redis >= 7", store("REDIS_URL", find_redis()), stores),
        ("just", optional(version("just"), NO_JUST), "the recipes"),
        ("Chromium", optional(browser, NO_BROWSER), pictures),
        ("Docker, compose", docker(), "./just up and down alone"),
        ("server", server(), commands),
        ("open files", open_files_limit(), crowd),
        ("temporary files", temporary_directory(), data),
        ("free space", free_space(), data),
        ("DATABASE_URL", given_postgres().await, sales),
        ("REDIS_URL", given_redis().await, sales),
    ]
}

const NO_JUST: &str = "not on PATH; ./just RECIPE installs and runs it";
const NO_BROWSER: &str = "not here; ./just test-page installs it";
const GET_RUST: &str = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh";

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
    version("cargo").map_or_else(|| Missing(GET_RUST.to_owned()), Good)
}

/// What need not be there, or how to get it.
fn optional(found: Option<String>, otherwise: &str) -> Finding {
    found.map_or_else(|| Optional(otherwise.to_owned()), Good)
}

/// The plugin is a package of its own in some distributions.
fn docker() -> Finding {
    let install = "https://docs.docker.com";
    let compose = told("docker", &["compose", "version"]);
    match (version("docker"), compose) {
        (Some(docker), Some(compose)) => Good(format!("{docker}; {compose}")),
        (Some(docker), None) => Optional(format!(
            "{docker}, without its compose plugin: {install}/compose/install/"
        )),
        (None, _) => Optional(format!("not here; {install}/engine/install/")),
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
            Good(version)
        }
        None if cfg!(target_os = "macos") => Optional("xcode-select --install".into()),
        _ => Optional("no cc that can link; ./just build installs one".to_owned()),
    }
}

/// A store that is given by its URL need not be installed here.
fn store(variable: &str, found: Result<Found, SandboxError>) -> Finding {
    match found {
        Ok(found) => Good(format!("{} {}", found.version, found.program.display())),
        Err(error) if url(variable).is_some() => {
            Optional(format!("{variable} is used; {error}"))
        }
        Err(error) => Missing(error.to_string()),
    }
}

fn server() -> Finding {
    let found = server_process::find().map(|path| from_here(&path));
    found.map_or_else(|error| Optional(error.to_string()), Good)
}

/// A path below the directory of the caller is told from there.
fn from_here(path: &Path) -> String {
    let here = env::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.as_deref().unwrap_or(path).display().to_string()
}

fn open_files_limit() -> Finding {
    let hard = match open_files::limits() {
        Ok((_, hard)) => hard,
        Err(error) => return Optional(error.to_string()),
    };
    let buyers = open_files::buyers_within(hard);
    if buyers >= BUYERS_MAX {
        Good(format!("{hard} at most, enough for {BUYERS_MAX} buyers"))
    } else {
        Optional(format!("{hard} at most: --buyers {buyers} or less"))
    }
}

fn temporary_directory() -> Finding {
    match tempfile::tempdir() {
        Ok(_) => Good(env::temp_dir().display().to_string()),
        Err(error) => Broken(format!(
            "{error}; set TMPDIR to a directory that you may write to"
        )),
    }
}

fn free_space() -> Finding {
    let Ok(stat) = statvfs(&env::temp_dir()) else {
        return Optional("unknown".to_owned());
    };
    // Their width depends on the platform.
    let blocks = u128::from(stat.blocks_available());
    let free_mib = blocks * u128::from(stat.fragment_size()) / (1024 * 1024);
    if free_mib >= FREE_SPACE_MIB {
        Good(format!("{free_mib} MiB"))
    } else {
        Broken(format!("{free_mib} MiB, and {FREE_SPACE_MIB} are needed"))
    }
}

async fn given_postgres() -> Finding {
    let Some(url) = url("DATABASE_URL") else {
        return Good("not set: the demo starts a private PostgreSQL".to_owned());
    };
    let address = flash_db::address(&url);
    let told = |version| format!("PostgreSQL {version} answers at {address}");
    good_or_broken(given::postgres_version(&url).await.map(told))
}

async fn given_redis() -> Finding {
    let Some(url) = url("REDIS_URL") else {
        return Good("not set: the demo starts a private Redis".to_owned());
    };
    let told = |version: Option<String>| match version {
        Some(version) => format!("Redis {version} answers"),
        None => "Redis answers".to_owned(),
    };
    good_or_broken(given::redis_version(&url).await.map(told))
}

fn good_or_broken(asked: anyhow::Result<String>) -> Finding {
    asked.map_or_else(|error| Broken(sentence(&error)), Good)
}

fn url(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|url| !url.trim().is_empty())
}
