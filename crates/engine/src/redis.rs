//! What is said to Redis: four scripts on the gate of one SKU each, and whether Redis is
//! asked at all.
//!
//! What a gate says is a hint. One that is too high is corrected by the vault, one that is
//! too low by reconciling it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flash_core::{Sku, Store, StrategyError};
use futures_util::future::try_join_all;
use redis::aio::ConnectionLike;
use redis::{
    ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Script,
    ServerErrorKind, ToRedisArgs, Value, pipe,
};
use tokio::sync::{Mutex, Notify};
use tokio::time::{sleep, timeout};

use crate::metrics::METRICS;
use crate::sql::Found;
use crate::way::{Connection, OPENING, Way};

/// How long Redis may take. It answers in well under a millisecond; while it does not,
/// PostgreSQL serves the buyers, so there is no reason to be patient.
const TIMEOUT: Duration = Duration::from_millis(250);

/// How long to wait before the first try whether Redis can be worked with again, and
/// between two tries.
const PROBE: Duration = Duration::from_millis(250);

/// The longest wait before the first try, where Redis has failed again and again.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// How long Redis must have worked for its next failure to be a new one.
const CALM: Duration = Duration::from_secs(10);

/// What the keys of gates begin with, unless something else is asked for.
pub const PREFIX: &str = "flash:";

/// Where the gates are: in a Redis that a URL leads to, under keys that begin so.
#[derive(Clone, Copy)]
pub struct Gates<'a> {
    /// The connection URL.
    pub redis_url: &'a str,
    /// What their keys begin with: another for each shop in one Redis.
    pub prefix: &'a str,
}

impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for Gates<'a> {
    fn from(redis_url: &'a T) -> Self {
        Self {
            redis_url: redis_url.as_ref(),
            prefix: PREFIX,
        }
    }
}

/// The key of a gate: a hash of `fence`, `free_units` and `loaded_units`. One script call
/// touches one key, so that Redis Cluster needs nothing else.
#[must_use]
pub fn gate_key(prefix: &str, sku: &Sku) -> String {
    format!("{prefix}{{{sku}}}:gate")
}

/// What a gate answers, behind its fence, for a request that is admitted; else 0.
pub const ADMITTED: i64 = 1;

/// What a gate says to the requests of one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) fence: i64,
    /// Who is admitted, in the order of the requests.
    pub(crate) admitted: Vec<bool>,
}

/// The requests of one SKU that ask to be admitted.
pub(crate) struct Question<'a> {
    pub(crate) sku: &'a Sku,
    /// The newest fence that was seen of this gate; 0 for none.
    pub(crate) seen_fence: i64,
    pub(crate) units: Vec<i64>,
}

/// Speaks with Redis over one connection.
pub(crate) struct Redis {
    way: Way,
    prefix: String,
    /// How long an answer may take.
    patience: Duration,
    /// Opened when it is needed, dropped when it fails.
    connection: Mutex<Option<Connection>>,
    admit: Script,
    release: Script,
    reconcile: Script,
    close: Script,
    /// Whether Redis has failed and is not asked.
    is_away: AtomicBool,
    failed: Notify,
    /// What stands in the log since then.
    causes: parking_lot::Mutex<HashSet<String>>,
}

impl Redis {
    pub(crate) fn new(gates: Gates<'_>) -> Result<Self, StrategyError> {
        Self::with(gates, TIMEOUT)
    }

    fn with(gates: Gates<'_>, patience: Duration) -> Result<Self, StrategyError> {
        Ok(Self {
            way: Way::new(gates.redis_url).map_err(failed)?,
            prefix: gates.prefix.to_owned(),
            patience,
            connection: Mutex::default(),
            admit: Script::new(include_str!("admit.lua")),
            release: Script::new(include_str!("release.lua")),
            reconcile: Script::new(include_str!("reconcile.lua")),
            close: Script::new(include_str!("close.lua")),
            is_away: AtomicBool::new(false),
            failed: Notify::new(),
            causes: parking_lot::Mutex::default(),
        })
    }

    fn key(&self, sku: &Sku) -> String {
        gate_key(&self.prefix, sku)
    }

