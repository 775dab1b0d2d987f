//! The `server` program: what it says and how it ends.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::running::{Running, WAIT, server};
use anyhow::{Context, Result, ensure};
use flash_sandbox::{Options, Sandbox};
use flash_testkit::Stores;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;

/// How soon after the end of a server its private stores must be gone.
const GONE_WITHIN: Duration = Duration::from_secs(3);

pub(crate) async fn run_to_end(command: &mut Command) -> Result<Output> {
    Ok(tokio::time::timeout(WAIT, command.output()).await??)
}

/// Checks that a program ended with this code and one plain sentence.
pub(crate) fn ended_with(output: &Output, code: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    let errors: Vec<_> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    for word in says {
        assert!(text.contains(word), "{word:?} is missing in {text}");
    }
    assert!(
        !text.contains("panicked") && !text.contains("backtrace"),
        "{text}"
    );
}

/// The directories that a server's private stores live in, from what it said at start.
fn sandbox_directories(stderr: &str) -> Vec<&Path> {
    let said = stderr.lines().filter(|line| line.starts_with("private "));
    said.filter_map(|line| line.split(" in ").nth(1)?.split(',').next())
        .map(Path::new)
        .collect()
}

/// Waits until the directories of two private stores and the processes in them are gone.
async fn wait_until_gone(stderr: &str) -> Result<()> {
    let directories = sandbox_directories(stderr);
    ensure!(directories.len() == 2, "{stderr}");
    let deadline = Instant::now() + GONE_WITHIN;
    for directory in directories {
        while directory.exists() || processes_below(directory)? > 0 {
            ensure!(
                Instant::now() < deadline,
                "{} is still there",
                directory.display()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// Counts the processes whose command line names a directory.
fn processes_below(directory: &Path) -> Result<usize> {
    let listing = std::process::Command::new("ps")
        .args(["-eo", "args"])
        .output();
    let Ok(listing) = listing else {
        return count_in_proc(directory);
    };
    let text = String::from_utf8_lossy(&listing.stdout).into_owned();
    let name = directory.to_string_lossy().into_owned();
    Ok(text.lines().filter(|line| line.contains(&name)).count())
}

fn count_in_proc(directory: &Path) -> Result<usize> {
    let name = directory.to_string_lossy().into_owned();
    let mut count = 0;
    for entry in std::fs::read_dir("/proc")? {
        // A process may end while we look.
        if let Ok(line) = std::fs::read(entry?.path().join("cmdline")) {
            count += usize::from(String::from_utf8_lossy(&line).contains(&name));
        }
    }
    Ok(count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_must_be_named() -> Result<()> {
    let output = run_to_end(&mut server(&[])).await?;
    ended_with(&output, 2, &["--strategy"]);
    let output = run_to_end(&mut server(&["--strategy", "optimistic"])).await?;
    ended_with(&output, 2, &["naive", "pessimistic", "hybrid", "engine"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_occupied_port_is_one_sentence() -> Result<()> {
    let occupied = TcpListener::bind("127.0.0.1:0").await?;
    let address = occupied.local_addr()?.to_string();
    let arguments = ["--strategy", "naive", "--listen", &address];
    let output = run_to_end(&mut server(&arguments)).await?;
    ended_with(&output, 1, &[&address, "in use", "--listen"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_postgresql_is_one_sentence_after_a_bounded_wait() -> Result<()>
{
    let url = "postgres://shop:s3cret@127.0.0.1:1/shop";
    let arguments = [
        "--strategy",
        "naive",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        url,
    ];
    let output = run_to_end(server(&arguments).env("START_WAIT_MS", "300")).await?;
    ended_with(&output, 1, &["PostgreSQL at 127.0.0.1:1 ", "refused"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("s3cret"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_redis_is_one_sentence_after_a_bounded_wait() -> Result<()> {
    let stores = Stores::new().await?;
    for strategy in ["hybrid", "engine"] {
        let mut command = server(&["--strategy", strategy, "--listen", "127.0.0.1:0"]);
        command
            .env("DATABASE_URL", stores.database_url())
            .env("REDIS_URL", "redis://:s3cret@127.0.0.1:1")
            .env("START_WAIT_MS", "300");
        let output = run_to_end(&mut command).await?;
        ended_with(&output, 1, &["Redis at 127.0.0.1:1 ", "refused"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.matches("waiting for Redis").count(), 1, "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_is_none_is_one_sentence() -> Result<()> {
    let arguments = ["--strategy", "naive", "--listen", "127.0.0.1:0"];
    let output =
        run_to_end(server(&arguments).env("DATABASE_URL", "mysql://shop")).await?;
    ended_with(&output, 2, &["DATABASE_URL"]);
    let arguments = ["--strategy", "engine", "--listen", "127.0.0.1:0"];
    let output = run_to_end(server(&arguments).env("REDIS_URL", "cache:6379")).await?;
    ended_with(&output, 2, &["REDIS_URL"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_larger_than_postgresql_allows_is_one_sentence() -> Result<()> {
    let options = Options {
        redis: false,
        max_connections: 10,
        ..Options::default()
    };
    let sandbox =
        tokio::task::spawn_blocking(move || Sandbox::start(&options)).await??;
    let mut command = server(&["--strategy", "naive", "--listen", "127.0.0.1:0"]);
    command
        .env(
            "DATABASE_URL",
            sandbox.database_url().context("no PostgreSQL")?,
        )
        .env("POOL_SIZE", "20");
    let output = run_to_end(&mut command).await?;
    ended_with(&output, 1, &["24 connections", "--pool-size"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_can_start_at_once_on_an_empty_database() -> Result<()> {
    let stores = Stores::empty().await?;
    let mut starting = Vec::new();
    for _ in 0..4 {
        let mut command = server(&["--strategy", "naive", "--listen", "127.0.0.1:0"]);
        command.env("DATABASE_URL", stores.database_url());
        starting.push(tokio::spawn(
            async move { Running::start(&mut command).await },
        ));
    }
    for server in starting {
        let server = server.await??;
        let sku = reqwest::Client::new()
            .put(format!("{}/v1/skus/tee", server.url))
            .json(&json!({ "initial_units": 1 }))
            .send()
            .await?;
        assert!(sku.status().is_success(), "{}", sku.status());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_a_server_and_its_private_stores() -> Result<()> {
    let mut command = server(&["--strategy", "engine", "--listen", "127.0.0.1:0"]);
    let server = Running::start(&mut command).await?;
    let ready = reqwest::get(format!("{}/readyz", server.url)).await?;
    assert!(ready.status().is_success());
    server.signal(nix::sys::signal::Signal::SIGTERM)?;
    let (code, stderr) = server.end().await?;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("psql") && stderr.contains("redis-cli"),
        "{stderr}"
    );
    wait_until_gone(&stderr).await
}

#[tokio::test(flavor = "multi_thread")]
async fn naive_and_pessimistic_start_no_redis() -> Result<()> {
    for strategy in ["naive", "pessimistic"] {
        let mut command = server(&["--strategy", strategy, "--listen", "127.0.0.1:0"]);
        let server = Running::start(&mut command).await?;
        server.signal(nix::sys::signal::Signal::SIGINT)?;
        let (code, stderr) = server.end().await?;
        assert_eq!(code, Some(0), "{stderr}");
        assert!(!stderr.contains("redis"), "{stderr}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_server_that_was_killed() -> Result<()> {
    let mut command = server(&["--strategy", "engine", "--listen", "127.0.0.1:0"]);
    let server = Running::start(&mut command).await?;
    server.signal(nix::sys::signal::Signal::SIGKILL)?;
    let (code, stderr) = server.end().await?;
    assert_eq!(code, None);
    wait_until_gone(&stderr).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_program_is_named_with_the_command_that_installs_it() -> Result<()> {
    let mut command = server(&["--strategy", "naive", "--listen", "127.0.0.1:0"]);
    command.env("FLASHSALE_PG_BIN", "/nowhere");
    let output = run_to_end(&mut command).await?;
    ended_with(&output, 69, &["postgres", "install"]);
    Ok(())
}
