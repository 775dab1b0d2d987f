//! Tokens and URLs: as files have them, and never shown.

use anyhow::{Result, ensure};
use flash_testkit::Stores;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use crate::running::{Running, WAIT, server};

/// Runs a server that refuses to start, and returns its code and what it says.
async fn refused(strategy: &str, name: &str, value: &str) -> Result<(i32, String)> {
    let mut command = server(&["--strategy", strategy, "--listen", "127.0.0.1:0"]);
    command
        .env("START_WAIT_MS", "300")
        .env("DATABASE_URL", "postgres://u@127.0.0.1:1/db")
        .env(name, value);
    let output = timeout(WAIT, command.output()).await??;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.stdout.is_empty(), "{:?}", output.stdout);
    Ok((output.status.code().unwrap_or(-1), text))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_piece_of_a_password_that_is_not_encoded_is_shown() -> Result<()> {
    for (name, url) in [
        ("DATABASE_URL", "postgres://u:s3c@ret@127.0.0.1:1/db"),
        ("DATABASE_URL", "postgres://u:s3c/ret@127.0.0.1:1/db"),
        ("DATABASE_URL", "postgres://u:s3c#ret@127.0.0.1:1/db"),
        ("DATABASE_URL", "postgres://u:s3c?ret@127.0.0.1:1/db"),
        (
            "DATABASE_URL",
            "postgres://u:s3c@ret?s3c=ret@127.0.0.1:1/db",
        ),
        ("REDIS_URL", "redis://:s3c@ret@127.0.0.1:1"),
        ("REDIS_URL", "redis://:s3c/ret@127.0.0.1:1"),
        ("REDIS_URL", "redis://:6379/s3cret@127.0.0.1:1"),
        ("REDIS_URL", "redis://u:s3c#ret@127.0.0.1:1"),
    ] {
        let (code, text) = refused("engine", name, url).await?;
        ensure!(code == 2, "{url}: {text}");
        ensure!(text.contains(name), "{url}: {text}");
        ensure!(text.contains("percent-encode"), "{url}: {text}");
        ensure!(
            !text.contains("s3c") && !text.contains("ret@"),
            "{url}: {text}"
        );
        ensure!(!text.contains("panicked"), "{url}: {text}");
    }
    for url in [
        "host=127.0.0.1 port=1 user=u password=a s3cret=b",
        "postgres://127.0.0.1:1/db?password=a&s3cret=b",
        "postgres://u:s3cret",
    ] {
        let (code, text) = refused("naive", "DATABASE_URL", url).await?;
        ensure!(code == 2 && !text.contains("s3cret"), "{url}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_header_can_carry_is_no_token() -> Result<()> {
    let (code, text) = refused("naive", "ADMIN_TOKEN", "s3c\nret").await?;
    ensure!(code == 2 && text.contains("ADMIN_TOKEN"), "{text}");
    ensure!(!text.contains("s3c"), "{text}");
    let (code, text) = refused("naive", "DATABASE_URL", " \n").await?;
    ensure!(code == 2 && text.contains("DATABASE_URL"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newline_at_the_end_belongs_to_the_file() -> Result<()> {
    let stores = Stores::new().await?;
    let mut command = server(&["--strategy", "engine", "--listen", "127.0.0.1:0"]);
    command
        .env("DATABASE_URL", format!("{}\n", stores.database_url()))
        .env("REDIS_URL", format!("{}\n", stores.redis_url()))
        .env("ADMIN_TOKEN", "s3cret\r\n")
        .env("POOL_SIZE", "4");
    let running = Running::start(&mut command).await?;
    let put = || {
        let request = Client::new().put(format!("{}/v1/skus/tee", running.url));
        request.json(&json!({ "initial_units": 1 }))
    };
    ensure!(put().send().await?.status() == StatusCode::UNAUTHORIZED);
    let created = put().bearer_auth("s3cret").send().await?;
    ensure!(created.status() == StatusCode::CREATED, "{created:?}");

    // One of nothing else is none.
    command.env("ADMIN_TOKEN", "\n");
    let running = Running::start(&mut command).await?;
    let put = Client::new().put(format!("{}/v1/skus/mug", running.url));
    let created = put.json(&json!({ "initial_units": 1 })).send().await?;
    ensure!(created.status() == StatusCode::CREATED, "{created:?}");
    Ok(())
}
