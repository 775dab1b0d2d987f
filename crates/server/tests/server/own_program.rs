//! A program of one's own, `examples/own_program.rs`: started as a judge starts one.

use std::env;

use anyhow::{Context, Result, ensure};
use flash_testkit::Stores;
use nix::sys::signal::Signal;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::running::{Running, program};

/// The example, which cargo builds with the tests: beside the directory they stand in.
fn own_program() -> Result<Command> {
    let test = env::current_exe()?;
    let target = test.ancestors().nth(2).context("no target directory")?;
    let path = target.join("examples/own_program");
    ensure!(path.exists(), "build it: cargo build --examples");
    // It has no choice of strategies.
    let mut command = program(&path, &["--strategy", "mine"]);
    command.env("LISTEN", "127.0.0.1:0");
    Ok(command)
}

/// Creates a SKU and sells one unit of it.
async fn sell(url: &str) -> Result<()> {
    let client = Client::new();
    let sku = client
        .put(format!("{url}/v1/skus/tee"))
        .bearer_auth("s3cret");
    let sku = sku.json(&json!({ "initial_units": 1 })).send().await?;
    ensure!(sku.status() == StatusCode::CREATED, "{sku:?}");
    let order = client.post(format!("{url}/v1/skus/tee/orders"));
    let order = order.header("idempotency-key", "k1");
    let order = order.json(&json!({ "buyer_id": "ann", "units": 1 }));
    let order = order.send().await?;
    ensure!(order.status() == StatusCode::CREATED, "{order:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sells_from_stores_that_it_is_given_and_ends_when_asked() -> Result<()> {
    let stores = Stores::new().await?;
    let mut command = own_program()?;
    command
        .env("DATABASE_URL", stores.database_url())
        .env("REDIS_URL", stores.redis_url())
        .env("ADMIN_TOKEN", "s3cret");
    let running = Running::start(&mut command).await?;
    let denied = Client::new().put(format!("{}/v1/skus/tee", running.url));
    let denied = denied.json(&json!({ "initial_units": 1 })).send().await?;
    ensure!(denied.status() == StatusCode::UNAUTHORIZED, "{denied:?}");
    sell(&running.url).await?;
    let ready = reqwest::get(format!("{}/readyz", running.url)).await?;
    let ready: Value = ready.json().await?;
    ensure!(ready["strategy"] == "pessimistic", "{ready}");
    ensure!(ready["redis"] == Value::Null, "{ready}");

    running.signal(Signal::SIGTERM)?;
    let (code, log) = running.end().await?;
    ensure!(code == Some(0) && !log.contains("private"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_the_private_store_that_it_needs() -> Result<()> {
    let running = Running::start(&mut own_program()?).await?;
    sell(&running.url).await?;
    running.signal(Signal::SIGTERM)?;
    let (code, log) = running.end().await?;
    ensure!(
        code == Some(0) && log.contains("private PostgreSQL"),
        "{log}"
    );
    ensure!(!log.contains("Redis"), "{log}");
    Ok(())
}
