//! A part that has died ends the process.

use std::env;
use std::process::Stdio;

use anyhow::Result;
use tokio::net::unix::pipe::Sender;
use tokio::process::Command;
use tokio::time::timeout;

use crate::running::WAIT;

/// Who panics in the process that is started for it.
const PART: &str = "FLASH_SERVER_TEST_PART";

/// Does nothing in an ordinary run. Started again by the tests below, a part of this process
/// dies and nobody holds its handle.
#[tokio::test(flavor = "multi_thread")]
async fn dying() {
    let Ok(part) = env::var(PART) else { return };
    flash_server::end_on_panic();
    match part.as_str() {
        "task" => drop(tokio::spawn(async { panic!("a task\nis done for") })),
        "thread" => drop(std::thread::spawn(|| panic!("a thread is done for"))),
        _ => drop(tokio::task::spawn_blocking(|| {
            // Whoever holds the lock that a log line needs.
            let _log = std::io::stderr().lock();
            panic!("a call is done for");
        })),
    }
    tokio::time::sleep(2 * WAIT).await;
}

/// Starts this test binary once more, with a part that dies.
fn with_dying(part: &str, log: Stdio) -> Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(["--exact", "fail_stop::dying", "--nocapture"])
        .env(PART, part)
        .env("RUST_BACKTRACE", "1")
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    Ok(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_panics_ends_the_process_with_a_sentence() -> Result<()> {
    for part in ["task", "thread", "call"] {
        let output = with_dying(part, Stdio::piped())?.output();
        let output = timeout(WAIT, output).await??;
        let text = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        let sentence =
            format!("error: the server has a defect and ends: a {part} is done");
        assert!(text.starts_with(&sentence), "{text}");
        assert!(text.contains("fail_stop.rs:"), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_where_nobody_hears_the_sentence() -> Result<()> {
    let mut child = with_dying("task", Stdio::piped())?.spawn()?;
    drop(child.stderr.take());
    assert_eq!(timeout(WAIT, child.wait()).await??.code(), Some(1));

    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    if let Ok(full) = full {
        let mut child = with_dying("task", full.into())?.spawn()?;
        assert_eq!(timeout(WAIT, child.wait()).await??.code(), Some(1));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_where_the_log_is_full_and_nobody_reads_on() -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    let filling = Sender::from_owned_fd(writer.into())?;
    filling.writable().await?;
    while filling.try_write(&[0; 1024]).is_ok() {}
    // From here on whoever writes waits for ever.
    let full = filling.into_blocking_fd()?;
    let mut child = with_dying("task", full.into())?.spawn()?;
    assert_eq!(timeout(WAIT, child.wait()).await??.code(), Some(1));
    drop(reader);
    Ok(())
}

#[test]
fn the_server_does_so_before_anything_else() {
    let source = include_str!("../../src/program.rs");
    let (_, run) = source.split_once("fn run_with(").expect("a program");
    let (_, body) = run.split_once(" {\n").expect("a body");
    let first = body.lines().next().expect("a first line");
    assert_eq!(first.trim(), "end_on_panic();");
}
