//! Where and with what it was measured.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::Context;
use chrono::{SecondsFormat, Utc};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use nix::sys::utsname::uname;
use serde::Serialize;

use crate::arm::Arm;
use crate::counters::fsync_us;
use crate::load;
use crate::plan::Plan;
use crate::world::{POOL_SIZE, World, arguments, disk};

/// Writes of the probe of the disk.
const FSYNCS: usize = 200;

/// What does not change during a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Environment {
    pub(crate) date: String,
    pub(crate) os: String,
    pub(crate) cpus: usize,
    /// Null where the system does not tell, as below.
    pub(crate) cpu: Option<String>,
    pub(crate) memory_mib: Option<u64>,
    pub(crate) rustc: Option<String>,
    pub(crate) lab: &'static str,
    pub(crate) debug_build: bool,
    pub(crate) postgresql: String,
    pub(crate) redis: String,
    pub(crate) settings: Settings,
    pub(crate) fsync_us: f64,
    pub(crate) pool_size: u16,
    pub(crate) server_flags: Vec<String>,
    pub(crate) block_ms: u128,
    pub(crate) pairs_per_ratio: usize,
    pub(crate) generator: &'static str,
}

/// What PostgreSQL promises of a commit, and with what memory.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub(crate) struct Settings {
    #[diesel(sql_type = Text)]
    pub(crate) fsync: String,
    #[diesel(sql_type = Text)]
    pub(crate) synchronous_commit: String,
    #[diesel(sql_type = Text)]
    pub(crate) full_page_writes: String,
    #[diesel(sql_type = Text)]
    pub(crate) wal_sync_method: String,
    #[diesel(sql_type = Text)]
    pub(crate) shared_buffers: String,
    #[diesel(sql_type = Text)]
    pub(crate) max_wal_size: String,
    #[diesel(sql_type = Text)]
    pub(crate) checkpoint_timeout: String,
}

const QUERY: &str = "\
SELECT current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('wal_sync_method') AS wal_sync_method,
       current_setting('shared_buffers') AS shared_buffers,
       current_setting('max_wal_size') AS max_wal_size,
       current_setting('checkpoint_timeout') AS checkpoint_timeout";

impl Environment {
    /// Asks the machine and the stores.
    pub(crate) async fn of(world: &World, plan: &Plan) -> anyhow::Result<Self> {
        let system = uname().context("cannot ask for the operating system")?;
        let words = [system.sysname(), system.release(), system.machine()];
        let url = world.sandbox.database_url().context("no database")?;
        let mut conn: AsyncPgConnection = flash_db::connect(url).await?;
        let settings = diesel::sql_query(QUERY)
            .get_result(&mut conn)
            .await
            .context("cannot ask PostgreSQL for its settings")?;
        Ok(Self {
            date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            os: words.map(|word| word.to_string_lossy()).join(" "),
            cpus: available_parallelism().map_or(1, usize::from),
            cpu: field("/proc/cpuinfo", "model name"),
            memory_mib: memory_mib(),
            rustc: rustc(),
            lab: env!("CARGO_PKG_VERSION"),
            debug_build: cfg!(debug_assertions),
            postgresql: flash_sandbox::find_postgres()?.version,
            redis: flash_sandbox::find_redis()?.version,
            settings,
            fsync_us: fsync_us(disk(&world.sandbox), FSYNCS)?,
            pool_size: POOL_SIZE,
            server_flags: arguments(Arm::Engine)?,
            block_ms: plan.block.as_millis(),
            pairs_per_ratio: plan.quads * 2,
            generator: load::WHAT,
        })
    }
}

/// The value behind the first line that begins so. Linux only.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_mib() -> Option<u64> {
    let kib: u64 = field("/proc/meminfo", "MemTotal")?
        .strip_suffix(" kB")?
        .parse()
        .ok()?;
    Some(kib / 1_024)
}

/// The compiler that is here now; it built this program unless somebody else did.
fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
