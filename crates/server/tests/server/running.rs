//! The `server` program, running.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// Only bounds how long a broken test takes.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// A `server` command without any of our settings in its environment.
pub(crate) fn server(arguments: &[&str]) -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_server")), arguments)
}

/// The same of another program.
pub(crate) fn program(path: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.args(arguments).kill_on_drop(true);
    for name in [
        "STRATEGY",
        "LISTEN",
        "DATABASE_URL",
        "REDIS_URL",
        "REDIS_PREFIX",
        "ADMIN_TOKEN",
        "DOCS",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command.env("DRAIN_DELAY_MS", "0");
    command
}

/// A running server.
pub(crate) struct Running {
    child: Child,
    pub(crate) url: String,
    _stdout: Lines<BufReader<ChildStdout>>,
    stderr: Option<ChildStderr>,
}

impl Running {
    pub(crate) async fn start(command: &mut Command) -> Result<Self> {
        Self::start_with_log(command, Stdio::piped()).await
    }

    /// The same with another standard error.
    pub(crate) async fn start_with_log(
        command: &mut Command,
        log: Stdio,
    ) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn()?;
        let stdout = child.stdout.take().context("no stdout")?;
        let stderr = child.stderr.take();
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

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// From now on nobody reads the log.
    pub(crate) fn close_log(&mut self) {
        drop(self.stderr.take());
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("it has ended")
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) -> Result<()> {
        let pid = nix::unistd::Pid::from_raw(self.pid()?.try_into()?);
        nix::sys::signal::kill(pid, signal)?;
        Ok(())
    }

    /// Waits for the end, and returns the code and what it said.
    pub(crate) async fn end(mut self) -> Result<(Option<i32>, String)> {
        let status = tokio::time::timeout(WAIT, self.child.wait()).await??;
        let mut text = String::new();
        if let Some(stderr) = &mut self.stderr {
            stderr.read_to_string(&mut text).await?;
        }
        Ok((status.code(), text))
    }
}
