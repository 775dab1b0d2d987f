//! A store that was killed can be started again.

mod owner;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use flash_sandbox::{Options, Sandbox, SandboxError};
use nix::sys::signal::Signal;
use owner::{psql, quick, signal};

#[expect(clippy::unwrap_used, reason = "part of tests")]
fn redis_answer(sandbox: &Sandbox, question: &str, bytes: usize) -> String {
    let socket = sandbox.dir().join("redis.sock");
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = vec![0; bytes];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn postgres_recovers_what_was_committed() {
    let mut sandbox = Sandbox::start(&Options {
        redis: false,
        ..Options::default()
    })
    .unwrap();
    let url = sandbox.database_url().unwrap().to_owned();
    psql(&url, "create table kept (id int)");
    // Killed outright, and by an immediate shutdown.
    for (count, how) in [Signal::SIGKILL, Signal::SIGQUIT].into_iter().enumerate() {
        psql(&url, "insert into kept values (1)");
        let pid = sandbox.postgres_pid().unwrap();
        signal(pid, how);
        sandbox.restart_postgres().unwrap();
        assert_ne!(sandbox.postgres_pid(), Some(pid));
        let kept = psql(&url, "select count(*) from kept");
        assert_eq!(kept, (count + 1).to_string());
    }
}

#[test]
fn postgres_comes_back_as_a_standby_that_can_be_promoted() {
    let mut sandbox = Sandbox::start(&Options {
        redis: false,
        ..Options::default()
    })
    .unwrap();
    let url = sandbox.database_url().unwrap().to_owned();
    psql(&url, "create table kept (id int)");
    // It can be done again, and what was written before and between is there.
    for count in 1..=2 {
        psql(&url, "insert into kept values (1)");
        signal(sandbox.postgres_pid().unwrap(), Signal::SIGQUIT);
        sandbox.restart_postgres_as_standby().unwrap();
        assert_eq!(psql(&url, "show transaction_read_only"), "on");
        assert_eq!(psql(&url, "select count(*) from kept"), count.to_string());
        assert_eq!(psql(&url, "select pg_promote()"), "t");
        assert_eq!(psql(&url, "show transaction_read_only"), "off");
    }
    // Promoted, it stays a primary.
    signal(sandbox.postgres_pid().unwrap(), Signal::SIGKILL);
    sandbox.restart_postgres().unwrap();
    assert_eq!(psql(&url, "show transaction_read_only"), "off");
}

#[test]
fn redis_comes_back_empty() {
    let mut sandbox = Sandbox::start(&quick()).unwrap();
    assert_eq!(redis_answer(&sandbox, "SET a 1\r\n", 5), "+OK\r\n");
    let pid = sandbox.redis_pid().unwrap();
    signal(pid, Signal::SIGKILL);
    sandbox.restart_redis().unwrap();
    assert_ne!(sandbox.redis_pid(), Some(pid));
    assert_eq!(redis_answer(&sandbox, "GET a\r\n", 5), "$-1\r\n");
    let dir = sandbox.dir().to_owned();
    drop(sandbox);
    assert!(!dir.exists());
}

#[test]
fn a_store_that_still_runs_is_not_started_again() {
    let mut sandbox = Sandbox::start(&quick()).unwrap();
    let error = sandbox.restart_redis().unwrap_err();
    assert!(matches!(error, SandboxError::Failed { .. }), "{error}");
    assert_eq!(redis_answer(&sandbox, "PING\r\n", 7), "+PONG\r\n");
}
