//! Breaks things, one planned fault at a time, and mends them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use flash_lab_crowd::FULL;
use flash_lab_wire::{Cable, Cut};
use flash_sandbox::Sandbox;
use nix::sys::signal::Signal;
use serde::Serialize;
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::{JoinSet, block_in_place};

use crate::buyers::Sale;
use crate::fault::Fault;
use crate::process::{Stopped, backends, gone, signal, stop};
use crate::schedule::{Plan, PlannedFault};
use crate::world::World;
use crate::{postgres, redis};

/// How long PostgreSQL may take to notice that a backend was killed. From then on it lets
/// nobody in before it has recovered.
const NOTICE_LIMIT: Duration = Duration::from_secs(1);

/// PostgreSQL kills after 5 s what does not end (`SIGKILL_CHILDREN_AFTER_SECS`,
/// postmaster.c); this is longer.
const DEAF_LIMIT: Duration = Duration::from_secs(10);

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
pub(crate) async fn play(
    world: &Arc<World>,
    plan: &Arc<Plan>,
    sale: &Arc<Sale>,
) -> Vec<Happened> {
    let mut faults = JoinSet::new();
    for planned in plan.faults.clone() {
        let (world, plan) = (Arc::clone(world), Arc::clone(plan));
        faults.spawn(one(world, plan, Arc::clone(sale), planned));
    }
    let mut happened = faults.join_all().await;
    happened.sort_by_key(|fault| fault.from_us);
    happened
}

async fn one(
    world: Arc<World>,
    plan: Arc<Plan>,
    sale: Arc<Sale>,
    PlannedFault { at_ms, fault }: PlannedFault,
) -> Happened {
    let journal = &sale.journal;
    tokio::time::sleep_until(journal.at_ms(at_ms).into()).await;
    let from_us = journal.now_us();
    let done = act(&world, &plan, fault).await;
    Happened {
        from_us,
        to_us: journal.now_us(),
        what: fault.to_string(),
        skipped: done.err().map(|error| format!("{error:#}")),
        empties_gates: matches!(fault, Fault::RestoreDatabase { .. }),
    }
}

async fn act(world: &World, plan: &Plan, fault: Fault) -> anyhow::Result<()> {
    match fault {
        Fault::KillServer { instance, .. }
        | Fault::StopServer { instance, .. }
        | Fault::DrainServer { instance }
        | Fault::LogSinkGone { instance } => {
            act_on_server(world, instance, fault).await?;
        }
        Fault::CutAfterCommit { instance, commits } => {
            world.postgres_links[instance].cut_commits(Cut::AfterCommit, commits);
        }
        Fault::CutBeforeCommit { instance, commits } => {
            world.postgres_links[instance].cut_commits(Cut::BeforeCommit, commits);
        }
        Fault::CutPostgresLink { instance } => world.postgres_links[instance].cut(),
        Fault::SlowPostgresLink {
            instance,
            delay_ms,
            for_ms,
        } => {
            slow(&world.postgres_links[instance], delay_ms, for_ms).await;
        }
        Fault::SlowRedisLink {
            instance,
            delay_ms,
            for_ms,
        } => {
            slow(&world.redis_links[instance], delay_ms, for_ms).await;
        }
        Fault::DeafListener { instance, for_ms } => {
            let link = &world.postgres_links[instance];
            link.deafen(true);
            pause(for_ms).await;
            link.deafen(false);
        }
        Fault::HangFirstHost { instance, for_ms } => {
            let first = &world.first_hosts[instance];
            first.hang();
            world.postgres_links[instance].cut();
            pause(for_ms).await;
            first.heal();
        }
        _ if fault.needs_redis() => act_on_redis(world, plan, fault).await?,
        _ => act_on_postgres(world, fault).await?,
    }
    Ok(())
}

async fn act_on_server(
    world: &World,
    instance: usize,
    fault: Fault,
) -> anyhow::Result<()> {
    let mut server = free(&world.servers[instance])?;
    // It stays where it is, for the end of the run to find it.
    if server.as_mut().is_some_and(|it| !it.is_running()) {
        bail!("it ended by itself");
    }
    if let Fault::StopServer { for_ms, .. } = fault {
        let server = server.as_ref().context("it does not run")?;
        stop(vec![server.pid()], for_ms).await;
        return Ok(());
    }
    let is_gone = matches!(fault, Fault::LogSinkGone { .. });
    ensure!(
        !is_gone || Path::new(FULL).exists(),
        "there is no {FULL} here"
    );
    match (server.take(), fault) {
        (Some(old), Fault::DrainServer { .. }) => old.stop().await?,
        (Some(mut old), _) => block_in_place(|| old.kill()),
        (None, _) => {}
    }
    if let Fault::KillServer { down_ms, .. } = fault {
        pause(down_ms).await;
    }
    // Should it not start now, it will be started in the same way at the end.
    world.logs_gone[instance].store(is_gone, Ordering::Relaxed);
    *server = Some(world.start_server(instance).await?);
    Ok(())
}