    /// Whether buyers go straight to PostgreSQL.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Asks for the requests of several SKUs in one round trip. None for a gate that is
    /// not loaded.
    pub(crate) async fn admit(
        &self,
        questions: &[Question<'_>],
    ) -> RedisResult<Vec<Option<Decided>>> {
        let asked = questions.iter();
        let asked = asked.map(|it| (self.key(it.sku), it.seen_fence, &it.units));
        let answers = self.sell::<Vec<i64>>(&self.admit, asked).await?;
        let decided = |answer: Vec<i64>| {
            let (&fence, admitted) = answer.split_first()?;
            let admitted = admitted.iter().map(|&code| code == ADMITTED).collect();
            Some(Decided { fence, admitted })
        };
        Ok(answers.into_iter().map(decided).collect())
    }

    /// Gives units back, each to the gate with that fence, in one round trip.
    pub(crate) async fn release(
        &self,
        unused: &HashMap<(Sku, i64), i64>,
    ) -> RedisResult<()> {
        let unused = unused.iter();
        let unused = unused.map(|((sku, fence), units)| (self.key(sku), *fence, units));
        self.sell::<Value>(&self.release, unused).await.map(drop)
    }

    /// Writes a gate, unless it is as new already; returns the fence that it has now. If
    /// Redis does not hear, its gate is older than what others have seen, and is reconciled
    /// then.
    pub(crate) async fn reconcile(&self, sku: &Sku, found: Found) -> RedisResult<i64> {
        let gate = (self.key(sku), found.fence, found.available_units);
        let written = self.sell(&self.reconcile, [gate]).await?;
        METRICS.gate_loads.inc();
        first(written)
    }

    /// Closes the gate with this fence: nothing is left.
    pub(crate) async fn close(&self, sku: &Sku, fence: i64) -> RedisResult<()> {
        let gate = (self.key(sku), fence, 0);
        self.sell::<Value>(&self.close, [gate]).await.map(drop)
    }

    /// Reads a gate; none where it is not there.
    pub(crate) async fn read(&self, sku: &Sku) -> RedisResult<Option<Found>> {
        let mut call = pipe();
        let fields = ["fence", "free_units"];
        call.cmd("HMGET").arg(self.key(sku)).arg(&fields);
        let answers = self
            .ask::<(Option<i64>, Option<i64>)>(&self.admit, call)
            .await?;
        let (fence, free_units) = first(answers)?;
        Ok(fence.zip(free_units).map(|(fence, available_units)| Found {
            available_units,
            fence,
        }))
    }

    /// Reads the free units of a gate, for whoever looks from outside.
    pub(crate) async fn free_units(
        &self,
        sku: &Sku,
    ) -> Result<Option<i64>, StrategyError> {
        let gate = match self.read(sku).await {
            // The connection may have been closed while nobody used it.
            Err(_) => self.read(sku).await,
            gate => gate,
        };
        let gate = gate.map_err(|error| failed(self.way.why(&error)))?;
        Ok(gate.map(|it| it.available_units))
    }

    /// Whether Redis does what selling needs of it, within the time that it has then. It
    /// writes to keys of no SKU.
    pub(crate) async fn ready(&self) -> Result<(), StrategyError> {
        let rehearsed = self.rehearse().await;
        rehearsed.map_err(|error| failed(self.way.why(&error)))
    }

    /// Does what selling does with gates of nobody's: a Redis that answers may yet refuse
    /// to run scripts, or to write.
    async fn rehearse(&self) -> RedisResult<()> {
        // Nobody waits for it as a buyer would.
        let opened = timeout(OPENING, self.connect()).await;
        opened.unwrap_or_else(|_elapsed| Err(late()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // Always newer than the last one, so that it is written.
        let fence = now.map_or(1, |it| i64::try_from(it.as_millis()).unwrap_or(1));
        let keys = self.way.probe_keys(&self.prefix);
        let loaded = keys.iter().map(|key| (key, fence, 2));
        let fences = self.call::<i64>(&self.reconcile, loaded).await?;
        for (script, units) in [(&self.admit, 1), (&self.release, 1), (&self.close, 0)]
        {
            let gates = keys.iter().zip(&fences);
            let gates = gates.map(|(key, fence)| (key, *fence, units));
            self.call::<Value>(script, gates).await?;
        }
        Ok(())
    }

    /// Runs a script for a buyer, unless Redis is away. Where it fails him, the next ones do
    /// not ask it.
    async fn sell<T: FromRedisValue>(
        &self,
        script: &Script,
        gates: impl IntoIterator<Item = (String, i64, impl ToRedisArgs)>,
    ) -> RedisResult<Vec<T>> {
        if self.is_away() {
            return Err((ErrorKind::Io, "Redis is away").into());
        }
        let answers = self.call(script, gates).await;
        if let Err(error) = &answers
            && !self.is_away.swap(true, Ordering::Relaxed)
        {
            self.log("Redis is away: buyers go straight to PostgreSQL", error);
            METRICS.redis_away.set(1);
            self.failed.notify_one();
        }
        answers
    }

    /// Runs a script on gates, with a fence and units for each, in one round trip.
    async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        gates: impl IntoIterator<Item = (impl ToRedisArgs, i64, impl ToRedisArgs)>,
    ) -> RedisResult<Vec<T>> {
        let mut calls = pipe();
        for (key, fence, units) in gates {
            let call = calls.cmd("EVALSHA").arg(script.get_hash()).arg(1);
            call.arg(key).arg(fence).arg(units);
        }
        self.ask(script, calls).await
    }

    /// Makes calls that may need a script, all within the time of one answer. A cluster
    /// takes each on its own: they are for several of its nodes.
    async fn ask<T: FromRedisValue>(
        &self,
        script: &Script,
        mut calls: Pipeline,
    ) -> RedisResult<Vec<T>> {
        let asking = async {
            match self.connect().await? {
                Connection::One(conn) => ask(script, &mut calls, conn).await,
                Connection::Cluster(conn) => {
                    let asking = calls.cmd_iter().map(async |call| {
                        let mut alone = pipe();
                        let alone = alone.add_command(call.clone());
                        ask(script, alone, conn.clone()).await.and_then(first)
                    });
                    try_join_all(asking).await
                }
            }
        };
        let answers = timeout(self.patience, asking).await;
        let answers = answers.unwrap_or_else(|_elapsed| Err(late()));
        if answers.is_err() {
            // Its answers may be out of step now; the next call opens another.
            *self.connection.lock().await = None;
        }
        answers
    }

    /// Logs each cause once, until Redis is back.
    fn log(&self, what: &str, error: &RedisError) {
        let reason = self.way.why(error);
        if self.causes.lock().insert(reason.clone()) {
            tracing::warn!(reason, "{what}");
        }
    }

    async fn connect(&self) -> RedisResult<Connection> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = &*connection {
            return Ok(open.clone());
        }
        let opened = self.way.open(self.patience).await?;
        Ok(connection.insert(opened).clone())
    }
}

/// Asks once. Where Redis does not know the script it is sent, and all is asked once more:
/// Redis did nothing for a script that it does not know.
async fn ask<T: FromRedisValue>(
    script: &Script,
    calls: &mut Pipeline,
    mut conn: impl ConnectionLike,
) -> RedisResult<Vec<T>> {
    calls.ignore_errors();
    let unknown = ErrorKind::Server(ServerErrorKind::NoScript);
    let mut answers: Vec<RedisResult<T>> = calls.query_async(&mut conn).await?;
    if answers
        .iter()
        .all(|it| it.as_ref().is_err_and(|it| it.kind() == unknown))
    {
        script.load_async(&mut conn).await?;
        answers = calls.query_async(&mut conn).await?;
    }
    answers.into_iter().collect()
}

/// Tries, whenever Redis has failed, until it can be worked with; less and less often while
/// it comes and goes.
pub(crate) async fn watch(redis: Arc<Redis>) {
    let (mut pause, mut back_at) = (PROBE, None::<Instant>);
    loop {
        redis.failed.notified().await;
        pause = next_pause(pause, back_at.map(|at| at.elapsed()));
        sleep(pause).await;
        while let Err(error) = redis.rehearse().await {
            redis.log("Redis stays away", &error);
            sleep(PROBE).await;
        }
        back_at = Some(Instant::now());
        redis.causes.lock().clear();
        redis.is_away.store(false, Ordering::Relaxed);
        METRICS.redis_away.set(0);
        tracing::warn!("Redis is back: buyers pass it again");
    }
}

/// How long to leave a Redis alone that has worked for so long since the last time.
fn next_pause(last: Duration, worked: Option<Duration>) -> Duration {
    if worked.is_some_and(|it| it < CALM) {
        PAUSE_MAX.min(2 * last)
    } else {
        PROBE
    }
}

/// Reads the free units of a SKU's gate; none where there is no gate. Has more patience than
/// a sale.
///
/// # Errors
///
/// [`StrategyError::Store`] when the URL is not a Redis connection URL, or Redis does not
/// answer.
pub async fn gate_free_units<'a>(
    gates: impl Into<Gates<'a>>,
    sku: &Sku,
) -> Result<Option<i64>, StrategyError> {
    let redis = Redis::with(gates.into(), 8 * TIMEOUT)?;
    redis.free_units(sku).await
}

/// Hosts and ports of a Redis, or the path of its socket, for messages.
///
/// # Errors
///
/// [`StrategyError::Store`] when the URL is not a Redis connection URL.
pub fn redis_address(redis_url: &str) -> Result<String, StrategyError> {
    let way = Way::new(redis_url).map_err(failed)?;
    Ok(way.address())
}

fn late() -> RedisError {
    (ErrorKind::Io, "Redis did not answer in time").into()
}

fn first<T>(answers: Vec<T>) -> RedisResult<T> {
    let silent = || (ErrorKind::Io, "Redis did not answer").into();
    answers.into_iter().next().ok_or_else(silent)
}

fn failed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StrategyError {
    StrategyError::Store {
        store: Store::Redis,
        source: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_comes_and_goes_is_tried_less_and_less_often() {
        let mut pause = next_pause(PROBE, None);
        for expected in [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000] {
            assert_eq!(pause.as_millis(), expected);
            pause = next_pause(pause, Some(Duration::ZERO));
        }
        assert_eq!(next_pause(pause, Some(CALM)), PROBE);
    }
}
