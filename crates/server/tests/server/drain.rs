//! The orderly end: not ready first, then no new connections, then the end.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use flash_testkit::Stores;
use nix::sys::signal::Signal;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::running::{Running, WAIT, server};
use crate::shop::{Setup, Shop};

const STRATEGIES: [&str; 4] = ["naive", "pessimistic", "hybrid", "engine"];

/// Longer than any test: what is seen is seen before it is over.
const LONG: Duration = Duration::from_secs(600);

const LIVE: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";

/// Waits until the server says that it is not ready, because it ends.
async fn until_draining(url: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        // A connection of its own each time: the listener is open.
        let ready = Client::new().get(format!("{url}/readyz")).send().await?;
        let status = ready.status();
        let said: Value = ready.json().await?;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            ensure!(said["status"] == "draining", "{said}");
            return Ok(());
        }
        ensure!(began.elapsed() < WAIT, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_ready_still_sells_while_the_listener_is_open() -> Result<()> {
    for strategy in STRATEGIES {
        let setup = Setup {
            drain_delay: LONG,
            ..Setup::default()
        };
        let mut shop = Shop::open_with(strategy, Stores::new().await?, setup).await?;
        shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
        shop.begin_stop()?;
        until_draining(&format!("http://{}", shop.address)).await?;

        let placed = shop.buy("ann", "k1").await?;
        ensure!(placed.status() == StatusCode::CREATED, "{placed:?}");
        let closes = placed.headers().get("connection");
        ensure!(closes.is_some_and(|it| it == "close"), "{placed:?}");
        let refused = shop.buy("bob", "k1").await?;
        ensure!(refused.status() == StatusCode::CONFLICT, "{refused:?}");
        let read = shop.get(placed.headers()["location"].to_str()?).await?;
        ensure!(read.status() == StatusCode::OK, "{strategy}: {read:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_is_noticed_by_a_proxy_first() -> Result<()> {
    let stores = Stores::new().await?;
    let mut command = server(&["--strategy", "naive", "--listen", "127.0.0.1:0"]);
    command
        .env("DATABASE_URL", stores.database_url())
        .env("DRAIN_DELAY_MS", LONG.as_millis().to_string());
    let running = Running::start(&mut command).await?;
    let mut kept = Raw::connect(running.address()).await?;
    let answer = kept.ask(LIVE).await?;
    ensure!(!answer.contains("connection: close"), "{answer}");

    running.signal(Signal::SIGTERM)?;
    until_draining(&running.url).await?;
    // Who kept a connection is served once more, and told to open another one.
    let answer = kept.ask(LIVE).await?;
    ensure!(answer.contains("connection: close"), "{answer}");

    // Whoever asks twice does not want to wait.
    running.signal(Signal::SIGTERM)?;
    ensure!(running.end().await?.0 == Some(130));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_closes_once_the_delay_is_over_and_ctrl_c_has_none() -> Result<()>
{
    for (signal, delay) in [
        (Signal::SIGTERM, Duration::from_millis(1)),
        (Signal::SIGINT, LONG),
    ] {
        let stores = Stores::new().await?;
        let mut command = server(&["--strategy", "naive", "--listen", "127.0.0.1:0"]);
        command
            .env("DATABASE_URL", stores.database_url())
            .env("DRAIN_DELAY_MS", delay.as_millis().to_string());
        let running = Running::start(&mut command).await?;
        running.signal(signal)?;
        let (code, log) = running.end().await?;
        ensure!(code == Some(0), "{signal}: {log}");
        ensure!(
            log.contains("draining: no new connections"),
            "{signal}: {log}"
        );
    }
    Ok(())
}
