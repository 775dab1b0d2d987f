//! What operators are told is so: alert rules ask for metrics that there are, and each alert
//! has a runbook.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

fn read(path: &str) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Ok(fs::read_to_string(root.join(path))?)
}

/// The words of a text that begin so.
fn words<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with(prefix))
        .collect()
}

#[test]
fn each_alert_asks_for_metrics_that_there_are() -> Result<()> {
    let rules = read("docs/alerts.yml")?;
    let readme = read("crates/server/README.md")?;
    let shown = words(&readme, "flash_");
    let asked = words(&rules, "flash_").into_iter();
    let asked = asked.map(|metric| metric.trim_end_matches("_bucket"));
    let unknown: Vec<_> = asked.filter(|metric| !shown.contains(metric)).collect();
    ensure!(
        unknown.is_empty(),
        "not in the server's README: {unknown:?}"
    );
    ensure!(rules.contains("route=\"/v1/skus/{sku}/orders\""), "{rules}");
    Ok(())
}

#[test]
fn each_alert_has_a_runbook_and_each_runbook_an_alert() -> Result<()> {
    let rules = read("docs/alerts.yml")?;
    let alerts = rules
        .lines()
        .filter_map(|it| it.trim().strip_prefix("- alert: "));
    let alerts: BTreeSet<_> = alerts.collect();
    let manual = read("docs/OPERATIONS.md")?;
    let runbooks = manual.lines().filter_map(|it| it.strip_prefix("### "));
    let runbooks: BTreeSet<_> = runbooks.collect();
    ensure!(
        !alerts.is_empty() && alerts == runbooks,
        "{alerts:?} {runbooks:?}"
    );
    Ok(())
}
