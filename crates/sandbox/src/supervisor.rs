//! The shell that keeps a sandbox.

use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::account::Account;
use crate::poll;

const SCRIPT: &str = include_str!("supervise.sh");

/// What the programs are told of the owner's environment: where they and their libraries
/// are. Nothing of it is a secret, and nothing is a setting of libpq.
const INHERITED: [&str; 7] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "NIX_LD",
    "NIX_LD_LIBRARY_PATH",
    "TZDIR",
];

/// A running `supervise.sh`.
#[derive(Debug)]
pub(crate) struct Supervisor {
    child: Child,
    /// The pipe whose end tells it to clear everything away.
    orders: Option<ChildStdin>,
}

/// The programs that a supervisor can start, where they are wanted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Programs<'a> {
    pub(crate) postgres: Option<&'a Path>,
    pub(crate) redis: Option<&'a Path>,
}

impl Supervisor {
    /// Starts a supervisor that waits for orders and holds `lock` while it lives.
    pub(crate) fn spawn(
        shell: &[&str],
        dir: &Path,
        account: Account,
        lock: File,
        programs: &Programs<'_>,
    ) -> io::Result<Self> {
        let nothing = Path::new("");
        let postgres = programs.postgres.unwrap_or(nothing);
        let mut child = command(shell, dir, account, lock)
            .arg(postgres.with_file_name("initdb"))
            .arg(postgres)
            .arg(programs.redis.unwrap_or(nothing))
            .stdin(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take();
        Ok(Self { child, orders })
    }

    /// Starts a supervisor that only ends and removes what is in `dir`.
    pub(crate) fn spawn_cleaner(
        shell: &[&str],
        dir: &Path,
        account: Account,
        lock: File,
    ) -> io::Result<Self> {
        let child = command(shell, dir, account, lock)
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Self {
            child,
            orders: None,
        })
    }

    /// Has it start a program.
    pub(crate) fn order(&mut self, program: &str) -> io::Result<()> {
        match &mut self.orders {
            Some(orders) => writeln!(orders, "{program}"),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        // An error means that there is no such child any more.
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Lets it clear everything away and waits, at most `limit`, until it has.
    pub(crate) fn finish(&mut self, limit: Duration) {
        drop(self.orders.take());
        // Beyond the limit it goes on without us, which is all that can be done.
        let _ended = poll::until(limit, || self.has_ended().then_some(()));
    }
}

fn command(shell: &[&str], dir: &Path, account: Account, lock: File) -> Command {
    let (program, arguments) = shell.split_first().unwrap_or((&"/bin/sh", &[]));
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["-c", SCRIPT, "flash-sandbox"])
        .arg(dir)
        .current_dir("/")
        // Out of reach of Ctrl-C, which is meant for the owner.
        .process_group(0)
        .stdout(lock)
        .stderr(Stdio::null())
        .env_clear()
        .envs(
            INHERITED
                .iter()
                .filter_map(|name| Some((name, env::var_os(name)?))),
        )
        // Logs in English.
        .env("LC_ALL", "C");
    account.apply(&mut command);
    command
}
