//! The processes that faults are done to.

use std::time::Duration;

use anyhow::Context;
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Integer};
use diesel_async::RunQueryDsl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long PostgreSQL is asked for its backends.
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// How often to look whether a process is gone.
const LOOK: Duration = Duration::from_millis(1);

/// The processes of PostgreSQL besides the postmaster, by their numbers.
pub(crate) struct Backends {
    pub(crate) all: Vec<u32>,
    serving: Vec<u32>,
}

impl Backends {
    /// One of those that serve the two servers.
    pub(crate) fn serving(&self, pick: usize) -> anyhow::Result<u32> {
        let count = self.serving.len().max(1);
        let backend = self.serving.get(pick % count);
        backend.copied().context("there is no backend")
    }
}

/// Asks PostgreSQL for its processes.
pub(crate) async fn backends(database_url: &str) -> anyhow::Result<Backends> {
    let ask = async {
        let mut conn = flash_db::connect(database_url).await?;
        let processes: Vec<(i32, bool)> = sql::<(Integer, Bool)>(
            "SELECT pid, backend_type = 'client backend' \
               FROM pg_stat_activity WHERE pid <> pg_backend_pid() ORDER BY pid",
        )
        .load(&mut conn)
        .await?;
        anyhow::Ok(processes)
    };
    let processes = tokio::time::timeout(ASK_LIMIT, ask)
        .await
        .context("postgres does not tell its backends")??;
    let pid = |process: &(i32, bool)| process.0.unsigned_abs();
    Ok(Backends {
        all: processes.iter().map(pid).collect(),
        serving: processes.iter().filter(|it| it.1).map(pid).collect(),
    })
}

/// Processes that do nothing until this is dropped.
pub(crate) struct Stopped(Vec<u32>);

impl Stopped {
    pub(crate) fn all(pids: Vec<u32>) -> Self {
        for pid in &pids {
            // A backend may have ended since it was asked for.
            let _ended = signal(*pid, Signal::SIGSTOP);
        }
        Self(pids)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for pid in &self.0 {
            // One that has ended meanwhile needs nothing.
            let _ended = signal(*pid, Signal::SIGCONT);
        }
    }
}

/// Stops processes and lets them go on; also when this future is dropped.
pub(crate) async fn stop(pids: Vec<u32>, for_ms: u64) {
    let _stopped = Stopped::all(pids);
    tokio::time::sleep(Duration::from_millis(for_ms)).await;
}

pub(crate) fn signal(pid: u32, signal: Signal) -> anyhow::Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    kill(pid, signal).with_context(|| format!("{signal} does not reach {pid}"))
}

/// Waits until a process is gone. A child that has ended is there until its parent knows.
pub(crate) async fn gone(pid: u32, limit: Duration) -> anyhow::Result<()> {
    let process = Pid::from_raw(i32::try_from(pid)?);
    let going = async {
        while kill(process, None).is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(limit, going)
        .await
        .with_context(|| format!("process {pid} does not end"))
}
