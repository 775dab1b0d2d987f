//! What is counted beside the times: before a block, after it, and the difference.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use nix::unistd::{SysconfVar, sysconf};
use serde::Serialize;

use crate::books::Books;
use crate::statistics::{median, number, quotient};
use crate::tally::Tally;

/// What stands beside the times of a block; null where it was not told.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Counters {
    pub(crate) commits_per_order: Option<f64>,
    pub(crate) wal_bytes_per_order: Option<f64>,
    pub(crate) redis_commands_per_request: Option<f64>,
    pub(crate) server_cpu_us_per_request: Option<f64>,
    pub(crate) generator_cpu_share: Option<f64>,
    pub(crate) machine_busy_share: Option<f64>,
    pub(crate) stolen_share: Option<f64>,
}

/// Where the counters of an arm are, and the start of the names of its SKUs.
pub(crate) struct Sources {
    pub(crate) conn: Option<AsyncPgConnection>,
    pub(crate) redis_url: Option<String>,
    pub(crate) server_pid: Option<u32>,
    pub(crate) prefix: String,
}

/// All counters at one moment, by name; what nobody tells is not there.
#[derive(Debug, Default)]
pub(crate) struct Snapshot(HashMap<String, i64>);

impl Sources {
    /// Reads everything.
    pub(crate) async fn look(&mut self) -> anyhow::Result<Snapshot> {
        let mut snapshot = machine_of(&read("/proc/stat"));
        let stat = self
            .server_pid
            .map(|pid| read(&format!("/proc/{pid}/stat")));
        snapshot.add("cpu_ticks", stat.and_then(|stat| ticks_of(&stat)));
        if let Some(conn) = &mut self.conn {
            let query = include_str!("counters.sql").replace("{prefix}", &self.prefix);
            let query = sql::<(Text, BigInt)>(&query);
            let counters: Vec<(String, i64)> =
                query.load(conn).await.context("cannot count the orders")?;
            snapshot.0.extend(counters);
        }
        if let Some(url) = &self.redis_url {
            snapshot.add("redis_commands", redis_commands(url).await);
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    fn add(&mut self, name: &str, counter: Option<i64>) {
        self.0.extend(counter.map(|count| (name.to_owned(), count)));
    }

    fn since(&self, before: &Self, name: &str) -> Option<u64> {
        let difference = self.0.get(name)? - before.0.get(name)?;
        Some(difference.try_into().unwrap_or_default())
    }

    /// What the database says of all that happened since an earlier moment.
    pub(crate) fn books_since(&self, before: &Self) -> Option<Books> {
        Some(Books {
            orders: self.since(before, "orders")?,
            stock_taken: self.since(before, "stock_taken")?,
        })
    }

    /// What a load cost since an earlier moment.
    pub(crate) fn cost_since(&self, before: &Self, tally: &Tally) -> Counters {
        let since = |name| self.since(before, name).map(number);
        let per = |cost: Option<f64>, of: Option<f64>| quotient(cost?, of?);
        let orders = since("orders");
        let requests = Some(number(tally.answers.telling() + tally.answers.other));
        // The first question was counted too.
        let redis_commands = since("redis_commands").map(|it| (it - 1.0).max(0.0));
        let cpu_us = since("cpu_ticks").map(|ticks| ticks * 1e6 / ticks_per_second());
        let (cpu, elapsed) = (tally.cpu.as_secs_f64(), tally.elapsed.as_secs_f64());
        Counters {
            commits_per_order: per(since("transactions"), orders),
            wal_bytes_per_order: per(since("wal_bytes"), orders),
            redis_commands_per_request: per(redis_commands, requests),
            server_cpu_us_per_request: per(cpu_us, requests),
            generator_cpu_share: quotient(cpu, elapsed).filter(|_| cpu > 0.0),
            machine_busy_share: per(since("machine_busy"), since("machine_ticks")),
            stolen_share: per(since("machine_stolen"), since("machine_ticks")),
        }
    }
}

async fn redis_commands(url: &str) -> Option<i64> {
    let info = flash_lab_wire::info(url, "stats").await.ok()?;
    info.lines()
        .find_map(|line| line.strip_prefix("total_commands_processed:"))?
        .trim()
        .parse()
        .ok()
}

fn ticks_per_second() -> f64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks
        .and_then(|it| it.try_into().ok())
        .map_or(100.0, number)
}

/// What a file of Linux says; nothing on other systems.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Processor time of a process with all its threads.
///
/// # Source
///
/// proc(5), `/proc/pid/stat`, fields 14 and 15.
fn ticks_of(stat: &str) -> Option<i64> {
    // The name before may itself have spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<i64>().ok();
    Some(ticks()? + ticks()?)
}

/// Processor time of all cores since the start of the machine, in ticks.
///
/// # Source
///
/// proc(5), `/proc/stat`.
fn machine_of(stat: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace();
    let ticks: Vec<i64> = fields.filter_map(|field| field.parse().ok()).collect();
    // What guests used is counted with its hosts already.
    if let [user, nice, system, idle, io, interrupt, soft, stolen, ..] = ticks[..] {
        let busy = user + nice + system + interrupt + soft + stolen;
        snapshot.add("machine_busy", Some(busy));
        snapshot.add("machine_stolen", Some(stolen));
        snapshot.add("machine_ticks", Some(busy + idle + io));
    }
    snapshot
}

/// How long to look how busy the machine is before a run.
const BUSY_LOOK: Duration = Duration::from_secs(1);

/// The share of the processor time of all cores that is taken right now; none where the
/// system does not tell.
pub(crate) async fn busy_share() -> Option<f64> {
    let before = machine_of(&read("/proc/stat"));
    tokio::time::sleep(BUSY_LOOK).await;
    let after = machine_of(&read("/proc/stat"));
    let since = |name| after.since(&before, name).map(number);
    quotient(since("machine_busy")?, since("machine_ticks")?)
}

/// How long the disk takes to make one page durable, in microseconds: the median of some.
pub(crate) fn fsync_us(directory: &Path, times: usize) -> anyhow::Result<f64> {
    let file = tempfile::tempfile_in(directory)
        .with_context(|| format!("cannot write in {}", directory.display()))?;
    let mut micros = Vec::with_capacity(times);
    for _ in 0..times {
        file.write_all_at(&[0x5a; 8_192], 0)?;
        let began = Instant::now();
        file.sync_data()?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
    }
    median(&micros).context("nothing was written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_processor_time_behind_any_name_and_the_disk_its_time() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 70 30 5 5 20 0";
        assert_eq!(ticks_of(stat), Some(100));
        assert_eq!(ticks_of(""), None);

        let before = machine_of("cpu 0 0 0 0 0 0 0 0 0 0");
        let machine = machine_of("cpu  10 1 5 80 4 1 2 7 3 0\ncpu0 …");
        for (name, ticks) in [("ticks", 110), ("busy", 26), ("stolen", 7)] {
            let name = format!("machine_{name}");
            assert_eq!(machine.since(&before, &name), Some(ticks), "{name}");
        }
        assert_eq!(machine_of("").since(&before, "machine_ticks"), None);

        assert!(fsync_us(&std::env::temp_dir(), 3).expect("a file") > 0.0);
    }
}
