//! How many connections there may be, and how long one may keep what it takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flash_testkit::Stores;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::time::timeout;

use crate::raw::Raw;
use crate::running::{Running, WAIT, server};

const READY: &str = "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server that may have this many open files.
fn limited(open_files: u32, arguments: &[&str]) -> Command {
    let inner = server(arguments);
    let mut command = Command::new("/bin/sh");
    let script = format!("ulimit -n {open_files} && exec \"$0\" \"$@\"");
    command.args(["-c", &script]);
    command.arg(inner.as_std().get_program()).args(arguments);
    for (name, _) in inner.as_std().get_envs() {
        command.env_remove(name);
    }
    command.kill_on_drop(true);
    command
}

/// What a process has open.
#[cfg(target_os = "linux")]
fn open_files(running: &Running) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{}/fd", running.pid()?))?.count())
}

/// Waits until a process has as many files open as is wanted.
#[cfg(target_os = "linux")]
async fn until_open(running: &Running, wanted: impl Fn(usize) -> bool) -> Result<()> {
    let began = Instant::now();
    while !wanted(open_files(running)?) {
        ensure!(began.elapsed() < WAIT, "{} are open", open_files(running)?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn order(buyer: &str) -> String {
    let body = json!({ "buyer_id": buyer, "units": 1 }).to_string();
    format!(
        "POST /v1/skus/tee/orders HTTP/1.1\r\nhost: x\r\nidempotency-key: k1\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Asks on one connection until the answer is the wanted one.
async fn until_answered(on: &mut Raw, request: &str, status: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let answer = on.ask(request).await?;
        if answer.starts_with(&format!("HTTP/1.1 {status}")) {
            return Ok(());
        }
        ensure!(began.elapsed() < WAIT, "{answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_only_connects_leaves_the_stores_what_they_need() -> Result<()> {
    let stores = Stores::new().await?;
    let (mut postgresql, database_url) = stores.cable_to_postgresql().await?;
    let (mut redis, redis_url) = stores.cable_to_redis().await?;
    let arguments = ["--strategy", "engine", "--listen", "127.0.0.1:0"];
    let mut command = limited(300, &arguments);
    command
        .env("DATABASE_URL", database_url)
        .env("REDIS_URL", redis_url)
        .env("WORKERS", "2")
        // Nobody is given up while this test lasts.
        .env("CLIENT_WAIT_MS", "600000");
    let running = Running::start(&mut command).await?;
    let terms = json!({ "initial_units": 10 }).to_string();
    let create = format!(
        "PUT /v1/skus/tee HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
         content-type: application/json\r\n\r\n{terms}",
        terms.len()
    );
    let mut first = Raw::connect(running.address()).await?;
    until_answered(&mut first, &create, "201").await?;

    let before = open_files(&running)?;
    let crowd = stream::iter(0..400).map(|_| TcpStream::connect(running.address()));
    let crowd: Vec<_> = crowd.buffer_unordered(64).try_collect().await?;
    until_open(&running, |now| now >= before + 150).await?;
    until_answered(&mut first, READY, "200").await?;
    until_answered(&mut first, &order("ann"), "201").await?;

    // Every connection to a store is opened again, while nobody of the crowd leaves.
    postgresql.pull_out().await;
    redis.pull_out().await;
    until_answered(&mut first, READY, "503").await?;
    postgresql.put_back().await?;
    redis.put_back().await?;
    until_answered(&mut first, READY, "200").await?;
    until_answered(&mut first, &order("bob"), "201").await?;
    ensure!(open_files(&running)? < 300);

    // Who waits to be accepted is, as soon as there is room.
    drop(crowd);
    let mut last = Raw::connect(running.address()).await?;
    until_answered(&mut last, READY, "200").await
}

#[tokio::test(flavor = "multi_thread")]
async fn too_few_open_files_for_the_pools_is_one_sentence() -> Result<()> {
    let arguments = ["--strategy", "naive", "--listen", "127.0.0.1:0"];
    let output = timeout(WAIT, limited(90, &arguments).output()).await??;
    let text = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1), "{text}");
    ensure!(text.lines().count() == 1, "{text}");
    for part in ["error: 90 open files", "--pool-size", "ulimit -n"] {
        ensure!(text.contains(part), "{text}");
    }
    Ok(())
}

/// Clients that ask for more than any buffer holds and take none of it.
#[cfg(target_os = "linux")]
async fn deaf(address: &str, count: u64) -> Result<Vec<TcpStream>> {
    let asked = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n".repeat(16);
    let asked = &asked;
    stream::iter(0..count)
        .map(async |_| {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(4_096)?;
            let mut connection = socket.connect(address.parse()?).await?;
            connection.write_all(asked.as_bytes()).await?;
            anyhow::Ok(connection)
        })
        .buffer_unordered(16)
        .try_collect()
        .await
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_none_of_its_answers_is_cut() -> Result<()> {
    let stores = Stores::new().await?;
    let mut command = server(&["--strategy", "naive", "--listen", "127.0.0.1:0"]);
    command
        .env("DATABASE_URL", stores.database_url())
        .env("CLIENT_WAIT_MS", "3000");
    let running = Running::start(&mut command).await?;
    let before = open_files(&running)?;
    let deaf = deaf(running.address(), 40).await?;
    until_open(&running, |now| now >= before + 30).await?;
    until_open(&running, |now| now < before + 20).await?;
    drop(deaf);
    let mut next = Raw::connect(running.address()).await?;
    let ready = next.ask(READY).await?;
    ready.strip_prefix("HTTP/1.1 200").context(ready.clone())?;
    Ok(())
}

/// How long the server has no room: time enough to say so many times.
const FULL_FOR: Duration = Duration::from_secs(2);

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn open_files_that_run_out_after_all_are_one_line() -> Result<()> {
    let stores = Stores::new().await?;
    let mut command = server(&["--strategy", "naive", "--listen", "127.0.0.1:0"]);
    command.env("DATABASE_URL", stores.database_url());
    let running = Running::start(&mut command).await?;
    let mut first = Raw::connect(running.address()).await?;
    until_answered(&mut first, READY, "200").await?;

    // Somebody else's limit, once the server has counted on its own.
    let limit = open_files(&running)? + 5;
    let status = Command::new("prlimit")
        .arg(format!("--pid={}", running.pid()?))
        .arg(format!("--nofile={limit}:{limit}"))
        .status()
        .await?;
    ensure!(status.success());
    let crowd = stream::iter(0..50).map(|_| TcpStream::connect(running.address()));
    let crowd: Vec<_> = crowd.buffer_unordered(16).try_collect().await?;
    until_open(&running, |now| now >= limit).await?;
    tokio::time::sleep(FULL_FOR).await;
    until_answered(&mut first, READY, "200").await?;

    drop(crowd);
    let mut next = Raw::connect(running.address()).await?;
    until_answered(&mut next, READY, "200").await?;
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    let (code, log) = running.end().await?;
    ensure!(code == Some(0), "{log}");
    let said = log
        .lines()
        .filter(|line| line.contains("Too many open files"));
    ensure!(said.count() == 1, "{log}");
    Ok(())
}
