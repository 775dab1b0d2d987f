//! The ways to a PostgreSQL that is given, and what is said where one does not lead there.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use flash_sandbox::PoolMode;
use flash_testkit::Stores;

fn audit(database_url: &str) -> Result<(Option<i32>, String)> {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["audit", "--database-url", database_url])
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .output()?;
    let told = String::from_utf8(output.stderr)?;
    Ok((output.status.code(), told))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_its_way_or_says_why_not() -> Result<()> {
    let stores = Stores::new().await?;
    let secured = stores.database_url_over_tls()?;
    let pooled = stores.database_url_behind_pgbouncer(PoolMode::Session)?;
    for url in [secured.as_str(), &pooled] {
        let (code, told) = audit(url)?;
        ensure!(code == Some(0), "{told}");
    }
    let (_, behind) = secured.split_once('@').context("no host")?;
    for (url, part) in [
        (
            secured.replace("@localhost", "@127.0.0.1"),
            "is not for 127.0.0.1",
        ),
        (
            format!("postgres://flash:s3cret@{behind}"),
            "password authentication failed",
        ),
        (
            stores.database_url_behind_pgbouncer(PoolMode::Transaction)?,
            "pool_mode = session",
        ),
    ] {
        let (code, told) = audit(&url)?;
        ensure!(code == Some(1) && told.contains(part), "{code:?} {told}");
        ensure!(told.lines().count() == 1, "{told}");
        ensure!(!told.contains("s3cret"), "{told}");
    }
    let (code, told) = audit("postgres://u:s3cret@db?passfile=/s3cret")?;
    ensure!(code == Some(2) && told.contains("passfile"), "{told}");
    ensure!(!told.contains("s3cret"), "{told}");
    Ok(())
}
