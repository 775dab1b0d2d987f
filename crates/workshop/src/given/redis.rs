//! A connection to Redis.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{FromRedisValue, RedisError, Script, cmd};
use deadpool_redis::{Config, Connection, Pool as RedisPool, Runtime};
use flash_core::{Store, StrategyError};
use tokio::sync::Mutex;

/// Longer than a judge holds a step.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to Redis that all buyers share; opened again where it breaks.
#[derive(Clone)]
pub struct Redis {
    pool: RedisPool,
    connection: Arc<Mutex<Option<MultiplexedConnection>>>,
}

impl Redis {
    /// # Errors
    ///
    /// The URL is not one.
    pub(crate) fn new(url: &str) -> Result<Self, StrategyError> {
        let pool = Config::from_url(url).create_pool(Some(Runtime::Tokio1));
        Ok(Self {
            pool: pool.map_err(wrong)?,
            connection: Arc::default(),
        })
    }

    /// Sends a command, such as `["DECRBY", "key", "2"]`; none where Redis answers nil.
    ///
    /// # Errors
    ///
    /// Redis does not answer, or not with a number.
    pub async fn number(&self, command: &[&str]) -> Result<Option<i64>, StrategyError> {
        let mut sent = cmd(command.first().copied().unwrap_or_default());
        sent.arg(command.get(1..).unwrap_or_default());
        self.call(async |conn| sent.query_async(conn).await).await
    }

    /// Runs a script in one step, which nobody else's command comes between. In it
    /// `KEYS[1]` is the key, `ARGV[1]` the first argument.
    ///
    /// # Errors
    ///
    /// As [`number`](Self::number), or the script fails.
    pub async fn script(
        &self,
        lua: &str,
        key: &str,
        arguments: &[&str],
    ) -> Result<Option<i64>, StrategyError> {
        let script = Script::new(lua);
        let mut run = script.key(key);
        for argument in arguments {
            run.arg(*argument);
        }
        self.call(async |conn| run.invoke_async(conn).await).await
    }

    async fn call<T: FromRedisValue>(
        &self,
        asking: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, StrategyError> {
        let asking = async { asking(&mut self.connect().await?).await };
        let late = |_| Err(std::io::Error::other("Redis takes too long").into());
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        let answer = answer.unwrap_or_else(late);
        if answer.is_err() {
            *self.connection.lock().await = None;
        }
        answer.map_err(wrong)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = &*connection {
            return Ok(open.clone());
        }
        let opened = self.pool.get().await.map_err(std::io::Error::other)?;
        Ok(connection.insert(Connection::take(opened)).clone())
    }
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> StrategyError {
    StrategyError::Store {
        store: Store::Redis,
        source: Box::new(error),
    }
}
