//! Starting a store again that has ended, or was killed.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use super::{END_LIMIT, READY_LIMIT, Sandbox};
use crate::progress::Progress;
use crate::{SandboxError, poll};

/// How long to wait before PostgreSQL is started once more.
const PAUSE: Duration = Duration::from_millis(20);

impl Sandbox {
    /// Starts PostgreSQL again on the data that it left behind, and returns when it
    /// accepts connections. It must have ended, or be ending.
    ///
    /// # Errors
    ///
    /// [`SandboxError::Start`] if it cannot be started, [`SandboxError::Failed`] if it
    /// was never started, does not end, or does not get ready.
    pub fn restart_postgres(&mut self) -> Result<(), SandboxError> {
        let end = Instant::now() + READY_LIMIT;
        loop {
            match self.start_again("postgres", |it| it.is_postmaster_ready()) {
                // The backends of one that was killed may live a little longer, and
                // PostgreSQL does not start beside them.
                Err(SandboxError::Failed { .. }) if Instant::now() < end => {
                    thread::park_timeout(PAUSE);
                }
                Err(error) => return Err(error),
                Ok(pid) => {
                    if let Some(store) = &mut self.postgres {
                        store.pid = pid;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Starts PostgreSQL again as the standby of nobody: it accepts connections and takes no
    /// writes until `pg_promote()`. It must have ended, or be ending.
    ///
    /// # Errors
    ///
    /// As [`restart_postgres`](Self::restart_postgres). The next one that is started is a
    /// standby all the same.
    ///
    /// # Source
    ///
    /// PostgreSQL 16 manual, section 27.2.2, "Standby Server Operation": the file
    /// `standby.signal`.
    pub fn restart_postgres_as_standby(&mut self) -> Result<(), SandboxError> {
        self.order("standby")?;
        self.restart_postgres()
    }

    /// Starts Redis again, empty, and returns when it accepts connections. It must have
    /// ended, or be ending.
    ///
    /// # Errors
    ///
    /// As [`restart_postgres`](Self::restart_postgres).
    pub fn restart_redis(&mut self) -> Result<(), SandboxError> {
        let url = self.redis_url().unwrap_or_default();
        let password = url.split_once("?pass=").map(|(_, it)| it.to_owned());
        let pid = self.start_again("redis", |it| it.redis(password.as_deref()))?;
        if let Some(store) = &mut self.redis {
            store.pid = pid;
        }
        Ok(())
    }

    /// Returns the process id of the one that was started.
    fn start_again(
        &mut self,
        program: &'static str,
        is_ready: impl Fn(&Progress<'_>) -> bool,
    ) -> Result<Option<u32>, SandboxError> {
        let ended = poll::until(END_LIMIT, || {
            Progress::new(&self.dir).has_ended(program).then_some(())
        });
        if ended.is_none() {
            return Err(SandboxError::Failed {
                program: program.to_owned(),
                what: "has not ended, so it cannot be started again",
                log: Progress::new(&self.dir).log_tail(program),
            });
        }
        // What the last one left behind must not be taken for the next one's.
        for end in ["pid", "exit"] {
            let path = self.dir.join(format!("{program}.{end}"));
            fs::remove_file(&path)
                .map_err(|source| SandboxError::Write { path, source })?;
        }
        self.order(program)?;
        self.wait_for(program, |it| it.pid(program).is_some() && is_ready(it))?;
        Ok(Progress::new(&self.dir).pid(program))
    }
}
