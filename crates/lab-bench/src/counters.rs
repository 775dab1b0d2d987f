//! What is counted beside the times: before a block, after it, and the difference.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use nix::unistd::{SysconfVar, sysconf};

use crate::statistics::{median, number, quotient};

/// The books and counters at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    pub(crate) orders: u64,
    pub(crate) stock_taken: u64,
    pub(crate) transactions: u64,
    pub(crate) wal_bytes: u64,
    /// None where there is no Redis.
    pub(crate) redis_commands: Option<u64>,
    /// None where the system does not tell.
    pub(crate) server_cpu_ticks: Option<u64>,
    pub(crate) machine: Option<MachineTicks>,
}

/// Processor time of all cores since the start of the machine, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MachineTicks {
    pub(crate) all: u64,
    pub(crate) idle: u64,
    pub(crate) stolen: u64,
}

impl MachineTicks {
    fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            idle: self.idle.saturating_sub(before.idle),
            stolen: self.stolen.saturating_sub(before.stolen),
        }
    }

    /// The share of it that was taken.
    pub(crate) fn busy_share(self) -> Option<f64> {
        quotient(number(self.all.saturating_sub(self.idle)), number(self.all))
    }
}

/// Where the counters of an arm are.
pub(crate) struct Sources<'a> {
    pub(crate) conn: Option<&'a mut AsyncPgConnection>,
    /// Its URL.
    pub(crate) redis: Option<&'a str>,
    pub(crate) server_pid: Option<u32>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    orders: i64,
    #[diesel(sql_type = BigInt)]
    stock_taken: i64,
    #[diesel(sql_type = BigInt)]
    transactions: i64,
    #[diesel(sql_type = BigInt)]
    wal_bytes: i64,
}

/// Transactions are those that wrote: each takes one number, and readers, this query
/// among them, take none. The statistics of PostgreSQL would come up to ten seconds late.
const QUERY: &str = "\
SELECT (SELECT count(*) FROM orders WHERE starts_with(sku, $1)) AS orders,
       (SELECT coalesce(sum(initial_units - available_units), 0)::bigint
          FROM skus WHERE starts_with(sku, $1)) AS stock_taken,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transactions,
       (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal_bytes";

impl Snapshot {
    /// Reads everything, of the SKUs whose names begin so.
    pub(crate) async fn take(
        sources: &mut Sources<'_>,
        prefix: &str,
    ) -> anyhow::Result<Self> {
        let mut snapshot = Self {
            server_cpu_ticks: sources.server_pid.and_then(process_ticks),
            machine: machine_ticks(),
            ..Self::default()
        };
        if let Some(conn) = &mut sources.conn {
            let row: Row = diesel::sql_query(QUERY)
                .bind::<Text, _>(prefix)
                .get_result(&mut **conn)
                .await
                .context("cannot count the orders")?;
            snapshot.orders = row.orders.try_into()?;
            snapshot.stock_taken = row.stock_taken.try_into()?;
            snapshot.transactions = row.transactions.try_into()?;
            snapshot.wal_bytes = row.wal_bytes.try_into()?;
        }
        if let Some(url) = sources.redis {
            snapshot.redis_commands = redis_commands(url).await;
        }
        Ok(snapshot)
    }

    /// What happened since an earlier one.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let difference = |after: Option<u64>, before: Option<u64>| {
            Some(after?.saturating_sub(before?))
        };
        Self {
            orders: self.orders.saturating_sub(before.orders),
            stock_taken: self.stock_taken.saturating_sub(before.stock_taken),
            transactions: self.transactions.saturating_sub(before.transactions),
            wal_bytes: self.wal_bytes.saturating_sub(before.wal_bytes),
            // The first question was counted too.
            redis_commands: difference(self.redis_commands, before.redis_commands)
                .map(|count| count.saturating_sub(1)),
            server_cpu_ticks: difference(
                self.server_cpu_ticks,
                before.server_cpu_ticks,
            ),
            machine: self
                .machine
                .zip(before.machine)
                .map(|(it, it_was)| it.since(it_was)),
        }
    }
}

async fn redis_commands(url: &str) -> Option<u64> {
    let info = flash_lab_wire::info(url, "stats").await.ok()?;
    info.lines()
        .find_map(|line| line.strip_prefix("total_commands_processed:"))?
        .trim()
        .parse()
        .ok()
}

/// Processor time of a process with all its threads. Linux only.
///
/// # Source
///
/// proc(5), `/proc/pid/stat`, fields 14 and 15.
fn process_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks_of(&stat)
}

fn ticks_of(stat: &str) -> Option<u64> {
    // The name before may itself have spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

/// Linux only.
///
/// # Source
///
/// proc(5), `/proc/stat`.
fn machine_ticks() -> Option<MachineTicks> {
    machine_of(&fs::read_to_string("/proc/stat").ok()?)
}

/// How long to look how busy the machine is before a run.
const BUSY_LOOK: Duration = Duration::from_secs(1);

/// The share of the processor time of all cores that is taken right now; none where the
/// system does not tell.
pub(crate) async fn busy_share() -> Option<f64> {
    let before = machine_ticks()?;
    tokio::time::sleep(BUSY_LOOK).await;
    let after = machine_ticks()?;
    after.since(before).busy_share()
}

fn machine_of(stat: &str) -> Option<MachineTicks> {
    let ticks: Vec<u64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    Some(MachineTicks {
        // What guests used is counted with its hosts already.
        all: ticks.iter().take(8).sum(),
        idle: ticks.get(3)? + ticks.get(4)?,
        stolen: *ticks.get(7)?,
    })
}

/// Seconds of processor time.
pub(crate) fn seconds_of_ticks(ticks: u64) -> f64 {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    number(ticks) / number(per_second.try_into().unwrap_or(100))
}

/// How long the disk takes to make one page durable, in microseconds: the median of some.
pub(crate) fn fsync_us(directory: &Path, times: usize) -> anyhow::Result<f64> {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = tempfile::tempfile_in(directory)
        .with_context(|| format!("cannot write in {}", directory.display()))?;
    let mut micros = Vec::with_capacity(times);
    for _ in 0..times {
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&[0x5a; 8_192])?;
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
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 70 30 5 5 20 0";
        assert_eq!(ticks_of(stat), Some(100));
        assert_eq!(ticks_of(""), None);
    }

    #[test]
    fn stolen_time_is_the_eighth_of_the_machine() {
        let machine = machine_of("cpu  10 1 5 80 4 1 2 7 3 0\ncpu0 …").expect("a line");
        assert_eq!((machine.all, machine.idle, machine.stolen), (110, 84, 7));
    }

    #[test]
    fn the_disk_is_asked() {
        assert!(fsync_us(&std::env::temp_dir(), 3).expect("a file") > 0.0);
    }
}
