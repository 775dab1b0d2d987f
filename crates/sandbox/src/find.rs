//! Where the installed programs are.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{self, Path, PathBuf};
use std::process::{Command, Stdio};

use crate::SandboxError;
use crate::install::{self, Packages};

/// A program that is installed and new enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The program itself; `initdb` and, as a rule, `psql` stand beside `postgres`.
    pub program: PathBuf,
    /// What it says its version is, such as `16.4`.
    pub version: String,
}

/// What is looked for.
struct Wanted {
    /// The first is what messages call it.
    names: &'static [&'static str],
    /// A program that has to stand beside it.
    companion: Option<&'static str>,
    oldest_major: u32,
    needed: &'static str,
    /// The variable that names the one directory to look in.
    variable: &'static str,
    packages: Packages,
}

const POSTGRES: Wanted = Wanted {
    names: &["postgres"],
    companion: Some("initdb"),
    oldest_major: 14,
    needed: "PostgreSQL 14",
    variable: "FLASHSALE_PG_BIN",
    packages: Packages {
        apt: "postgresql",
        dnf: "postgresql-server",
        brew: "postgresql@16",
        apk: "postgresql",
        pacman: "postgresql",
        product: "PostgreSQL 14 or newer",
    },
};

const REDIS: Wanted = Wanted {
    names: &["redis-server", "valkey-server"],
    companion: None,
    oldest_major: 7,
    needed: "Redis 7",
    variable: "FLASHSALE_REDIS_BIN",
    packages: Packages {
        apt: "redis-server",
        // Where there is only Valkey, it provides this name.
        dnf: "redis",
        brew: "redis",
        apk: "redis",
        pacman: "valkey",
        product: "Redis 7 or newer, or Valkey",
    },
};

const PGBOUNCER: Wanted = Wanted {
    names: &["pgbouncer"],
    companion: None,
    oldest_major: 1,
    needed: "PgBouncer 1",
    variable: "FLASHSALE_PGBOUNCER_BIN",
    packages: Packages {
        apt: "pgbouncer",
        dnf: "pgbouncer",
        brew: "pgbouncer",
        apk: "pgbouncer",
        pacman: "pgbouncer",
        product: "PgBouncer",
    },
};

/// Finds `postgres`, version 14 or newer, with `initdb` beside it.
///
/// Looks only in `FLASHSALE_PG_BIN` if that is set, else in `PATH`, where `pg_config`
/// points, and where Debian, Fedora, Homebrew and Postgres.app install it, newest
/// version first.
///
/// # Errors
///
/// [`SandboxError::MissingProgram`] or [`SandboxError::TooOld`], both with the command
/// that installs it.
pub fn find_postgres() -> Result<Found, SandboxError> {
    let mut found = find(&POSTGRES, postgres_places)?;
    // Links in PATH lead to the directory that also has psql and the libraries.
    if let Ok(real) = found.program.canonicalize()
        && real.with_file_name("initdb").exists()
    {
        found.program = real;
    }
    Ok(found)
}

/// Finds `redis-server`, version 7 or newer, or `valkey-server`.
///
/// Looks only in `FLASHSALE_REDIS_BIN` if that is set, else in `PATH` and in the usual
/// places.
///
/// # Errors
///
/// [`SandboxError::MissingProgram`] or [`SandboxError::TooOld`], both with the command
/// that installs it.
pub fn find_redis() -> Result<Found, SandboxError> {
    find(&REDIS, redis_places)
}

/// Finds `pgbouncer`.
///
/// Looks only in `FLASHSALE_PGBOUNCER_BIN` if that is set, else in `PATH` and where Debian
/// and Homebrew install it.
///
/// # Errors
///
/// [`SandboxError::MissingProgram`], with the command that installs it.
pub fn find_pgbouncer() -> Result<Found, SandboxError> {
    find(&PGBOUNCER, || {
        let usual = ["/usr/sbin", "/opt/homebrew/bin", "/usr/local/bin"];
        let mut places = search_path();
        places.extend(usual.map(PathBuf::from));
        places
    })
}

fn find(
    wanted: &Wanted,
    places: impl FnOnce() -> Vec<PathBuf>,
) -> Result<Found, SandboxError> {
    match env::var_os(wanted.variable).filter(|dir| !dir.is_empty()) {
        Some(dir) => find_in(wanted, &[PathBuf::from(&dir)], Some(&dir)),
        None => find_in(wanted, &places(), None),
    }
}

