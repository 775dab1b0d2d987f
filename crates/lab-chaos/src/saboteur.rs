//! Breaks things, one planned fault at a time, and mends them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flash_lab_crowd::FULL;
use flash_lab_wire::{Cable, Cut};
use flash_sandbox::{Sandbox, SandboxError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use tokio::task::{JoinSet, block_in_place};

use crate::buyers::Sale;
use crate::fault::{Fault, PostgresFault, RedisFault};
use crate::schedule::PlannedFault;
use crate::world::{World, free};
use crate::{postgres, redis};

/// How long PostgreSQL may take to notice that a backend was killed. From then on it lets
/// nobody in before it has recovered.
const NOTICE_LIMIT: Duration = Duration::from_secs(1);

/// PostgreSQL kills after 5 s what does not end (`SIGKILL_CHILDREN_AFTER_SECS`,
/// postmaster.c); this is longer.
const DEAF_LIMIT: Duration = Duration::from_secs(10);

/// How often to look whether a process is gone.
const LOOK: Duration = Duration::from_millis(1);

/// A fault as it came, in microseconds since the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Happened {
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    pub(crate) what: String,
    /// Why it could not be done, where it could not.
    pub(crate) skipped: Option<String>,
    /// Whether gates were set to nothing.
    #[serde(skip)]
    pub(crate) empties_gates: bool,
}

/// Lets all planned faults happen and returns when the last one is mended.
pub(crate) async fn play(sale: &Arc<Sale>) -> Vec<Happened> {
    let mut faults = JoinSet::new();
    for planned in sale.plan.faults.clone() {
        faults.spawn(one(Arc::clone(sale), planned));
    }
    let mut happened = faults.join_all().await;
    happened.sort_by_key(|fault| fault.from_us);
    happened
}

async fn one(sale: Arc<Sale>, planned: PlannedFault) -> Happened {
    let PlannedFault { at_ms, fault } = planned;
    let journal = &sale.journal;
    tokio::time::sleep_until(journal.at_ms(at_ms)).await;
    let from_us = journal.now_us();
    let done = act(&sale.world, fault).await;
    Happened {
        from_us,
        to_us: journal.now_us(),
        what: fault.to_string(),
        skipped: done.err().map(|error| format!("{error:#}")),
        empties_gates: matches!(
            fault,
            Fault::Redis(RedisFault::RestoreDatabase { .. })
        ),
    }
}

/// Begins a fault, waits as long as it lasts, and ends it.
async fn act(world: &World, fault: Fault) -> Result<()> {
    let instances = &world.instances;
    match fault {
        Fault::KillServer { instance, down_ms } => {
            let mut process = world.take(instance)?;
            process.kill();
            pause(down_ms).await;
            process.log_is_gone = false;
            process.start().await?;
        }
        Fault::DrainServer { instance } => {
            let mut process = world.take(instance)?;
            process.drain().await?;
            process.log_is_gone = false;
            process.start().await?;
        }
        Fault::LogSinkGone { instance } => {
            let mut process = world.take(instance)?;
            ensure!(Path::new(FULL).exists(), "there is no {FULL} here");
            process.kill();
            process.log_is_gone = true;
            process.start().await?;
        }
        Fault::StopServer { instance, for_ms } => {
            let process = world.take(instance)?;
            let server = process.server.as_ref().context("it does not run")?;
            stop(vec![server.pid()], for_ms).await;
        }
        Fault::CutAfterCommit { instance, commits } => {
            instances[instance]
                .postgres
                .cut_commits(Cut::AfterCommit, commits);
        }
        Fault::CutBeforeCommit { instance, commits } => {
            instances[instance]
                .postgres
                .cut_commits(Cut::BeforeCommit, commits);
        }
        Fault::CutPostgresLink { instance } => instances[instance].postgres.cut(),
        Fault::SlowPostgresLink {
            instance,
            delay_ms,
            for_ms,
        } => slow(&instances[instance].postgres, delay_ms, for_ms).await,
        Fault::SlowRedisLink {
            instance,
            delay_ms,
            for_ms,
        } => slow(&instances[instance].redis, delay_ms, for_ms).await,
        Fault::DeafListener { instance, for_ms } => {
            let link = &instances[instance].postgres;
            link.deafen(true);
            pause(for_ms).await;
            link.deafen(false);
        }
        Fault::HangFirstHost { instance, for_ms } => {
            let instance = &instances[instance];
            instance.first_host.hang();
            instance.postgres.cut();
            pause(for_ms).await;
            instance.first_host.heal();
        }
        Fault::Redis(fault) => act_on_redis(world, fault).await?,
        Fault::Postgres(fault) => act_on_postgres(world, fault).await?,
    }
    Ok(())
}

async fn slow(link: &Cable, delay_ms: u64, for_ms: u64) {
    link.delay(delay_ms);
    pause(for_ms).await;
    link.delay(0);
}

