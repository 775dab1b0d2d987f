//! What is said to Redis: four scripts on the gate of one SKU each, and whether Redis is
//! asked at all.
//!
//! What a gate says is a hint. One that is too high is corrected by the vault, one that is
//! too low by reconciling it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use deadpool_redis::redis::aio::ConnectionLike;
use deadpool_redis::redis::{
    self, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, Script,
    ServerErrorKind, Value,
};
use flash_core::{Sku, Store, StrategyError};
use futures_util::future::try_join_all;
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use crate::metrics::METRICS;
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
    /// Gates of nobody's that show whether Redis can be worked with: no SKU is named so.
    probe_keys: Vec<String>,
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
    causes: StdMutex<HashSet<String>>,
}

impl Redis {
    pub(crate) fn new(gates: Gates<'_>) -> Result<Self, StrategyError> {
        Self::with(gates, TIMEOUT)
    }

    fn with(gates: Gates<'_>, patience: Duration) -> Result<Self, StrategyError> {
        let way = Way::new(gates.redis_url).map_err(failed)?;
        Ok(Self {
            probe_keys: way.probe_keys(gates.prefix),
            way,
            prefix: gates.prefix.to_owned(),
            patience,
            connection: Mutex::new(None),
            admit: Script::new(include_str!("admit.lua")),
            release: Script::new(include_str!("release.lua")),
            reconcile: Script::new(include_str!("reconcile.lua")),
            close: Script::new(include_str!("close.lua")),
            is_away: AtomicBool::new(false),
            failed: Notify::new(),
            causes: StdMutex::default(),
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
        let mut calls = redis::pipe();
        for question in questions {
            let call = calls.cmd("EVALSHA").arg(self.admit.get_hash()).arg(1);
            call.arg(self.key(question.sku))
                .arg(question.seen_fence)
                .arg(&question.units);
        }
        let answers = self.call::<Vec<i64>>(&self.admit, &mut calls).await;
        let answers = self.heard(answers)?;
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
        let mut calls = redis::pipe();
        for ((sku, fence), units) in unused {
            let call = calls.cmd("EVALSHA").arg(self.release.get_hash()).arg(1);
            call.arg(self.key(sku)).arg(fence).arg(units);
        }
        let released = self.call::<i64>(&self.release, &mut calls).await;
        self.heard(released)?;
        Ok(())
    }

    /// Writes a gate, unless it is as new already; returns the fence that it has now.
    pub(crate) async fn reconcile(
        &self,
        sku: &Sku,
        fence: i64,
        available_units: i64,
    ) -> RedisResult<i64> {
        METRICS.gate_loads.inc();
        let key = self.key(sku);
        let written = self.call_one(&self.reconcile, &key, fence, available_units);
        self.heard(written.await)
    }

    /// Closes the gate with this fence: nothing is left.
    pub(crate) async fn close(&self, sku: &Sku, fence: i64) -> RedisResult<i64> {
        let key = self.key(sku);
        let closed = self.call_one(&self.close, &key, fence, 0).await;
        self.heard(closed)
    }

    /// Reads fence and free units of a gate.
    pub(crate) async fn read(&self, sku: &Sku) -> RedisResult<(i64, i64)> {
        let mut call = redis::pipe();
        call.cmd("HMGET")
            .arg(self.key(sku))
            .arg(&["fence", "free_units"]);
        let answers = self.call(&self.admit, &mut call).await?;
        first(answers)
    }

    /// Reads the free units of a gate, for whoever looks from outside.
    pub(crate) async fn free_units(
        &self,
        sku: &Sku,
    ) -> Result<Option<i64>, StrategyError> {
        let mut call = redis::pipe();
        call.cmd("HGET").arg(self.key(sku)).arg("free_units");
        let answers = match self.call(&self.admit, &mut call).await {
            // The connection may have been closed while nobody used it.
            Err(_) => self.call(&self.admit, &mut call).await,
            answers => answers,
        };
        answers.and_then(first).map_err(|error| self.told(&error))
    }

    /// Whether Redis does what selling needs of it, within the time that it has then. It
    /// writes to keys of no SKU.
    pub(crate) async fn ready(&self) -> Result<(), StrategyError> {
        let rehearsed = self.rehearse().await;
        rehearsed.map_err(|error| self.told(&error))
    }

    fn told(&self, error: &RedisError) -> StrategyError {
        failed(self.way.why(error))
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
        let fences = vec![fence; self.probe_keys.len()];
        let fences = self.probe(&self.reconcile, &fences, 2).await?;
        let _admitted: Vec<Value> = self.probe(&self.admit, &fences, 1).await?;
        let _released: Vec<i64> = self.probe(&self.release, &fences, 1).await?;
        let _closed: Vec<i64> = self.probe(&self.close, &fences, 0).await?;
        Ok(())
    }

    async fn probe<T: FromRedisValue>(
        &self,
        script: &Script,
        fences: &[i64],
        units: i64,
    ) -> RedisResult<Vec<T>> {
        let mut calls = redis::pipe();
        for (key, fence) in self.probe_keys.iter().zip(fences) {
            let call = calls.cmd("EVALSHA").arg(script.get_hash()).arg(1);
            call.arg(key).arg(fence).arg(units);
        }
        self.call(script, &mut calls).await
    }

    async fn call_one(
        &self,
        script: &Script,
        key: &str,
        fence: i64,
        units: i64,
    ) -> RedisResult<i64> {
        let mut call = redis::pipe();
        call.cmd("EVALSHA").arg(script.get_hash()).arg(1);
        call.arg(key).arg(fence).arg(units);
        first(self.call(script, &mut call).await?)
    }

    /// Runs calls of one script, all within the time of one answer. A cluster takes each on
    /// its own: they are for several of its nodes.
    async fn call<T: FromRedisValue>(
        &self,
        script: &Script,
        calls: &mut Pipeline,
    ) -> RedisResult<Vec<T>> {
        let asking = async {
            match self.connect().await? {
                Connection::One(mut conn) => ask(script, calls, &mut conn).await,
                Connection::Cluster(conn) => {
                    let asking = calls.cmd_iter().map(async |call: &Cmd| {
                        let mut alone = redis::pipe();
                        let alone = alone.add_command(call.clone());
                        first(ask(script, alone, &mut conn.clone()).await?)
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

    /// Where Redis has failed a buyer, the next ones do not ask it.
    fn heard<T>(&self, answers: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &answers
            && !self.is_away.swap(true, Ordering::Relaxed)
        {
            self.log("Redis is away: buyers go straight to PostgreSQL", error);
            METRICS.redis_away.set(1);
            self.failed.notify_one();
        }
        answers
    }

    /// Logs each cause once, until Redis is back.
    fn log(&self, what: &str, error: &RedisError) {
        let reason = self.way.why(error);
        if self.causes().insert(reason.clone()) {
            tracing::warn!(reason, "{what}");
        }
    }

    fn causes(&self) -> MutexGuard<'_, HashSet<String>> {
        // Nothing panics while it holds the lock.
        self.causes.lock().unwrap_or_else(PoisonError::into_inner)
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
    conn: &mut impl ConnectionLike,
) -> RedisResult<Vec<T>> {
    let answers: Vec<RedisResult<T>> = calls.ignore_errors().query_async(conn).await?;
    if !answers.iter().all(is_unknown_script) {
        return answers.into_iter().collect();
    }
    script.load_async(conn).await?;
    let answers: Vec<RedisResult<T>> = calls.query_async(conn).await?;
    answers.into_iter().collect()
}

/// Tries, whenever Redis has failed, until it can be worked with; less and less often while
/// it comes and goes.
pub(crate) async fn watch(redis: std::sync::Arc<Redis>) {
    let mut pauses = Pauses::default();
    loop {
        redis.failed.notified().await;
        tokio::time::sleep(pauses.next(Instant::now())).await;
        while let Err(error) = redis.rehearse().await {
            redis.log("Redis stays away", &error);
            tokio::time::sleep(PROBE).await;
        }
        pauses.back_at = Some(Instant::now());
        redis.causes().clear();
        redis.is_away.store(false, Ordering::Relaxed);
        METRICS.redis_away.set(0);
        tracing::warn!("Redis is back: buyers pass it again");
    }
}

/// How long to leave Redis alone.
#[derive(Default)]
struct Pauses {
    last: Duration,
    back_at: Option<Instant>,
}

impl Pauses {
    fn next(&mut self, now: Instant) -> Duration {
        let calm = self.back_at.is_none_or(|at| now - at >= CALM);
        self.last = if calm {
            PROBE
        } else {
            PAUSE_MAX.min(2 * self.last)
        };
        self.last
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

fn is_unknown_script<T>(answer: &RedisResult<T>) -> bool {
    let unknown = ErrorKind::Server(ServerErrorKind::NoScript);
    matches!(answer, Err(error) if error.kind() == unknown)
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
        let (mut pauses, now) = (Pauses::default(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..7 {
            waits.push(pauses.next(now).as_millis());
            pauses.back_at = Some(now);
        }
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        assert_eq!(pauses.next(now + CALM), PROBE);
    }
}