/// `only` is the value of the variable, if that is where the one place came from.
fn find_in(
    wanted: &Wanted,
    places: &[PathBuf],
    only: Option<&OsString>,
) -> Result<Found, SandboxError> {
    let mut too_old = None;
    for (place, name) in places
        .iter()
        .flat_map(|place| wanted.names.iter().map(move |name| (place, name)))
    {
        let program = place.join(name);
        let complete = wanted
            .companion
            .is_none_or(|companion| is_executable(&place.join(companion)));
        if !complete || !is_executable(&program) {
            continue;
        }
        let Some(version) = version_of(&program) else {
            continue;
        };
        // The supervisor works in another directory.
        let program = path::absolute(&program).unwrap_or(program);
        let found = Found { program, version };
        if major(&found.version).is_some_and(|major| major >= wanted.oldest_major) {
            return Ok(found);
        }
        too_old.get_or_insert(found);
    }
    let install = install::command(&wanted.packages);
    Err(match too_old {
        Some(found) => SandboxError::TooOld {
            path: found.program,
            found: found.version,
            needed: wanted.needed,
            install,
        },
        None => SandboxError::MissingProgram {
            program: missing(wanted, only),
            install,
        },
    })
}

fn missing(wanted: &Wanted, only: Option<&OsString>) -> String {
    let program = match wanted.companion {
        Some(companion) => format!("{} (with {companion})", wanted.names.join(" or ")),
        None => wanted.names.join(" or "),
    };
    match only {
        Some(dir) => {
            format!(
                "{program} in {}={} (unset it to look everywhere)",
                wanted.variable,
                dir.display()
            )
        }
        None => program,
    }
}

fn postgres_places() -> Vec<PathBuf> {
    let mut places = search_path();
    places.extend(output("pg_config".as_ref(), "--bindir").map(PathBuf::from));
    places.extend(numbered("/usr/lib/postgresql", "", "bin"));
    places.extend(numbered("/usr", "pgsql-", "bin"));
    places.extend(numbered("/opt/homebrew/opt", "postgresql@", "bin"));
    places.extend(numbered("/usr/local/opt", "postgresql@", "bin"));
    let app = "/Applications/Postgres.app/Contents/Versions";
    places.extend(numbered(app, "", "bin"));
    // Alpine.
    places.extend(numbered("/usr/libexec", "postgresql", ""));
    places
}

fn redis_places() -> Vec<PathBuf> {
    let usual = [
        "/usr/bin",
        "/usr/local/bin",
        "/opt/homebrew/bin",
        "/opt/homebrew/opt/redis/bin",
        "/opt/homebrew/opt/valkey/bin",
        "/usr/local/opt/redis/bin",
        "/usr/local/opt/valkey/bin",
        "/opt/local/bin",
    ];
    let mut places = search_path();
    places.extend(usual.map(PathBuf::from));
    places
}

fn search_path() -> Vec<PathBuf> {
    env::var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect())
}

/// Returns what a human types for a client that comes with `server`: its name, or its
/// path where the name alone is not enough.
pub(crate) fn client(name: &str, server: &Path) -> String {
    let beside = server.with_file_name(name);
    let is_known = search_path()
        .iter()
        .any(|place| is_executable(&place.join(name)));
    if is_known || !is_executable(&beside) {
        name.to_owned()
    } else {
        beside.display().to_string()
    }
}

/// Lists the directories `parent/{prefix}{number}/{below}`, highest number first.
fn numbered(parent: &str, prefix: &str, below: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut dirs: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name();
            let number = major(name.to_str()?.strip_prefix(prefix)?)?;
            Some((number, entry.path().join(below)))
        })
        .collect();
    dirs.sort();
    dirs.into_iter().rev().map(|(_, dir)| dir).collect()
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` and `Redis server v=7.0.15 sha=…`.
fn version_of(program: &Path) -> Option<String> {
    output(program, "--version")?
        .split([' ', '='])
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .map(str::to_owned)
}

/// The number at the start: `17` of `17.2`, `17devel` or `17`.
fn major(version: &str) -> Option<u32> {
    let end = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    version.get(..end)?.parse().ok()
}

/// Returns what a program prints, if it can be run and succeeds.
pub(crate) fn output(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests;
