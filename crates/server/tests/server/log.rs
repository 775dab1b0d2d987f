//! The log reports; whatever becomes of it, the sale goes on.

use std::fs::OpenOptions;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use flash_testkit::{Cable, Stores};
use nix::sys::signal::Signal;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::raw::{Raw, send};
use crate::running::{Running, WAIT, server};

/// A sale of `tee` by the engine, whose Redis can be unplugged.
struct Sale {
    command: Command,
    redis: Cable,
    _stores: Stores,
}

impl Sale {
    async fn prepare() -> Result<Self> {
        let stores = Stores::new().await?;
        let (redis, redis_url) = stores.cable_to_redis().await?;
        let mut command = server(&["--strategy", "engine", "--listen", "127.0.0.1:0"]);
        command
            .env("DATABASE_URL", stores.database_url())
            .env("REDIS_URL", redis_url)
            .env("POOL_SIZE", "4");
        stores
            .run(
                "INSERT INTO skus (sku, initial_units, available_units)
                      VALUES ('tee', 1000, 1000)",
            )
            .await?;
        Ok(Self {
            command,
            redis,
            _stores: stores,
        })
    }

    /// Sells with Redis, without, and with it again: there is something to say each time.
    async fn sells_through_an_outage(&mut self, url: &str) -> Result<()> {
        buy(url, "ann").await?;
        self.redis.pull_out().await;
        for buyer in ["bob", "cid", "dan"] {
            buy(url, buyer).await?;
        }
        self.redis.put_back().await?;
        for buyer in ["eve", "fay", "gil"] {
            buy(url, buyer).await?;
        }
        Ok(())
    }
}

async fn buy(url: &str, buyer: &str) -> Result<()> {
    let order = Client::new()
        .post(format!("{url}/v1/skus/tee/orders"))
        .header("idempotency-key", "k1")
        .json(&json!({ "buyer_id": buyer, "units": 1 }));
    let answer = timeout(WAIT, order.send()).await??;
    let status = answer.status();
    ensure!(
        status == StatusCode::CREATED,
        "{buyer}: {}",
        answer.text().await?
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_reader_has_gone_ends_no_sale() -> Result<()> {
    let mut sale = Sale::prepare().await?;
    let mut running = Running::start(&mut sale.command).await?;
    running.close_log();
    sale.sells_through_an_outage(&running.url).await?;
    running.signal(Signal::SIGTERM)?;
    ensure!(running.end().await?.0 == Some(0));
    Ok(())
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_a_full_disk_ends_no_sale() -> Result<()> {
    let mut sale = Sale::prepare().await?;
    let full = OpenOptions::new().write(true).open("/dev/full")?;
    let log = Stdio::from(full);
    let running = Running::start_with_log(&mut sale.command, log).await?;
    sale.sells_through_an_outage(&running.url).await?;
    running.signal(Signal::SIGTERM)?;
    ensure!(running.end().await?.0 == Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_reached_the_largest_size_of_a_file_ends_no_sale() -> Result<()> {
    let mut sale = Sale::prepare().await?;
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("log");
    let mut command = Command::new("/bin/sh");
    // No file may grow at all.
    command.args(["-c", "ulimit -f 0; exec \"$0\" \"$@\""]);
    command.arg(sale.command.as_std().get_program());
    command.args(sale.command.as_std().get_args());
    let settings = sale.command.as_std().get_envs();
    command.envs(settings.filter_map(|(name, value)| Some((name, value?))));
    command.kill_on_drop(true);
    let log = Stdio::from(OpenOptions::new().create(true).append(true).open(log)?);
    let running = Running::start_with_log(&mut command, log).await?;
    sale.sells_through_an_outage(&running.url).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_on_holds_up_no_sale() -> Result<()> {
    let mut sale = Sale::prepare().await?;
    sale.command.env("RUST_LOG", "trace");
    // The other end stays open, in here, and is never read.
    let running = Running::start(&mut sale.command).await?;
    let mut watcher = Raw::connect(running.address()).await?;
    for _ in 0..200 {
        watcher
            .ask("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .await?;
    }
    sale.sells_through_an_outage(&running.url).await?;
    running.signal(Signal::SIGTERM)?;
    let (code, log) = running.end().await?;
    ensure!(code == Some(0));
    // A pipe of Linux has 64 KiB unless somebody asks for more.
    ensure!(log.len() >= 32 * 1024, "it was never full: {}", log.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_standard_output_ends_no_sale() -> Result<()> {
    let mut sale = Sale::prepare().await?;
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    sale.command.env("LOG_FORMAT", "json");
    sale.command.stdout(writer).stderr(Stdio::piped());
    let mut child = sale.command.spawn()?;
    let stderr = child.stderr.take().context("no stderr")?;
    let mut lines = BufReader::new(stderr).lines();
    let address = loop {
        let line = timeout(WAIT, lines.next_line()).await??;
        let line = line.context("it ended before it was ready")?;
        let line: serde_json::Value = serde_json::from_str(&line)?;
        if let Some(address) = line["address"].as_str() {
            break address.to_owned();
        }
    };
    sale.sells_through_an_outage(&format!("http://{address}"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_writes_nothing_into_the_log() -> Result<()> {
    let stores = Stores::new().await?;
    let mut command = server(&["--strategy", "naive", "--listen", "127.0.0.1:0"]);
    command.env("DATABASE_URL", stores.database_url());
    let running = Running::start(&mut command).await?;

    let order = "POST /v1/skus/tee/orders HTTP/1.1\r\nhost: x\r\nidempotency-key: k\r\n\
                 content-type: application/json\r\n";
    let sent: [Vec<u8>; 15] = [
        b"\0\r\n\r\n".into(),
        // The beginning of a TLS hello.
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".into(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        b"GET / HTTP/1.1\r\nhost".into(),
        b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n\0\0\r\n\r\n".into(),
        b"GET /livez HTTP/9.9\r\nhost: x\r\n\r\n".into(),
        b"GET /\xff HTTP/1.1\r\nhost: \xff\r\n\r\n".into(),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(200_000)).into(),
        format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000)).into(),
        format!("{order}content-length: 30\r\n\r\n{{").into(),
        format!("{order}content-length: -1\r\n\r\n").into(),
        format!("{order}content-length: 99999\r\n\r\n{}", " ".repeat(99_999)).into(),
        format!("{order}transfer-encoding: chunked\r\n\r\nzz\r\n").into(),
        format!("{order}transfer-encoding: chunked\r\n\r\n5\r\n{{").into(),
        format!("{order}content-length: 2\r\n\r\n{{}}\0\r\n\r\n").into(),
    ];
    for bytes in &sent {
        send(running.address(), bytes).await?;
    }
    running.signal(Signal::SIGTERM)?;
    let (code, log) = running.end().await?;
    ensure!(code == Some(0), "{log}");
    let mut lines = log
        .lines()
        .skip_while(|line| !line.contains("ready to sell"));
    ensure!(lines.next().is_some(), "{log}");
    let others: Vec<_> = lines.filter(|line| !line.contains("draining")).collect();
    ensure!(others.is_empty(), "{others:#?}");
    Ok(())
}
