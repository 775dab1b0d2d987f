//! Connections that only cost: buyers are served all the same.

use anyhow::{Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::running::{Running, WAIT, server};

const IDLE: u64 = 10_000;
const SLOW: u64 = 1_000;

/// Buyers after each byte of the slow ones.
const BUYERS_PER_ROUND: u64 = 20;

/// How many connect at the same time.
const AT_ONCE: usize = 64;

/// Open files that this process and the server need besides.
const SPARE: u64 = 500;

const BODY: &str = r#"{"buyer_id":"slow","units":1}"#;

/// The server inherits the limit.
fn raise_open_files_limit() -> Result<()> {
    let needed = IDLE + SLOW + SPARE;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(
        hard >= needed,
        "this test needs {needed} open files and this machine allows {hard}: raise the \
         limit (as root: `ulimit -Hn {needed}`)"
    );
    Ok(setrlimit(Resource::RLIMIT_NOFILE, soft.max(needed), hard)?)
}

/// Opens connections and says the same on each.
async fn open(address: &str, count: u64, text: &str) -> Result<Vec<TcpStream>> {
    stream::iter(0..count)
        .map(async |_| {
            let mut connection = TcpStream::connect(address).await?;
            connection.write_all(text.as_bytes()).await?;
            anyhow::Ok(connection)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Each on a connection of its own.
async fn buy(url: &str, buyer: String) -> Result<StatusCode> {
    let order = Client::new()
        .post(format!("{url}/v1/skus/tee/orders"))
        .header("idempotency-key", "k1")
        .json(&json!({ "buyer_id": buyer, "units": 1 }))
        .send();
    Ok(tokio::time::timeout(WAIT, order).await??.status())
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_and_slow_bodies_keep_no_buyer_out() -> Result<()> {
    raise_open_files_limit()?;
    let arguments = ["--strategy", "engine", "--listen", "127.0.0.1:0"];
    // Nobody is given up while this test lasts.
    let server =
        Running::start(server(&arguments).env("CLIENT_WAIT_MS", "600000")).await?;
    let sku = Client::new().put(format!("{}/v1/skus/tee", server.url));
    let sku = sku.json(&json!({ "initial_units": 1_000 })).send().await?;
    ensure!(sku.status() == StatusCode::CREATED);

    let address = server.url.trim_start_matches("http://");
    let idle = open(address, IDLE, "").await?;
    let head = format!(
        "POST /v1/skus/tee/orders HTTP/1.1\r\nhost: x\r\nidempotency-key: k1\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{{",
        BODY.len()
    );
    let mut slow = open(address, SLOW, &head).await?;

    // Each buyer comes to a server on which a thousand bodies are on their way, byte by
    // byte.
    let (done, rest) = BODY.as_bytes().split_at(BODY.len() / 2);
    for round in 1..done.len() {
        for connection in &mut slow {
            connection.write_all(&done[round..=round]).await?;
        }
        let buyers = stream::iter(0..BUYERS_PER_ROUND);
        let buying = buyers.map(|buyer| buy(&server.url, format!("b{round}-{buyer}")));
        let mut buying = buying.buffer_unordered(AT_ONCE);
        while let Some(status) = buying.next().await {
            ensure!(status? == StatusCode::CREATED);
        }
    }
    // And when one of them comes to an end, it is served as well.
    let mut last = slow.pop().expect("a slow one");
    last.write_all(rest).await?;
    let mut answer = [0; 12];
    tokio::time::timeout(WAIT, last.read_exact(&mut answer)).await??;
    ensure!(answer == *b"HTTP/1.1 201", "{}", answer.escape_ascii());
    drop((idle, slow));
    Ok(())
}
