//! Stores that go away, buyers that are slow, servers that stop.

use std::time::{Duration, Instant};

use crate::shop::{CLIENT_WAIT, Setup, Shop, problem};
use anyhow::Result;
use flash_testkit::{Conductor, Stores};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Only bounds how long a broken test takes.
const WAIT: Duration = Duration::from_secs(20);

/// How soon a server must sell again once its stores are back.
const BACK_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_away_is_503_and_comes_back_by_itself() -> Result<()> {
    for strategy in ["naive", "pessimistic", "hybrid", "engine"] {
        let (shop, mut cable) = Shop::on_a_cable(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 2 })).await?;
        assert_eq!(shop.buy("ann", "k1").await?.status(), StatusCode::CREATED);
        assert_eq!(shop.get("/readyz").await?.status(), StatusCode::OK);

        cable.pull_out().await;
        problem(shop.buy("bob", "k1").await?, 503, "unavailable").await?;
        problem(shop.get("/v1/skus/tee").await?, 503, "unavailable").await?;
        let ready = shop.get("/readyz").await?;
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ready.json::<Value>().await?["postgresql"], false);
        assert_eq!(shop.get("/livez").await?.status(), StatusCode::OK);

        cable.put_back().await?;
        assert_eq!(shop.get("/readyz").await?.status(), StatusCode::OK);
        let deadline = Instant::now() + BACK_WITHIN;
        let mut bought = shop.buy("bob", "k1").await?;
        while bought.status() == 503 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
            bought = shop.buy("bob", "k1").await?;
        }
        assert_eq!(bought.status(), StatusCode::CREATED, "{strategy}");
        problem(shop.buy("cid", "k1").await?, 409, "sold-out").await?;
        assert_eq!(shop.audit().await?["verdict"], "exact", "{strategy}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_arrive_is_given_up() -> Result<()> {
    let shop = Shop::open("naive").await?;
    let head = "POST /v1/skus/tee/orders HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\n\
                content-type: application/json\r\ncontent-length: 30\r\n\r\n{";
    let answer = send_and_wait(&shop, head).await?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"invalid-request\""), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_arrive_is_given_up() -> Result<()> {
    let shop = Shop::open("naive").await?;
    let answer = send_and_wait(&shop, "POST /v1/skus/tee/orders HTTP/1.1\r\n").await?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    Ok(())
}

/// Sends half a request and reads until the server hangs up.
async fn send_and_wait(shop: &Shop, half: &str) -> Result<String> {
    let mut connection = TcpStream::connect(&shop.address).await?;
    connection.write_all(half.as_bytes()).await?;
    let mut answer = String::new();
    tokio::time::timeout(CLIENT_WAIT + WAIT, connection.read_to_string(&mut answer))
        .await??;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_is_finished_before_the_server_ends() -> Result<()> {
    let mut shop = Shop::open("pessimistic").await?;
    shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
    let mut conductor = Conductor::hold_stock_rows(&shop.stores).await?;

    let url = format!("http://{}/v1/skus/tee/orders", shop.address);
    let buying = tokio::spawn(async move {
        reqwest::Client::new()
            .post(url)
            .header("idempotency-key", "k1")
            .json(&json!({ "buyer_id": "ann", "units": 1 }))
            .send()
            .await
    });
    conductor.wait_for_waiting(1).await?;
    shop.begin_stop()?;
    // New connections are refused from here on.
    while TcpStream::connect(&shop.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    conductor.release().await?;
    assert_eq!(buying.await??.status(), StatusCode::CREATED);
    tokio::time::timeout(WAIT, shop.stopped()).await??;
    Ok(())
}

/// Waits until a ready server says of Redis that it can be worked with, or cannot.
async fn until_redis(shop: &Shop, expected: bool) -> Result<()> {
    let end = Instant::now() + WAIT;
    loop {
        let ready = shop.get("/readyz").await?;
        assert_eq!(ready.status(), StatusCode::OK);
        let body = ready.json::<Value>().await?;
        if body["redis"] == expected {
            return Ok(());
        }
        assert!(Instant::now() < end, "{body}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_away_is_told_and_buyers_go_past_it() -> Result<()> {
    let stores = Stores::new().await?;
    let (mut cable, redis_url) = stores.cable_to_redis().await?;
    let setup = Setup {
        redis_url: Some(redis_url),
        ..Setup::default()
    };
    let shop = Shop::open_with("engine", stores, setup).await?;
    shop.put_sku("tee", json!({ "initial_units": 2 })).await?;
    until_redis(&shop, true).await?;

    cable.pull_out().await;
    until_redis(&shop, false).await?;
    assert_eq!(shop.buy("ann", "k1").await?.status(), StatusCode::CREATED);
    cable.put_back().await?;
    until_redis(&shop, true).await?;
    assert_eq!(shop.buy("ann", "k2").await?.status(), StatusCode::CREATED);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_has_an_unknown_outcome() -> Result<()> {
    for strategy in ["naive", "pessimistic", "hybrid", "engine"] {
        let setup = Setup {
            request_timeout: Duration::from_millis(700),
            ..Setup::default()
        };
        let shop = Shop::open_with(strategy, Stores::new().await?, setup).await?;
        shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
        let conductor = Conductor::hold_stock_rows(&shop.stores).await?;
        problem(shop.buy("ann", "k1").await?, 503, "outcome-unknown").await?;
        conductor.release().await?;

        // The same key tells, whatever it was, and nobody else gets the unit.
        assert!(
            shop.buy("ann", "k1").await?.status().is_success(),
            "{strategy}"
        );
        problem(shop.buy("bob", "k1").await?, 409, "sold-out").await?;
        assert_eq!(shop.audit().await?["verdict"], "exact", "{strategy}");
    }
    Ok(())
}
