//! The counter in Redis that the crowd meets first: a hint, which lives a few seconds. Where
//! Redis is slow or fails, no sale fails: PostgreSQL decides alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{
    FromRedisValue, RedisError, Script, ScriptInvocation, cmd,
};
use deadpool_redis::{Config, Connection, Pool as RedisPool, Runtime};
use flash_core::{Placement, PurchaseRequest, Readiness, Sku, Store, StrategyError};
use flash_db::{Pool, orders, skus};
use tokio::sync::Mutex;

/// How long one call of Redis may take in all, before a buyer goes on without it.
const PATIENCE: Duration = Duration::from_millis(250);

/// How many names of orders one call brings to Redis: it serves nobody else meanwhile.
const NAMES_AT_ONCE: usize = 1_000;

/// The gates of all SKUs: in Redis, a hash with `free_units` and a field for each request
/// that was admitted: the units of its permit, or 0 for an order.
pub struct Gate {
    redis: RedisPool,
    /// All buyers share it. Taken away where it fails, and opened again.
    connection: Mutex<Option<MultiplexedConnection>>,
    prefix: String,
    lifetime_ms: u64,
    /// Held by who reconciles the gate of a SKU.
    turns: Mutex<HashMap<Sku, Arc<Mutex<()>>>>,
    is_away: AtomicBool,
    admit: Script,
    settle: Script,
    reconcile: Script,
}

impl Gate {
    /// Prepares gates in this Redis, with keys that begin with `prefix`, that live so long.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Store`] when the URL is not a Redis connection URL.
    pub fn new(url: &str, prefix: &str, life: Duration) -> Result<Self, StrategyError> {
        let redis = Config::from_url(url).create_pool(Some(Runtime::Tokio1));
        Ok(Self {
            redis: redis.map_err(failed)?,
            connection: Mutex::default(),
            prefix: prefix.to_owned(),
            lifetime_ms: life.as_millis().try_into().unwrap_or(u64::MAX),
            turns: Mutex::default(),
            is_away: AtomicBool::new(false),
            admit: Script::new(include_str!("admit.lua")),
            settle: Script::new(include_str!("settle.lua")),
            reconcile: Script::new(include_str!("reconcile.lua")),
        })
    }

    /// Whether a request may try for its units; where Redis does not say, it may.
    pub(crate) async fn admits(
        &self,
        pool: &Pool,
        request: &PurchaseRequest,
    ) -> Result<bool, StrategyError> {
        let mut admitted = self.ask(request).await;
        if let Ok(None) = admitted {
            let mut turns = self.turns.lock().await;
            let turn = Arc::clone(turns.entry(request.sku.clone()).or_default());
            drop(turns);
            let _turn = turn.lock().await;
            admitted = self.ask(request).await;
            if let Ok(None) = admitted {
                let reconciled = self.reconcile(pool, request).await;
                self.turns.lock().await.remove(&request.sku);
                reconciled?;
                admitted = self.ask(request).await;
            }
        }
        Ok(admitted.ok().flatten().unwrap_or(true))
    }

    /// Says what became of a request that was let through.
    pub(crate) async fn settle(
        &self,
        request: &PurchaseRequest,
        placement: &Result<Placement, StrategyError>,
    ) {
        let outcome = match placement {
            Ok(Placement::Accepted { replayed, .. }) if *replayed => "replayed",
            Ok(Placement::Accepted { .. }) => "accepted",
            Err(StrategyError::OutcomeUnknown) => return,
            _ => "none",
        };
        let mut settle = self.settle.key(self.key(&request.sku));
        settle.arg(name_of(request)).arg(outcome);
        // Where Redis does not hear of it, the next gate does.
        let _: Result<(), _> = self.run(&settle).await;
    }

    /// Removes the gate of a SKU, so that the next buyer reconciles it.
    pub(crate) async fn remove(&self, sku: &Sku) {
        let del = cmd("DEL").arg(self.key(sku)).to_owned();
        // Where Redis does not hear of it, the gate lives to its end.
        let _ = self.call(async |conn| del.exec_async(conn).await).await;
    }

    /// Reads the free units of a gate; none where it is not there.
    pub(crate) async fn free_units(
        &self,
        sku: &Sku,
    ) -> Result<Option<i64>, StrategyError> {
        let read = cmd("HGET").arg(self.key(sku)).arg("free_units").to_owned();
        let reading = async |conn: &mut _| read.query_async(conn).await;
        self.call(reading).await.map_err(failed)
    }

    /// Whether Redis takes what is written, to a gate of no SKU.
    pub(crate) async fn ready(&self) -> Readiness {
        let mut write = self.reconcile.key(format!("{}hybrid-probe", self.prefix));
        let written = self.run(write.arg(self.lifetime_ms).arg(0)).await;
        Readiness {
            redis: Some(written.map_err(failed)),
            ..Readiness::default()
        }
    }

    /// Whether a request is admitted; none where there is no gate.
    async fn ask(&self, request: &PurchaseRequest) -> Result<Option<bool>, RedisError> {
        let mut admit = self.admit.key(self.key(&request.sku));
        admit.arg(name_of(request)).arg(request.units.get());
        let admitted = self.run(&admit).await?;
        if admitted == Some(true) && self.is_away.swap(false, Ordering::Relaxed) {
            tracing::warn!("Redis can be used again");
        }
        Ok(admitted)
    }

    /// Loads the gate from PostgreSQL. Where Redis does not take all of it, nobody is
    /// refused, and PostgreSQL decides.
    async fn reconcile(
        &self,
        pool: &Pool,
        request: &PurchaseRequest,
    ) -> Result<(), StrategyError> {
        let mut conn = pool.get().await?;
        let free = skus::stock(&mut conn, &request.sku).await?.available_units;
        let names = orders::keys_of_sku(&mut conn, &request.sku).await?;
        for names in names.chunks(NAMES_AT_ONCE) {
            let mut part = self.reconcile.key(self.key(&request.sku));
            part.arg(self.lifetime_ms).arg("");
            for (buyer_id, order_key) in names {
                part.arg(format!("{buyer_id} {order_key}"));
            }
            let Ok(()) = self.run(&part).await else {
                return Ok(());
            };
        }
        let mut end = self.reconcile.key(self.key(&request.sku));
        let _: Result<(), _> = self.run(end.arg(self.lifetime_ms).arg(free)).await;
        Ok(())
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        self.call(async |conn| script.invoke_async(conn).await)
            .await
    }

    async fn call<T>(
        &self,
        asking: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let asking = async { asking(&mut self.connect().await?).await };
        let late = |_| Err(std::io::Error::other("Redis takes too long").into());
        let answer = tokio::time::timeout(PATIENCE, asking).await;
        let answer = answer.unwrap_or_else(late);
        if let Err(reason) = &answer {
            *self.connection.lock().await = None;
            if !self.is_away.swap(true, Ordering::Relaxed) {
                tracing::warn!(%reason, "Redis cannot be used; PostgreSQL decides alone");
            }
        }
        answer
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = &*connection {
            return Ok(open.clone());
        }
        let opened = self.redis.get().await.map_err(std::io::Error::other)?;
        // It leaves the pool, which therefore is never full.
        Ok(connection.insert(Connection::take(opened)).clone())
    }

    fn key(&self, sku: &Sku) -> String {
        format!("{}{{{sku}}}:hybrid", self.prefix)
    }
}

fn name_of(request: &PurchaseRequest) -> String {
    format!("{} {}", request.buyer_id, request.idempotency_key)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StrategyError {
    StrategyError::Store {
        store: Store::Redis,
        source: Box::new(error),
    }
}
