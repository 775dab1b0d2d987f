//! PostgreSQL alone, without HTTP: pgbench with the statements of an order on one row.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use flash_lab_crowd::Ending;
use tokio::process::Command;

use crate::tally::Tally;
use crate::wire::Kind;

/// Finds pgbench beside the PostgreSQL that is used, or on PATH.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let postgres = flash_sandbox::find_postgres()?.program;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|it| it.join("pgbench"));
    let beside = postgres.with_file_name("pgbench");
    let mut programs = std::iter::once(beside).chain(on_path);
    let missing = || {
        Ending::MissingProgram(format!(
            "no `pgbench` beside {}: apt-get install postgresql, or dnf install \
             postgresql-contrib",
            postgres.display()
        ))
    };
    Ok(programs.find(|it| it.is_file()).ok_or_else(missing)?)
}

/// Buys one unit after the other, each client in a transaction of its own, which counts as
/// an order that was accepted.
///
/// # Cancel safety
///
/// A dropped future kills pgbench.
pub(crate) async fn run(
    program: &Path,
    database_url: &str,
    sku: &str,
    (clients, lasting): (u16, Duration),
) -> anyhow::Result<Tally> {
    let dir = tempfile::tempdir().context("cannot make a directory")?;
    let file = dir.path().join("order.sql");
    fs::write(&file, include_str!("order.sql"))?;
    let output = Command::new(program)
        .args(["--no-vacuum", "--protocol=prepared", "--log"])
        .arg(format!("--file={}", file.display()))
        .arg(format!("--define=sku={sku}"))
        .arg(format!("--client={clients}"))
        // Whole seconds only, and zero would be no end.
        .arg(format!("--time={}", lasting.as_secs().max(1)))
        .arg(database_url)
        .current_dir(dir.path())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("pgbench failed: {}", reason.trim());
    }
    let mut transactions = Vec::new();
    for entry in fs::read_dir(dir.path())? {
        let log = fs::read_to_string(entry?.path())?;
        transactions.extend(log.lines().filter_map(transaction));
    }
    let mut tally = Tally::new()?;
    for (began, ended) in &transactions {
        tally.add(Kind::Accepted, ended.saturating_sub(*began));
    }
    let first = transactions.iter().map(|(began, _)| *began).min();
    let last = transactions.iter().map(|(_, ended)| *ended).max();
    let elapsed = first.zip(last).map(|(first, last)| last - first);
    tally.elapsed = elapsed.unwrap_or_default();
    Ok(tally)
}

/// When a transaction began and ended, from a line of the log: its third field says how
/// long it took, in microseconds, its last two say when it ended.
fn transaction(line: &str) -> Option<(Duration, Duration)> {
    let fields: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
    let [_, _, micros, _, seconds, part] = fields.ok()?.try_into().ok()?;
    let ended = Duration::from_secs(seconds) + Duration::from_micros(part);
    Some((ended.saturating_sub(Duration::from_micros(micros)), ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_log_is_a_transaction_and_a_line_of_the_script_is_none() {
        let (began, ended) = transaction("0 1 412 0 1700000000 500").expect("one");
        assert_eq!(ended.saturating_sub(began), Duration::from_micros(412));
        assert_eq!(ended.as_micros(), 1_700_000_000_000_500);
        let mut script = include_str!("order.sql").lines();
        assert!(script.all(|line| transaction(line).is_none()));
    }
}