async fn act_on_redis(world: &World, fault: RedisFault) -> Result<()> {
    let _turn = free(&world.redis_turn)?;
    let pid = world.sandbox.lock().await.redis_pid();
    let pid = pid.context("redis does not run")?;
    let socket = world.redis_socket.as_path();
    match fault {
        RedisFault::KillRedis { down_ms } => {
            let restart = Sandbox::restart_redis;
            end(world, (pid, Signal::SIGKILL), down_ms, restart).await?;
        }
        RedisFault::StopRedis { for_ms } => stop(vec![pid], for_ms).await,
        RedisFault::FlushRedis => redis::say(socket, "FLUSHALL").await?,
        RedisFault::FlushScripts => redis::say(socket, "SCRIPT FLUSH").await?,
        RedisFault::RefuseRedisWrites { for_ms } => {
            redis::say(socket, redis::REFUSE_WRITES).await?;
            pause(for_ms).await;
            redis::take_writes(socket).await?;
        }
        RedisFault::DemoteRedis { for_ms } => {
            redis::say(socket, redis::DEMOTE).await?;
            pause(for_ms).await;
            redis::take_writes(socket).await?;
        }
        RedisFault::RollBackRedis { age_ms } => {
            let mut snapshot = Vec::new();
            for key in &world.gate_keys {
                snapshot.push((key, redis::dump(socket, key).await?));
            }
            pause(age_ms).await;
            for (key, dump) in &snapshot {
                redis::restore(socket, key, dump).await?;
            }
        }
        RedisFault::RestoreDatabase { stops_servers } => {
            // Whoever restores a database stops what uses it, or forgets to.
            let users = if stops_servers { 0..2 } else { 0..0 };
            let users: Result<Vec<_>> = users.map(|it| world.take(it)).collect();
            let mut users = users?;
            for process in &mut users {
                process.drain().await?;
            }
            for key in &world.gate_keys {
                let () = redis::eval(socket, redis::ADVANCE, key).await?;
            }
            for process in &mut users {
                process.start().await?;
            }
        }
    }
    Ok(())
}

async fn act_on_postgres(world: &World, fault: PostgresFault) -> Result<()> {
    let _turn = free(&world.postgres_turn)?;
    let pid = world.sandbox.lock().await.postgres_pid();
    let pid = pid.context("postgres does not run")?;
    let url = world.database_url.as_str();
    match fault {
        PostgresFault::KillPostgres { down_ms } => {
            let restart = Sandbox::restart_postgres;
            end(world, (pid, Signal::SIGKILL), down_ms, restart).await?;
        }
        PostgresFault::AbortPostgres { down_ms } => {
            let restart = Sandbox::restart_postgres;
            end(world, (pid, Signal::SIGQUIT), down_ms, restart).await?;
        }
        PostgresFault::ReadOnlyPostgres { for_ms } => {
            let restart = Sandbox::restart_postgres_as_standby;
            end(world, (pid, Signal::SIGQUIT), 0, restart).await?;
            pause(for_ms).await;
            postgres::promote(url).await?;
        }
        PostgresFault::StopPostgres { for_ms } => {
            let mut pids = vec![pid];
            pids.extend(postgres::backends(url, "true").await?);
            stop(pids, for_ms).await;
        }
        PostgresFault::StopBackend { pick, for_ms } => {
            let [backend, _] = postgres::serving(url, pick).await?;
            stop(vec![backend], for_ms).await;
        }
        PostgresFault::KillBackend { pick } => {
            let [killed, _] = postgres::serving(url, pick).await?;
            signal(killed, Signal::SIGKILL)?;
            // If it does not in time, the fault has come all the same.
            let _noticed = gone(killed, NOTICE_LIMIT).await;
        }
        PostgresFault::KillBackendBesideDeaf { pick } => {
            let [killed, deaf] = postgres::serving(url, pick).await?;
            ensure!(killed != deaf, "there is only one backend");
            // The turn is kept until it has ended: if the postmaster were killed meanwhile,
            // nobody would end it, and no other one would start beside it.
            let _stopped = Stopped::all(vec![deaf]);
            signal(killed, Signal::SIGKILL)?;
            gone(deaf, DEAF_LIMIT).await?;
        }
        PostgresFault::TerminateBackend { pick } => {
            // What `pg_terminate_backend` does.
            let [backend, _] = postgres::serving(url, pick).await?;
            signal(backend, Signal::SIGTERM)?;
        }
        PostgresFault::AddColumn { pick } => {
            postgres::add_column(url, ["orders", "skus"][pick % 2]).await?;
        }
    }
    Ok(())
}

/// Ends a store with a signal, and starts it again after a while.
async fn end(
    world: &World,
    (pid, how): (u32, Signal),
    down_ms: u64,
    restart: fn(&mut Sandbox) -> Result<(), SandboxError>,
) -> Result<()> {
    signal(pid, how)?;
    pause(down_ms).await;
    let mut sandbox = world.sandbox.lock().await;
    Ok(block_in_place(|| restart(&mut sandbox))?)
}

/// Processes that do nothing until this is dropped.
struct Stopped(Vec<u32>);

impl Stopped {
    fn all(pids: Vec<u32>) -> Self {
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
async fn stop(pids: Vec<u32>, for_ms: u64) {
    let _stopped = Stopped::all(pids);
    pause(for_ms).await;
}

/// Lets so many milliseconds pass.
async fn pause(for_ms: u64) {
    tokio::time::sleep(Duration::from_millis(for_ms)).await;
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    kill(pid, signal).with_context(|| format!("{signal} does not reach {pid}"))
}

/// Waits until a process is gone. A child that has ended is there until its parent knows.
async fn gone(pid: u32, limit: Duration) -> Result<()> {
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

#[cfg(test)]
mod tests;
