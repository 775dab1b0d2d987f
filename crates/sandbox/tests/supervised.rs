//! A supervised program ends with its owner, and otherwise lives as it likes.

mod owner;

use std::fs;
use std::path::Path;
use std::time::Duration;

use flash_sandbox::{SandboxError, Supervised};
use nix::sys::signal::Signal;
use owner::{GONE_LIMIT, alive, signal, until};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn owner() {
    owner::play();
}

#[expect(clippy::unwrap_used, reason = "part of tests")]
fn spawn_sh(script: &str, log: &Path) -> Supervised {
    let env = [("COLOR", "green")];
    Supervised::spawn("/bin/sh".as_ref(), ["-c", script], env, log).unwrap()
}

#[test]
fn it_exits_with_its_own_code_and_logs_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    fs::write(&log, "before\n").unwrap();
    let mut it = spawn_sh("echo $$ $COLOR; echo oh >&2; cat; exit 7", &log);
    let pid = it.pid();
    assert_eq!(it.wait(LIMIT), Some(7));
    assert_eq!(it.wait(LIMIT), Some(7));
    it.terminate();
    let expected = format!("before\n{pid} green\noh\n");
    assert_eq!(fs::read_to_string(&log).unwrap(), expected);
}

#[test]
fn it_may_end_in_its_own_way_when_terminated() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut it = spawn_sh(script, &log);
    until(LIMIT, "it is ready", || {
        fs::read_to_string(&log).unwrap().contains("ready")
    });
    assert_eq!(it.wait(Duration::ZERO), None);
    it.terminate();
    assert_eq!(it.wait(LIMIT), Some(5));
}

#[test]
fn a_signal_ends_a_program_that_has_no_handler() {
    let dir = tempfile::tempdir().unwrap();
    let mut it = spawn_sh("exec sleep 600", &dir.path().join("log"));
    it.terminate();
    assert_eq!(it.wait(LIMIT), Some(128 + 15));
}

#[test]
fn dropping_kills_it_even_when_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let it = spawn_sh("trap '' TERM; exec sleep 600", &dir.path().join("log"));
    let pid = it.pid();
    signal(pid, Signal::SIGSTOP);
    assert_eq!(alive(&[pid]), [pid]);
    drop(it);
    assert_eq!(alive(&[pid]), []);
}

#[test]
fn killing_its_owner_kills_it() {
    let dir = tempfile::tempdir().unwrap();
    let role = format!("supervise {}", dir.path().join("log").display());
    let mut owner = owner::command(&role).spawn().unwrap();
    let answer = owner::answer(&mut owner);
    let pid: u32 = answer[1].parse().unwrap();
    assert_eq!(alive(&[pid]), [pid]);
    owner.kill().unwrap();
    owner.wait().unwrap();
    until(GONE_LIMIT, "it ended", || alive(&[pid]).is_empty());
}

#[test]
fn a_program_that_is_not_there_says_so_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let (args, env): ([&str; 0], [(&str, &str); 0]) = ([], []);
    let mut it = Supervised::spawn("/nonexistent".as_ref(), args, env, &log).unwrap();
    assert_eq!(it.wait(LIMIT), Some(127));
    assert!(fs::read_to_string(&log).unwrap().contains("/nonexistent"));
}

#[test]
fn a_log_that_cannot_be_written_is_an_error() {
    let (args, env): ([&str; 0], [(&str, &str); 0]) = ([], []);
    let log = "/nonexistent/log".as_ref();
    let error = Supervised::spawn("/bin/sh".as_ref(), args, env, log).unwrap_err();
    assert!(matches!(error, SandboxError::Write { .. }), "{error}");
}
