//! Reads the gate for the audit. It shares nothing with the rooms but the key names.

use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{self, AsyncConnectionConfig, Client, RedisError};
use flash_core::{Sku, Store, StrategyError};

/// How long Redis may take to connect or to answer. It answers in well under a
/// millisecond; a Redis that needs seconds is as good as none.
pub(crate) const REDIS_TIMEOUT: Duration = Duration::from_secs(2);

/// The key of the hash that holds `free_units` and `per_buyer_limit`. All keys of a SKU
/// share the hash tag, so that Redis Cluster keeps them in one place.
pub(crate) fn gate_key(sku: &Sku) -> String {
    format!("flash:{{{sku}}}:gate")
}

pub(crate) fn connection_config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(REDIS_TIMEOUT))
        .set_response_timeout(Some(REDIS_TIMEOUT))
}

/// Names Redis as what cannot be reached. What it said goes to the log: the buyer can do
/// nothing with it.
pub(crate) fn unavailable(error: impl std::fmt::Display) -> StrategyError {
    tracing::debug!(%error, "Redis did not answer");
    StrategyError::Unavailable {
        store: Store::Redis,
    }
}

/// Redis' side of the books, for `gate_drift_units`.
#[derive(Clone)]
pub struct Gate {
    client: Client,
}

impl Gate {
    /// Prepares to read from this Redis. It connects at each reading.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Store`] when the URL is not a Redis connection URL.
    pub fn new(redis_url: &str) -> Result<Self, StrategyError> {
        let client = Client::open(redis_url).map_err(invalid_url)?;
        Ok(Self { client })
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Unavailable`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn ping(&self) -> Result<(), StrategyError> {
        let mut conn = self.connect().await?;
        redis::cmd("PING")
            .exec_async(&mut conn)
            .await
            .map_err(unavailable)
    }

    /// Units that Redis would still admit; none where it has not loaded the SKU.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Unavailable`].
    ///
    /// # Cancel safety
    ///
    /// Reads only.
    pub async fn free_units(&self, sku: &Sku) -> Result<Option<i64>, StrategyError> {
        let mut conn = self.connect().await?;
        redis::cmd("HGET")
            .arg(gate_key(sku))
            .arg("free_units")
            .query_async(&mut conn)
            .await
            .map_err(unavailable)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, StrategyError> {
        self.client
            .get_multiplexed_async_connection_with_config(&connection_config())
            .await
            .map_err(unavailable)
    }
}

pub(crate) fn invalid_url(error: RedisError) -> StrategyError {
    StrategyError::Store {
        store: Store::Redis,
        source: Box::new(error),
    }
}
