//! The gate of each SKU in Redis: how many units may still be tried for.
//!
//! What it says is a hint. A gate that is too high is corrected by the vault, one that is
//! too low by loading it again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    self, AsyncConnectionConfig, Client, ErrorKind, Pipeline, RedisError, RedisResult,
    Script, ServerErrorKind,
};
use deadpool_redis::{Manager, Pool, Runtime};
use flash_core::{Sku, Store, StrategyError};
use tokio::sync::Mutex;

/// How long Redis may take. It answers in well under a millisecond; while it does not,
/// PostgreSQL serves the buyers, so there is no reason to be patient.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(250);

/// The key of a gate: a hash of `fence`, `free_units` and `loaded_units`. One script call
/// touches one key, so that Redis Cluster needs nothing else.
fn gate_key(sku: &Sku) -> String {
    format!("flash:{{{sku}}}:gate")
}

/// The gate of nobody's that shows whether Redis can be worked with: no SKU is named so.
const PROBE_KEY: &str = "flash:probe";

/// What a gate says to the requests of one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is no gate, or an older one than has been seen.
    NotLoaded,
    /// Who is admitted, in the order of the requests, under this fence.
    Decided { fence: i64, admitted: Vec<bool> },
}

/// The requests of one SKU that ask to be admitted.
pub(crate) struct Ask<'a> {
    pub(crate) sku: &'a Sku,
    /// The newest fence that was seen of this gate; 0 for none.
    pub(crate) seen_fence: i64,
    pub(crate) units: Vec<i64>,
}

/// Speaks with the gates over one multiplexed connection.
pub(crate) struct Gates {
    pool: Pool,
    /// Opened when it is needed, dropped when it fails.
    connection: Mutex<Option<MultiplexedConnection>>,
    admit: Script,
    release: Script,
    load: Script,
    close: Script,
}

impl Gates {
    pub(crate) fn new(redis_url: &str) -> Result<Self, StrategyError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        let manager = Manager::new_with_config(redis_url, config).map_err(failed)?;
        let pool = Pool::builder(manager)
            .max_size(1)
            .create_timeout(Some(TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(failed)?;
        Ok(Self {
            pool,
            connection: Mutex::new(None),
            admit: Script::new(include_str!("admit.lua")),
            release: Script::new(include_str!("release.lua")),
            load: Script::new(include_str!("load.lua")),
            close: Script::new(include_str!("close.lua")),
        })
    }

    /// Asks for the requests of several SKUs in one round trip.
    pub(crate) async fn admit(
        &self,
        asks: &[Ask<'_>],
    ) -> Result<Vec<Admission>, String> {
        let mut calls = redis::pipe();
        for ask in asks {
            let call = calls.cmd("EVALSHA").arg(self.admit.get_hash()).arg(1);
            call.arg(gate_key(ask.sku))
                .arg(ask.seen_fence)
                .arg(&ask.units);
        }
        let answers = self.call::<Vec<i64>>(&self.admit, &mut calls).await?;
        Ok(answers.into_iter().map(Admission::from).collect())
    }

    /// Gives units back, each to the gate with that fence, in one round trip.
    pub(crate) async fn release(
        &self,
        unused: &HashMap<(Sku, i64), i64>,
    ) -> Result<(), String> {
        let mut calls = redis::pipe();
        for ((sku, fence), units) in unused {
            let call = calls.cmd("EVALSHA").arg(self.release.get_hash()).arg(1);
            call.arg(gate_key(sku)).arg(fence).arg(units);
        }
        self.call::<i64>(&self.release, &mut calls).await?;
        Ok(())
    }

    /// Loads a gate, unless it is as new already; returns the fence that it has now.
    pub(crate) async fn fill(
        &self,
        sku: &Sku,
        fence: i64,
        available_units: i64,
    ) -> Result<i64, String> {
        let key = gate_key(sku);
        self.call_one(&self.load, &key, fence, available_units)
            .await
    }

    /// Closes the gate with this fence: nothing is left.
    pub(crate) async fn close(&self, sku: &Sku, fence: i64) -> Result<(), String> {
        let key = gate_key(sku);
        self.call_one(&self.close, &key, fence, 0).await?;
        Ok(())
    }

    /// Reads fence and free units of a gate.
    pub(crate) async fn read(&self, sku: &Sku) -> Result<(i64, i64), String> {
        let mut conn = self.connect().await?;
        redis::cmd("HMGET")
            .arg(gate_key(sku))
            .arg(&["fence", "free_units"])
            .query_async(&mut conn)
            .await
            .map_err(|e| e.to_string())
    }

    /// Does what selling does with a gate of nobody's: a Redis that answers may yet refuse
    /// to run scripts, or to write.
    pub(crate) async fn probe(&self) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // Always newer than the last one, so that it is written.
        let fence = now.map_or(1, |it| i64::try_from(it.as_millis()).unwrap_or(1));
        let (load, admit) = (&self.load, &self.admit);
        let fence = self.call_one(load, PROBE_KEY, fence, 2).await?;
        let mut call = redis::pipe();
        call.cmd("EVALSHA").arg(admit.get_hash()).arg(1);
        call.arg(PROBE_KEY).arg(fence).arg(1);
        self.call::<Vec<i64>>(admit, &mut call).await?;
        self.call_one(&self.release, PROBE_KEY, fence, 1).await?;
        self.call_one(&self.close, PROBE_KEY, fence, 0).await?;
        Ok(())
    }

    async fn call_one(
        &self,
        script: &Script,
        key: &str,
        fence: i64,
        units: i64,
    ) -> Result<i64, String> {
        let mut call = redis::pipe();
        call.cmd("EVALSHA").arg(script.get_hash()).arg(1);
        call.arg(key).arg(fence).arg(units);
        let answers = self.call::<i64>(script, &mut call).await?;
        answers
            .first()
            .copied()
            .ok_or_else(|| "Redis did not answer".to_owned())
    }

    /// Runs calls of one script. Where Redis does not know the script it is sent, and all
    /// is asked once more: Redis did nothing for a script that it does not know. All of it
    /// has the time of one answer.
    async fn call<T: redis::FromRedisValue>(
        &self,
        script: &Script,
        calls: &mut Pipeline,
    ) -> Result<Vec<T>, String> {
        let mut conn = self.connect().await?;
        let asking = async {
            let answers: Vec<RedisResult<T>> =
                calls.ignore_errors().query_async(&mut conn).await?;
            if !answers.iter().all(is_unknown_script) {
                return answers.into_iter().collect();
            }
            script.load_async(&mut conn).await?;
            let answers: Vec<RedisResult<T>> = calls.query_async(&mut conn).await?;
            answers.into_iter().collect()
        };
        let result: RedisResult<Vec<T>> =
            match tokio::time::timeout(TIMEOUT, asking).await {
                Ok(result) => result,
                Err(_elapsed) => {
                    Err((ErrorKind::Io, "Redis did not answer in time").into())
                }
            };
        match result {
            Ok(answers) => Ok(answers),
            Err(error) => {
                // Its answers may be out of step now; the next call opens another.
                *self.connection.lock().await = None;
                Err(error.to_string())
            }
        }
    }

    /// Whoever waits for another who opens the connection waits no longer than for its own.
    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let opening = tokio::time::timeout(TIMEOUT, self.open());
        let opened = opening.await;
        opened.unwrap_or_else(|_elapsed| {
            Err("Redis does not let us in in time".to_owned())
        })
    }

