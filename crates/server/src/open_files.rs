//! The limit of open files, and how many connections it leaves for buyers.

use anyhow::ensure;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cli::Settings;

/// Connections to PostgreSQL for admin calls and probes.
pub(crate) const ADMIN_POOL_SIZE: usize = 4;

/// What a worker has open for itself.
const PER_WORKER: u64 = 4;

/// What the process has open besides: standard streams, the listener, Redis, gates that are
/// compared, lookups of names, connections that replace others.
const SPARE: u64 = 64;

/// The most connections of one worker.
const PER_WORKER_MAX: u64 = 25_000;

/// Raises the limit of open files as far as it goes, a thousand buyers need a thousand and
/// the usual one is 1024, and returns how many connections there may be. A crowd of them
/// leaves the stores what they need. Where the limit is too low for the pools, the error
/// says how many open files are needed.
pub(crate) fn connections_max(settings: &Settings) -> anyhow::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files stays as it is");
            soft
        }
    };
    let workers = u64::try_from(settings.workers())?;
    let reserve = reserve(settings, workers)?;
    let needed = reserve + workers;
    ensure!(
        limit >= needed,
        "{limit} open files are allowed and this server needs {needed}: raise the limit \
         (`ulimit -n`) or take a smaller --pool-size"
    );
    let most = (limit - reserve).min(workers * PER_WORKER_MAX);
    Ok(usize::try_from(most)?)
}

/// What is not for buyers.
fn reserve(settings: &Settings, workers: u64) -> anyhow::Result<u64> {
    // Each lane of the engine may open a connection while it gives up another. Whoever has
    // no lanes can spare them.
    let lanes = 2 * u64::from(settings.lanes);
    let pools = u64::from(settings.pool_size) + u64::try_from(ADMIN_POOL_SIZE)?;
    Ok(pools + lanes + workers * PER_WORKER + SPARE)
}
