//! What the files and sockets in a sandbox tell about its programs.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// One answer from a local Redis.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Enough for the reason, which comes last.
const LOG_LINES: usize = 20;

/// `postmaster.pid` says here whether connections are accepted: its eighth line.
///
/// # Source
///
/// `src/include/utils/pidfile.h` of PostgreSQL, `LOCK_FILE_LINE_PM_STATUS`.
const STATUS_LINE: usize = 7;

/// Looks into the directory of a sandbox. Whatever cannot be read is not there yet.
#[derive(Debug)]
pub(crate) struct Progress<'a> {
    dir: &'a Path,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    pub(crate) fn has_ended(&self, program: &str) -> bool {
        self.dir.join(format!("{program}.exit")).exists()
    }

    pub(crate) fn has_succeeded(&self, program: &str) -> bool {
        self.read(&format!("{program}.exit")).trim() == "0"
    }

    pub(crate) fn pid(&self, program: &str) -> Option<u32> {
        self.read(&format!("{program}.pid")).trim().parse().ok()
    }

    pub(crate) fn log_tail(&self, program: &str) -> String {
        let log = self.read(&format!("{program}.log"));
        let lines: Vec<&str> = log.lines().collect();
        let start = lines.len().saturating_sub(LOG_LINES);
        lines.get(start..).unwrap_or_default().join("\n")
    }

    pub(crate) fn postgres(&self) -> bool {
        self.read("pgdata/postmaster.pid")
            .lines()
            .nth(STATUS_LINE)
            .is_some_and(|status| status.trim() == "ready")
    }

    /// Whether the PostgreSQL that was started last is ready: one that was killed leaves
    /// its `postmaster.pid` behind.
    pub(crate) fn is_postmaster_ready(&self) -> bool {
        let file = self.read("pgdata/postmaster.pid");
        let pid = file.lines().next().and_then(|pid| pid.trim().parse().ok());
        pid.is_some() && pid == self.pid("postgres") && self.postgres()
    }

    pub(crate) fn redis(&self, password: Option<&str>) -> bool {
        self.pong(password).unwrap_or(false)
    }

    fn pong(&self, password: Option<&str>) -> io::Result<bool> {
        let mut stream = UnixStream::connect(self.dir.join("redis.sock"))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let (question, expected) = match password {
            Some(password) => {
                (format!("AUTH {password}\r\nPING\r\n"), "+OK\r\n+PONG\r\n")
            }
            None => ("PING\r\n".to_owned(), "+PONG\r\n"),
        };
        stream.write_all(question.as_bytes())?;
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer == expected.as_bytes())
    }

    fn read(&self, name: &str) -> String {
        fs::read(self.dir.join(name)).map_or_else(
            |_| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }
}