    async fn open(&self) -> Result<MultiplexedConnection, String> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = &*connection {
            return Ok(open.clone());
        }
        let opened = self.pool.get().await.map_err(|e| e.to_string())?;
        let opened = deadpool_redis::Connection::take(opened);
        *connection = Some(opened.clone());
        Ok(opened)
    }
}

fn is_unknown_script<T>(answer: &RedisResult<T>) -> bool {
    let unknown = ErrorKind::Server(ServerErrorKind::NoScript);
    matches!(answer, Err(error) if error.kind() == unknown)
}

impl From<Vec<i64>> for Admission {
    fn from(answer: Vec<i64>) -> Self {
        match answer.split_first() {
            None => Self::NotLoaded,
            Some((&fence, admitted)) => Self::Decided {
                fence,
                admitted: admitted.iter().map(|&code| code == 1).collect(),
            },
        }
    }
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StrategyError {
    StrategyError::Store {
        store: Store::Redis,
        source: Box::new(error),
    }
}

/// Reads gates from outside, for the audit and for probes.
#[derive(Clone)]
pub struct Gate {
    client: Client,
    gates: Arc<Gates>,
}

impl Gate {
    /// Prepares to read from this Redis. It connects at each reading.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Store`] when the URL is not a Redis connection URL.
    pub fn new(redis_url: &str) -> Result<Self, StrategyError> {
        Ok(Self {
            client: Client::open(redis_url).map_err(failed)?,
            gates: Arc::new(Gates::new(redis_url)?),
        })
    }

    /// Host and port, or the path of a socket.
    #[must_use]
    pub fn address(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Store`] says why it does not.
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn ping(&self) -> Result<(), StrategyError> {
        let mut conn = self.connect().await.map_err(failed)?;
        let ping = redis::cmd("PING");
        ping.exec_async(&mut conn).await.map_err(failed)
    }

    /// Whether Redis does what selling needs of it, within the time that it has then. It
    /// writes to a key of no SKU.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Store`] says what it does not do.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has no effect on any SKU.
    pub async fn probe(&self) -> Result<(), StrategyError> {
        let probed = self.gates.probe().await;
        probed.map_err(|reason| StrategyError::Store {
            store: Store::Redis,
            source: reason.into(),
        })
    }

    /// Units that may still be tried for; none where Redis has no gate for the SKU.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Unavailable`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn free_units(&self, sku: &Sku) -> Result<Option<i64>, StrategyError> {
        let mut conn = self.connect().await.map_err(unavailable)?;
        redis::cmd("HGET")
            .arg(gate_key(sku))
            .arg("free_units")
            .query_async(&mut conn)
            .await
            .map_err(unavailable)
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // An operator has more patience than a sale.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(8 * TIMEOUT))
            .set_response_timeout(Some(8 * TIMEOUT));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }
}

fn unavailable(error: RedisError) -> StrategyError {
    tracing::debug!(%error, "Redis did not answer");
    StrategyError::Unavailable {
        store: Store::Redis,
    }
}
