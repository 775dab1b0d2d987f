//! The `server` program, running.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// Only bounds how long a broken test takes.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// A `server` command without any of our settings in its environment.
pub(crate) fn server(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command.args(arguments).kill_on_drop(true);
    for name in [
        "STRATEGY",
        "LISTEN",
        "DATABASE_URL",
        "REDIS_URL",
        "ADMIN_TOKEN",
    ] {
        command.env_remove(name);
    }
    command
}

/// A running server.
pub(crate) struct Running {
    child: Child,
    pub(crate) url: String,
    _stdout: Lines<BufReader<ChildStdout>>,
    stderr: ChildStderr,
}

impl Running {
    pub(crate) async fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let stderr = child.stderr.take().context("no stderr")?;
        let mut stdout = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(WAIT, stdout.next_line()).await??;
        let line = line.context("the server ended before it was ready")?;
        let url = line
            .strip_prefix("listening on ")
            .context(line.clone())?
            .to_owned();
        Ok(Self {
            child,
            url,
            _stdout: stdout,
            stderr,
        })
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) -> Result<()> {
        let pid = self.child.id().context("it has ended")?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into()?), signal)?;
        Ok(())
    }

    /// Waits for the end, and returns the code and what it said.
    pub(crate) async fn end(mut self) -> Result<(Option<i32>, String)> {
        let status = tokio::time::timeout(WAIT, self.child.wait()).await??;
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).await?;
        Ok((status.code(), text))
    }
}
