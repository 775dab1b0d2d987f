//! The scripts under every shell that may be somebody's `/bin/sh`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Options, Sandbox, poll};

const SHELLS: [&[&str]; 5] = [
    &["/bin/sh"],
    &["/bin/dash"],
    &["/bin/bash", "--posix"],
    &["/bin/bash"],
    &["/bin/busybox", "sh"],
];

fn installed() -> impl Iterator<Item = &'static [&'static str]> {
    SHELLS
        .into_iter()
        .filter(|shell| Path::new(shell[0]).exists())
}

#[test]
fn a_sandbox_comes_and_goes_under_every_shell() {
    for shell in installed() {
        let options = Options {
            fsync: false,
            ..Options::default()
        };
        let sandbox = Sandbox::start_under(shell, &options)
            .unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        assert!(sandbox.postgres_pid().is_some(), "{shell:?}");
        assert!(sandbox.redis_pid().is_some(), "{shell:?}");
        let dir = sandbox.dir().to_owned();
        drop(sandbox);
        assert!(!dir.exists(), "{shell:?}");
    }
}

#[test]
fn a_program_ends_with_its_owner_under_every_shell() {
    for shell in installed() {
        let mut child = Command::new(shell[0])
            .args(&shell[1..])
            .args(["-c", include_str!("run.sh"), "flash-run", "sleep", "600"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let pid: u32 = line.trim().parse().unwrap();
        assert!(pid > 1, "{shell:?}");
        assert!(child.try_wait().unwrap().is_none(), "{shell:?}");
        drop(child.stdin.take());
        let limit = Duration::from_secs(3);
        let status = poll::until(limit, || child.try_wait().unwrap());
        assert_eq!(status.unwrap().code(), Some(128 + 9), "{shell:?}");
    }
}
