//! `lab audit`: what it counts, where it finds it, and what is said where it does not.

use anyhow::{Context, Result, ensure};
use flash_sandbox::PoolMode;
use flash_testkit::Stores;
use serde_json::Value;

use crate::{ended, json, lab, list};

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_what_the_demo_left_in_a_given_database() -> Result<()> {
    let stores = Stores::empty().await?;
    let url = stores.database_url();
    let audit = |more: &str| lab(&format!("audit --database-url {url} {more}"));
    // It leaves a database without a sale as it is.
    for _ in 0..2 {
        let (_, said) = ended(&mut audit(""), 1);
        ensure!(said.contains("has no flash sale"), "{said}");
    }

    let path = stores.directory().join("demo.json");
    let strategies = "--strategy pessimistic --strategy pessimistic";
    let mut demo = lab(&format!("demo-oversell --units 5 --buyers 40 {strategies}"));
    demo.arg("--json").arg(&path).env("DATABASE_URL", url);
    // It could not start stores of its own.
    let (table, _) = ended(demo.env("FLASHSALE_PG_BIN", "/nowhere"), 0);
    ensure!(table.contains("pessimistic: exact: 5 orders for 5 units"));
    let demo: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let [drifted, exact] = [0, 1].map(|index| &demo["runs"][index]["audit"]);
    let sku = |audit: &Value| audit["sku"].as_str().map(str::to_owned);
    let (drifted, exact_sku) = sku(drifted).zip(sku(exact)).context("two names")?;
    // Takes an update of the stock row back, as a lost one would be.
    let lost = format!("UPDATE skus SET available_units = 1 WHERE sku = '{drifted}'");
    stores.run(&lost).await?;

    let (all, said) = json(&mut audit(""), 3);
    let verdict = format!("1 of 2 SKUs are not exact: {drifted}");
    ensure!(said.contains(&verdict), "{said}");
    ensure!(list(&all["audits"]).len() == 2, "{all}");

    for (columns, is_list) in [("60", true), ("120", false)] {
        let (table, _) = ended(audit("").env("COLUMNS", columns), 3);
        let longest = table.lines().map(|line| line.chars().count()).max();
        ensure!(longest <= columns.parse().ok(), "{table}");
        ensure!(table.contains("  lost updates  ") == is_list, "{table}");
    }

    let (one, _) = json(&mut audit(&format!("--sku {exact_sku}")), 0);
    let mut expected = exact.clone();
    expected["strategy"] = Value::Null;
    ensure!(one == expected, "{one}");

    let (_, said) = ended(&mut audit("--sku no-such-sku"), 1);
    ensure!(said.contains("no-such-sku"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_reads_the_gates_under_the_prefix_of_the_shop() -> Result<()> {
    let stores = Stores::empty().await?;
    let (postgres, redis) = (stores.database_url(), stores.redis_url());
    let given = format!("DATABASE_URL={postgres} REDIS_URL={redis}");
    // What the demo starts does not take the prefix over.
    let with_stores =
        |arguments: &str| lab(&format!("{given} REDIS_PREFIX=nobody: {arguments}"));
    let demo = "demo-oversell --units 5 --buyers 20 --strategy engine";
    ended(&mut with_stores(demo), 0);
    for (prefix, has_gate) in [("", false), ("--redis-prefix flash:", true)] {
        let (audit, _) = json(&mut with_stores(&format!("audit {prefix}")), 0);
        let drift = &audit["audits"][0]["gate_drift_units"];
        ensure!(drift.is_number() == has_gate, "{drift}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_its_way_or_says_why_not() -> Result<()> {
    let stores = Stores::new().await?;
    let audit = |url: &str, code| {
        let (_, said) = ended(lab("audit --database-url").arg(url), code);
        assert!(!said.contains("s3cret"), "{said}");
        said
    };
    let secured = stores.database_url_over_tls()?;
    audit(&secured, 0);
    audit(&stores.database_url_behind_pgbouncer(PoolMode::Session)?, 0);

    let (_, behind) = secured.split_once('@').context("no host")?;
    let stranger = format!("postgres://flash:s3cret@{behind}");
    let pooled = stores.database_url_behind_pgbouncer(PoolMode::Transaction)?;
    let elsewhere = secured.replace("@localhost", "@127.0.0.1");
    for (url, reason) in [
        (elsewhere, "is not for 127.0.0.1"),
        (stranger, "password authentication failed"),
        (pooled, "pool_mode = session"),
    ] {
        let said = audit(&url, 1);
        ensure!(said.contains(reason), "{said}");
        ensure!(said.lines().count() == 1, "{said}");
    }
    Ok(())
}