async fn act_on_redis(world: &World, plan: &Plan, fault: Fault) -> anyhow::Result<()> {
    let _turn = free(&world.redis_turn)?;
    let pid = world.sandbox.lock().await.redis_pid();
    let pid = pid.context("redis does not run")?;
    let socket = world.redis_socket.as_path();
    match fault {
        Fault::KillRedis { down_ms } => {
            signal(pid, Signal::SIGKILL)?;
            pause(down_ms).await;
            world.restart(Sandbox::restart_redis).await?;
        }
        Fault::StopRedis { for_ms } => stop(vec![pid], for_ms).await,
        Fault::FlushRedis => redis::flush_all(socket).await?,
        Fault::FlushScripts => redis::flush_scripts(socket).await?,
        Fault::RollBackRedis { age_ms } => roll_back(world, plan, age_ms).await?,
        Fault::RestoreDatabase { stops_servers } => {
            restore_database(world, plan, stops_servers).await?;
        }
        Fault::RefuseRedisWrites { for_ms } | Fault::DemoteRedis { for_ms } => {
            match fault {
                Fault::DemoteRedis { .. } => redis::demote(socket).await?,
                _ => redis::refuse_writes(socket).await?,
            }
            pause(for_ms).await;
            redis::take_writes(socket).await?;
        }
        _ => {}
    }
    Ok(())
}

async fn roll_back(world: &World, plan: &Plan, age_ms: u64) -> anyhow::Result<()> {
    let socket = world.redis_socket.as_path();
    let mut snapshot = Vec::new();
    for planned in &plan.skus {
        let key = world.gate_key(&planned.sku);
        let dump = redis::dump(socket, &key).await?;
        snapshot.push((key, dump));
    }
    pause(age_ms).await;
    for (key, dump) in &snapshot {
        redis::restore(socket, key, dump).await?;
    }
    Ok(())
}

/// Whoever restores a database stops what uses it, or forgets to.
async fn restore_database(
    world: &World,
    plan: &Plan,
    stops_servers: bool,
) -> anyhow::Result<()> {
    let mut stopped = Vec::new();
    if stops_servers {
        for server in &world.servers {
            let mut server = free(server)?;
            if server.as_mut().is_some_and(|it| !it.is_running()) {
                bail!("it ended by itself");
            }
            stopped.push(server);
        }
        for server in &mut stopped {
            if let Some(old) = server.take() {
                old.stop().await?;
            }
        }
    }
    for planned in &plan.skus {
        let key = world.gate_key(&planned.sku);
        redis::advance(&world.redis_socket, &key).await?;
    }
    for (instance, server) in stopped.iter_mut().enumerate() {
        **server = Some(world.start_server(instance).await?);
    }
    Ok(())
}

async fn act_on_postgres(world: &World, fault: Fault) -> anyhow::Result<()> {
    let _turn = free(&world.postgres_turn)?;
    let pid = world.sandbox.lock().await.postgres_pid();
    let pid = pid.context("postgres does not run")?;
    let url = world.database_url.as_str();
    match fault {
        Fault::KillPostgres { down_ms } | Fault::AbortPostgres { down_ms } => {
            let kills = matches!(fault, Fault::KillPostgres { .. });
            signal(
                pid,
                if kills {
                    Signal::SIGKILL
                } else {
                    Signal::SIGQUIT
                },
            )?;
            pause(down_ms).await;
            world.restart(Sandbox::restart_postgres).await?;
        }
        Fault::ReadOnlyPostgres { for_ms } => {
            signal(pid, Signal::SIGQUIT)?;
            world.restart(Sandbox::restart_postgres_as_standby).await?;
            pause(for_ms).await;
            postgres::promote(url).await?;
        }
        Fault::AddColumn { pick } => {
            let table = ["orders", "skus"][pick % 2];
            postgres::add_column(url, table, &world.new_column()).await?;
        }
        Fault::StopPostgres { for_ms } => {
            let mut pids = vec![pid];
            pids.extend(backends(url).await?.all);
            stop(pids, for_ms).await;
        }
        Fault::StopBackend { pick, for_ms } => {
            stop(vec![backends(url).await?.serving(pick)?], for_ms).await;
        }
        Fault::KillBackend { pick } => {
            let killed = backends(url).await?.serving(pick)?;
            signal(killed, Signal::SIGKILL)?;
            // If it does not in time, the fault has come all the same.
            let _noticed = gone(killed, NOTICE_LIMIT).await;
        }
        Fault::KillBackendBesideDeaf { pick } => {
            let backends = backends(url).await?;
            let (killed, deaf) = (backends.serving(pick)?, backends.serving(pick + 1)?);
            if killed == deaf {
                bail!("there is only one backend");
            }
            // The turn is kept until it has ended: if the postmaster were killed meanwhile,
            // nobody would end it, and no other one would start beside it.
            let _stopped = Stopped::all(vec![deaf]);
            signal(killed, Signal::SIGKILL)?;
            gone(deaf, DEAF_LIMIT).await?;
        }
        Fault::TerminateBackend { pick } => {
            // What `pg_terminate_backend` does.
            signal(backends(url).await?.serving(pick)?, Signal::SIGTERM)?;
        }
        _ => {}
    }
    Ok(())
}

/// What another fault has in its hands is left alone.
fn free<T>(what: &Mutex<T>) -> anyhow::Result<MutexGuard<'_, T>> {
    match what.try_lock() {
        Ok(guard) => Ok(guard),
        Err(_taken) => bail!("another fault is at it"),
    }
}

async fn slow(link: &Cable, delay_ms: u64, for_ms: u64) {
    link.delay(delay_ms);
    pause(for_ms).await;
    link.delay(0);
}

async fn pause(for_ms: u64) {
    tokio::time::sleep(Duration::from_millis(for_ms)).await;
}

#[cfg(test)]
mod tests;
