//! A sandbox starts, answers, and goes when it is dropped.

mod owner;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use flash_sandbox::{Options, Sandbox};
use nix::unistd::geteuid;
use owner::{alive, assert_gone, psql, quick};

#[expect(clippy::unwrap_used, reason = "part of tests")]
fn redis_answer(stream: impl Read + Write, question: &str, bytes: usize) -> String {
    let mut stream = stream;
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = vec![0; bytes];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[expect(clippy::unwrap_used, reason = "part of tests")]
fn redis_socket(sandbox: &Sandbox) -> UnixStream {
    let path = sandbox.redis_url().unwrap().strip_prefix("redis+unix://");
    UnixStream::connect(path.unwrap().split('?').next().unwrap()).unwrap()
}

#[test]
fn both_stores_answer_at_once() {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let url = sandbox.database_url().unwrap();
    let query = "select current_user, current_database(), rolsuper, \
                 current_setting('fsync'), current_setting('max_connections'), \
                 current_setting('listen_addresses'), pg_encoding_to_char(encoding), \
                 datcollate from pg_roles, pg_database \
                 where rolname = current_user and datname = current_database()";
    assert_eq!(psql(url, query), "flash|flash|t|on|300||UTF8|C");
    let pong = redis_answer(redis_socket(&sandbox), "SELECT 1023\r\nPING\r\n", 12);
    assert_eq!(pong, "+OK\r\n+PONG\r\n");

    let announcement = sandbox.announce();
    assert!(
        announcement.contains(&format!("psql '{url}'")),
        "{announcement}"
    );
    assert!(announcement.contains("redis-cli -s /"), "{announcement}");
    let export = format!("export DATABASE_URL='{url}'");
    assert!(announcement.contains(&export), "{announcement}");
    assert_eq!(announcement.lines().count(), 5, "{announcement}");
}

#[test]
fn nobody_else_can_enter_the_directory() {
    let sandbox = Sandbox::start(&quick()).unwrap();
    let metadata = sandbox.dir().metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
    // PostgreSQL refuses root, so root's sandbox belongs to someone else.
    assert_ne!(metadata.uid(), 0);
    if !geteuid().is_root() {
        assert_eq!(metadata.uid(), geteuid().as_raw());
    }
}

#[test]
fn two_sandboxes_stand_side_by_side() {
    let one = Sandbox::start(&quick()).unwrap();
    let other = Sandbox::start(&quick()).unwrap();
    assert_ne!(one.dir(), other.dir());
    psql(one.database_url().unwrap(), "create table only_here ()");
    let query = "select to_regclass('only_here') is null";
    assert_eq!(psql(other.database_url().unwrap(), query), "t");
    // The end of the one is not the end of the other.
    drop(one);
    assert_eq!(psql(other.database_url().unwrap(), query), "t");
}

#[test]
fn dropping_removes_processes_and_directory() {
    let sandbox = Sandbox::start(&quick()).unwrap();
    let pids = [
        sandbox.postgres_pid().unwrap(),
        sandbox.redis_pid().unwrap(),
    ];
    assert_eq!(alive(&pids).len(), 2);
    let dir = sandbox.dir().to_owned();
    drop(sandbox);
    // At once: dropping has waited for it.
    assert!(!dir.exists());
    assert_eq!(alive(&pids), []);
}

#[test]
fn dropping_clears_up_even_without_the_supervisor() {
    let sandbox = Sandbox::start(&quick()).unwrap();
    let pids = [
        sandbox.postgres_pid().unwrap(),
        sandbox.redis_pid().unwrap(),
    ];
    let dir = sandbox.dir().to_owned();
    let all = owner::processes().into_iter();
    let own = std::process::id();
    let named = dir.to_str().unwrap();
    let supervisor = all
        .filter(|it| it.parent == own && it.arguments.contains(named))
        .map(|it| it.pid)
        .next();
    owner::signal(supervisor.unwrap(), nix::sys::signal::Signal::SIGKILL);
    assert_eq!(alive(&pids).len(), 2);
    drop(sandbox);
    assert_gone(&pids, &dir);
}

#[test]
fn only_what_is_asked_for_is_started() {
    let options = Options {
        postgres: false,
        ..quick()
    };
    let sandbox = Sandbox::start(&options).unwrap();
    assert_eq!(sandbox.database_url(), None);
    assert_eq!(sandbox.postgres_pid(), None);
    redis_answer(redis_socket(&sandbox), "PING\r\n", 7);
    assert!(!sandbox.dir().join("pgdata").exists());
}

#[test]
fn with_tcp_both_stores_want_a_password() {
    let options = Options {
        tcp: true,
        ..quick()
    };
    let sandbox = Sandbox::start(&options).unwrap();
    let announcement = sandbox.announce();
    let addresses: Vec<&str> = announcement
        .lines()
        .skip(3)
        .take(2)
        .map(str::trim)
        .collect();
    let [postgres, redis] = addresses[..] else {
        panic!("{announcement}");
    };
    assert_eq!(psql(postgres, "select 1"), "1");
    assert_eq!(psql(sandbox.database_url().unwrap(), "select 1"), "1");
    let (password, host) = postgres
        .strip_prefix("postgresql://flash:")
        .unwrap()
        .split_once('@')
        .unwrap();
    let mut wrong =
        owner::psql_command(format!("postgresql://flash:x@{host}"), "select 1");
    assert!(!wrong.output().unwrap().status.success());

    let address = redis.split_once('@').unwrap().1;
    let connect = || TcpStream::connect(address).unwrap();
    assert_eq!(redis_answer(connect(), "PING\r\n", 7), "-NOAUTH");
    let question = format!("AUTH {password}\r\nPING\r\n");
    assert_eq!(redis_answer(connect(), &question, 12), "+OK\r\n+PONG\r\n");
    let query = format!("?pass={password}");
    assert!(sandbox.redis_url().unwrap().ends_with(&query));
}
