//! What is counted beside the times: before a block, after it, and the difference.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Double, Text};
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

/// All counters at one moment; none where there is no store, or the system does not tell.
#[derive(Debug)]
pub(crate) struct Snapshot {
    database: Option<Row>,
    redis_commands: Option<f64>,
    server_cpu_us: Option<f64>,
    machine: Option<Ticks>,
}

#[derive(Debug, Clone, Copy, QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    orders: i64,
    #[diesel(sql_type = BigInt)]
    stock_taken: i64,
    #[diesel(sql_type = Double)]
    transactions: f64,
    #[diesel(sql_type = Double)]
    wal_bytes: f64,
}

/// Transactions are those that wrote: each takes one number, and readers, this query
/// among them, take none. The statistics of PostgreSQL would come up to ten seconds late.
const QUERY: &str = "\
SELECT (SELECT count(*) FROM orders WHERE starts_with(sku, $1)) AS orders,
       (SELECT coalesce(sum(initial_units - available_units), 0)::bigint
          FROM skus WHERE starts_with(sku, $1)) AS stock_taken,
       pg_snapshot_xmax(pg_current_snapshot())::text::float8 AS transactions,
       (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal_bytes";

impl Sources {
    /// Reads everything.
    pub(crate) async fn look(&mut self) -> anyhow::Result<Snapshot> {
        let mut database = None;
        if let Some(conn) = &mut self.conn {
            let query = diesel::sql_query(QUERY).bind::<Text, _>(&self.prefix);
            let row = query.get_result(conn).await;
            database = Some(row.context("cannot count the orders")?);
        }
        let redis_commands = match &self.redis_url {
            Some(url) => redis_commands(url).await,
            None => None,
        };
        Ok(Snapshot {
            database,
            redis_commands,
            server_cpu_us: self.server_pid.and_then(cpu_us),
            machine: Ticks::now(),
        })
    }
}

impl Snapshot {
    /// What the database says of all that happened since an earlier moment.
    pub(crate) fn books_since(&self, before: &Self) -> Option<Books> {
        let (after, before) = (self.database?, before.database?);
        let less = |after, before| u64::try_from(after - before).unwrap_or_default();
        Some(Books {
            orders: less(after.orders, before.orders),
            stock_taken: less(after.stock_taken, before.stock_taken),
        })
    }

    /// What a load cost since an earlier moment.
    pub(crate) fn cost_since(&self, before: &Self, tally: &Tally) -> Counters {
        let since = |of: fn(&Self) -> Option<f64>| Some(of(self)? - of(before)?);
        let per = |cost: Option<f64>, of: u64| quotient(cost?, number(of));
        let orders = self.books_since(before).map_or(0, |books| books.orders);
        let requests = tally.answers.telling() + tally.answers.other;
        // The first question was counted too.
        let redis_commands = since(|it| it.redis_commands).map(|count| count - 1.0);
        let (cpu, elapsed) = (tally.cpu.as_secs_f64(), tally.elapsed.as_secs_f64());
        let machine = self.machine.zip(before.machine);
        let machine = machine.map(|(after, before)| after.since(before));
        Counters {
            commits_per_order: per(since(|it| Some(it.database?.transactions)), orders),
            wal_bytes_per_order: per(since(|it| Some(it.database?.wal_bytes)), orders),
            redis_commands_per_request: per(redis_commands, requests),
            server_cpu_us_per_request: per(since(|it| it.server_cpu_us), requests),
            generator_cpu_share: quotient(cpu, elapsed).filter(|_| cpu > 0.0),
            machine_busy_share: machine.and_then(Ticks::busy_share),
            stolen_share: machine.and_then(|it| quotient(it.stolen, it.all)),
        }
    }
}

async fn redis_commands(url: &str) -> Option<f64> {
    let info = flash_lab_wire::info(url, "stats").await.ok()?;
    info.lines()
        .find_map(|line| line.strip_prefix("total_commands_processed:"))?
        .trim()
        .parse()
        .ok()
}

/// Processor time of a process with all its threads, in microseconds. Linux only.
///
/// # Source
///
/// proc(5), `/proc/pid/stat`, fields 14 and 15.
fn cpu_us(pid: u32) -> Option<f64> {
    let ticks = ticks_of(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    quotient(ticks * 1e6, number(per_second.try_into().ok()?))
}

fn ticks_of(stat: &str) -> Option<f64> {
    // The name before may itself have spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11);
    let mut next = || ticks.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

/// Processor time of all cores since the start of the machine, in ticks.
#[derive(Debug, Clone, Copy)]
struct Ticks {
    all: f64,
    idle: f64,
    stolen: f64,
}

impl Ticks {
    /// Linux only.
    ///
    /// # Source
    ///
    /// proc(5), `/proc/stat`.
    fn now() -> Option<Self> {
        Self::of(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn of(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks = line.split_whitespace().filter_map(|it| it.parse().ok());
        let ticks: Vec<f64> = ticks.collect();
        Some(Self {
            // What guests used is counted with its hosts already.
            all: ticks.iter().take(8).sum(),
            idle: ticks.get(3)? + ticks.get(4)?,
            stolen: *ticks.get(7)?,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            all: self.all - before.all,
            idle: self.idle - before.idle,
            stolen: self.stolen - before.stolen,
        }
    }

    /// The share of it that was taken.
    fn busy_share(self) -> Option<f64> {
        quotient(self.all - self.idle, self.all)
    }
}

/// How long to look how busy the machine is before a run.
const BUSY_LOOK: Duration = Duration::from_secs(1);

/// The share of the processor time of all cores that is taken right now; none where the
/// system does not tell.
pub(crate) async fn busy_share() -> Option<f64> {
    let before = Ticks::now()?;
    tokio::time::sleep(BUSY_LOOK).await;
    Ticks::now()?.since(before).busy_share()
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
    fn the_system_tells_processor_time_behind_any_name_and_the_disk_its_time() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 70 30 5 5 20 0";
        assert_eq!(ticks_of(stat), Some(100.0));
        assert_eq!(ticks_of(""), None);

        let ticks = Ticks::of("cpu  10 1 5 80 4 1 2 7 3 0\ncpu0 …").expect("a line");
        assert_eq!((ticks.all, ticks.idle, ticks.stolen), (110.0, 84.0, 7.0));

        assert!(fsync_us(&std::env::temp_dir(), 3).expect("a file") > 0.0);
    }
}
