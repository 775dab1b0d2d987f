use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{SandboxError, poll};

const SCRIPT: &str = include_str!("run.sh");

/// SIGKILL takes effect at once, unless the kernel is waiting for a disk.
const END_LIMIT: Duration = Duration::from_secs(3);

/// A running program that ends when its owner ends.
///
/// It is killed, with SIGKILL, when this value is dropped or its process ends in any
/// way, `kill -9` included. Processes that the program itself started are not.
///
/// Ctrl-C in the terminal does not reach it, and SIGINT does only if it has a handler
/// for it.
#[derive(Debug)]
pub struct Supervised {
    /// The shell that waits for the program and exits as it did. Its stdin is the pipe
    /// whose end kills the program.
    shell: Child,
    pid: u32,
}

impl Supervised {
    /// Starts `program`, with the environment of this process and `envs` added. What it
    /// prints is appended to the file `log`.
    ///
    /// A program that cannot be executed ends at once with code 126 or 127 and the
    /// reason in `log`.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Write`] if `log` cannot be opened, [`SandboxError::Start`] if no
    /// process can be started.
    pub fn spawn<A, E, K, V>(
        program: &Path,
        args: A,
        envs: E,
        log: &Path,
    ) -> Result<Self, SandboxError>
    where
        A: IntoIterator,
        A::Item: AsRef<OsStr>,
        E: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let log_file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(|source| SandboxError::Write {
                path: log.to_owned(),
                source,
            })?;
        let start_error = |source| SandboxError::Start {
            program: program.display().to_string(),
            source,
        };
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "flash-run"])
            .arg(program)
            .args(args)
            .envs(envs)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .map_err(start_error)?;
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(start_error)?;
        }
        let pid = line
            .trim()
            .parse()
            .map_err(|source| start_error(std::io::Error::other(source)))?;
        Ok(Self { shell, pid })
    }

    /// Returns the process id of the program.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Asks the program to end, with SIGTERM. Does nothing if it has ended.
    pub fn terminate(&mut self) {
        if let (None, Ok(pid)) = (self.poll_code(), i32::try_from(self.pid)) {
            // It may end between the two, which is what was wanted.
            let _ended_already = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }

    /// Kills the program, with SIGKILL, and waits until it has ended.
    pub fn kill(&mut self) {
        drop(self.shell.stdin.take());
        // Beyond the limit, the kernel ends it when it can.
        let _code = self.wait(END_LIMIT);
    }

    /// Waits, at most `limit`, until the program has ended, and returns its exit code:
    /// 128 plus the number of the signal if one ended it.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        poll::until(limit, || self.poll_code())
    }

    /// The shell exits as the program did. An error, or a shell that was itself killed,
    /// is no answer about the program: -1.
    fn poll_code(&mut self) -> Option<i32> {
        match self.shell.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.code().unwrap_or(-1)),
            Err(_) => Some(-1),
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.kill();
    }
}
