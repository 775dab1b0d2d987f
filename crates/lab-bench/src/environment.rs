//! Where and with what it was measured.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use anyhow::Context;
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_lab_crowd::server_process;
use serde::Serialize;
use serde_json::{Value, json};

use crate::counters::fsync_us;
use crate::plan::Plan;
use crate::world::{POOL_SIZE, World};

/// Writes of the probe of the disk.
const FSYNCS: usize = 200;

/// What does not change during a run.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    #[serde(flatten)]
    common: flash_lab_crowd::Environment,
    /// Null where the system does not tell.
    #[serde(flatten)]
    facts: Value,
}

/// What PostgreSQL promises of a commit, and with what memory.
const SETTINGS: &str = "\
SELECT name, current_setting(name) FROM pg_settings WHERE name IN
       ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method',
        'shared_buffers', 'max_wal_size', 'checkpoint_timeout')";

impl Environment {
    /// Asks the machine and the stores.
    pub(crate) async fn of(world: &World, plan: &Plan) -> anyhow::Result<Self> {
        let url = &world.stores.database_url;
        let mut conn: AsyncPgConnection = flash_db::connect(url).await?;
        let settings: Vec<(String, String)> = sql::<(Text, Text)>(SETTINGS)
            .load(&mut conn)
            .await
            .context("cannot ask PostgreSQL for its settings")?;
        let facts = json!({
            "cpu": field("/proc/cpuinfo", "model name"),
            "memory_mib": memory_mib(),
            "rustc": rustc(),
            "debug_build": cfg!(debug_assertions),
            "settings": BTreeMap::from_iter(settings),
            "fsync_us": fsync_us(world.disk(), FSYNCS)?,
            "server_flags": server_process::patient(POOL_SIZE).split(' ').collect::<Vec<_>>(),
            "block_ms": plan.block.as_millis(),
            "pairs_per_ratio": plan.quads * 2,
            "generator": "one thread, closed or open loop, connections opened before the clock starts",
        });
        let common = flash_lab_crowd::Environment::ask(&world.stores, POOL_SIZE);
        let common = common.await?;
        Ok(Self { common, facts })
    }
}

/// The value behind the first line that begins so. Linux only.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_mib() -> Option<u64> {
    let kib = field("/proc/meminfo", "MemTotal")?;
    Some(kib.strip_suffix(" kB")?.parse::<u64>().ok()? / 1_024)
}

/// The compiler that is here now; it built this program unless somebody else did.
fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
