//! A PostgreSQL that is not the right one, or does not let us in: one sentence, at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flash_sandbox::PoolMode;
use flash_testkit::{Authority, Stores};

use crate::process::{ended_with, run_to_end};
use crate::running::{Running, server};

const SELL: [&str; 6] = [
    "--strategy",
    "engine",
    "--listen",
    "127.0.0.1:0",
    "--pool-size",
    "4",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_way_to_postgresql_is_one_sentence() -> Result<()> {
    let stores = Stores::new().await?;
    let right = stores.database_url_over_tls()?;
    let (user, behind) = right.split_once('@').context("no host")?;
    let password = user.rsplit(':').next().context("no password")?;
    let files = tempfile::tempdir()?;
    let stranger = files.path().join("stranger.crt");
    std::fs::write(&stranger, Authority::new()?.root())?;
    let (before, _) = right.split_once("&sslrootcert=").context("no root")?;
    let wrong = [
        (
            right.replace("@localhost", "@127.0.0.1"),
            ["is not for 127.0.0.1", "PostgreSQL at 127.0.0.1:"],
        ),
        (
            format!("{before}&sslrootcert={}", stranger.display()),
            ["stranger.crt (sslrootcert)", "PostgreSQL at localhost:"],
        ),
        (
            format!("postgres://flash:s3cret@{behind}"),
            ["password authentication failed", "PostgreSQL at localhost:"],
        ),
        (
            stores.database_url_behind_pgbouncer(PoolMode::Transaction)?,
            ["pool_mode = session", ":6433"],
        ),
    ];
    for (url, parts) in wrong {
        let mut command = server(&SELL);
        // Nobody waits for what does not get better.
        let limit = Duration::from_secs(600).as_millis().to_string();
        command
            .env("DATABASE_URL", url)
            .env("REDIS_URL", stores.redis_url())
            .env("START_WAIT_MS", limit);
        let output = run_to_end(&mut command).await?;
        ended_with(&output, 1, &parts);
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !said.contains("s3cret") && !said.contains(password),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_url_that_is_not_supported_is_named() -> Result<()> {
    for (parameter, part) in [
        ("passfile=/s3cret", "passfile"),
        ("sslmode=verify-ca", "sslrootcert=FILE"),
        ("target_session_attrs=standby", "target_session_attrs"),
    ] {
        let mut command = server(&SELL);
        command.env(
            "DATABASE_URL",
            format!("postgres://u:s3cret@db?{parameter}"),
        );
        let output = run_to_end(&mut command).await?;
        ended_with(&output, 2, &["DATABASE_URL", part]);
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!said.contains("s3cret"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_system_trusts_is_trusted() -> Result<()> {
    let stores = Stores::new().await?;
    let url = stores.database_url_over_tls()?;
    let (url, root) = url.split_once("&sslrootcert=").context("no root")?;
    for parameters in ["", "&sslrootcert=system"] {
        let mut command = server(&SELL);
        command
            .env("DATABASE_URL", format!("{url}{parameters}"))
            .env("REDIS_URL", stores.redis_url())
            .env("SSL_CERT_FILE", root);
        Running::start(&mut command).await?;
    }
    Ok(())
}
