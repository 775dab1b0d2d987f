//! PostgreSQL alone, without HTTP: pgbench with the statements of an order on one row.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use flash_lab_crowd::Ending;
use tokio::process::Command;

use crate::statistics::number;
use crate::tally::Tally;
use crate::wire::Kind;

/// Finds pgbench beside the PostgreSQL that is used, or on PATH.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    let postgres = flash_sandbox::find_postgres()?.program;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|it| it.join("pgbench"));
    std::iter::once(postgres.with_file_name("pgbench"))
        .chain(on_path)
        .find(|program| program.is_file())
        .ok_or_else(|| {
            let text = format!(
                "no `pgbench` beside {}: apt-get install postgresql, or dnf install \
                 postgresql-contrib",
                postgres.display()
            );
            Ending::MissingProgram(text).into()
        })
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
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        bail!("pgbench failed: {}", reason.trim());
    }
    let mut tally = Tally::new()?;
    for entry in fs::read_dir(dir.path())? {
        let path = entry?.path();
        if path != file {
            for latency in latencies(&fs::read_to_string(path)?) {
                tally.add(Kind::Accepted, latency);
            }
        }
    }
    let (transactions, elapsed) =
        summary(&text).with_context(|| format!("pgbench said: {text}"))?;
    tally.answers.accepted = transactions;
    tally.elapsed = elapsed;
    Ok(tally)
}

/// The third field of each line is a transaction as a whole, in microseconds.
fn latencies(log: &str) -> impl Iterator<Item = Duration> {
    log.lines()
        .filter_map(|line| line.split(' ').nth(2)?.parse().ok())
        .map(Duration::from_micros)
}

/// The number of transactions, and how long they took without the time that it took to
/// connect.
fn summary(text: &str) -> Option<(u64, Duration)> {
    let after = |label| text.lines().find_map(|line| line.strip_prefix(label));
    let transactions = after("number of transactions actually processed: ")?;
    let transactions = transactions.split('/').next()?.trim().parse().ok()?;
    if transactions == 0 {
        // Then it says nothing more.
        return Some((0, Duration::ZERO));
    }
    let per_second: f64 = after("tps = ")?.split(' ').next()?.parse().ok()?;
    let seconds = number(transactions) / per_second;
    Some((transactions, Duration::try_from_secs_f64(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pgbench_says_is_read() {
        let text = "number of clients: 1\n\
                    number of transactions actually processed: 2610\n\
                    initial connection time = 2.1 ms\n\
                    tps = 1305 (without initial connection time)\n";
        assert_eq!(summary(text), Some((2_610, Duration::from_secs(2))));
        let none = "number of transactions actually processed: 0\n";
        assert_eq!(summary(none), Some((0, Duration::ZERO)));
        assert_eq!(summary("pgbench: error"), None);

        let log = "0 1 412 0 1700000000 5\n0 2 398 0 1700000000 9\n";
        let micros: Vec<_> = latencies(log).map(|it| it.as_micros()).collect();
        assert_eq!(micros, [412, 398]);
    }
}
