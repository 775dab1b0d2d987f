//! The second room: Redis admits as many as fit and refuses the rest from memory.
//!
//! What it says is a hint. Too many admitted is caught by the vault; too few is mended
//! by giving permits back.

use deadpool_redis::redis::{Script, ScriptInvocation};
use deadpool_redis::{Connection, Manager, Pool, PoolError, Runtime, TimeoutType};
use flash_core::{PurchaseRequest, Sku, Store, StrategyError};
use tokio::sync::Mutex;

use crate::gate::{
    REDIS_TIMEOUT, connection_config, gate_key, invalid_url, unavailable,
};
use crate::vault::{GateState, Vault};

/// How often to load a gate that is lost again and again before giving up.
const LOAD_ATTEMPTS: usize = 3;

/// How many orders one call of the load script takes: it holds up all other buyers for
/// well under a millisecond.
const ORDERS_PER_LOAD: usize = 500;

/// What the bouncer says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// A permit was taken for it.
    Admitted,
    /// An earlier request with the same key took a permit or has an order.
    KnownKey,
    /// Fewer units are free than it asks for.
    NotEnough,
    /// The buyer would have more than the limit.
    LimitReached,
}

pub(crate) struct Bouncer {
    pool: Pool,
    admit: Script,
    release: Script,
    load: Script,
    /// Held while this process loads a gate: a crowd that finds it closed waits for one
    /// loader and does not ask PostgreSQL a thousand times.
    loading: Mutex<()>,
}

impl Bouncer {
    pub(crate) fn new(
        redis_url: &str,
        pool_size: usize,
    ) -> Result<Self, StrategyError> {
        let manager = Manager::new_with_config(redis_url, connection_config())
            .map_err(invalid_url)?;
        let pool = Pool::builder(manager)
            .max_size(pool_size)
            .wait_timeout(Some(REDIS_TIMEOUT))
            .create_timeout(Some(REDIS_TIMEOUT))
            .recycle_timeout(Some(REDIS_TIMEOUT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StrategyError::Store {
                store: Store::Redis,
                source: Box::new(error),
            })?;
        Ok(Self {
            pool,
            admit: Script::new(include_str!("admit.lua")),
            release: Script::new(include_str!("release.lua")),
            load: Script::new(include_str!("load.lua")),
            loading: Mutex::new(()),
        })
    }

    /// Takes a permit for a request, in one atomic step of Redis. A gate that is not
    /// loaded, or was lost, is loaded from PostgreSQL first.
    pub(crate) async fn admit(
        &self,
        request: &PurchaseRequest,
        vault: &Vault,
    ) -> Result<Admission, StrategyError> {
        if let Some(admission) = self.ask(request).await? {
            return Ok(admission);
        }
        let _one_loader = self.loading.lock().await;
        for _ in 0..LOAD_ATTEMPTS {
            if let Some(admission) = self.ask(request).await? {
                return Ok(admission);
            }
            self.fill(&request.sku, vault.gate_state(&request.sku).await?)
                .await?;
        }
        Err(StrategyError::Unavailable {
            store: Store::Redis,
        })
    }

    /// Gives the permit of a request back, where there is one.
    ///
    /// A permit that cannot be given back stays taken: units that nobody can buy until
    /// the gate is loaded again.
    pub(crate) async fn release(&self, request: &PurchaseRequest) {
        let mut release = keys_of(&self.release, &request.sku);
        release
            .arg(request.buyer_id.as_str())
            .arg(key_token(request));
        let released = async {
            let mut conn = self.connection().await?;
            release
                .invoke_async::<()>(&mut conn)
                .await
                .map_err(unavailable)
        };
        if let Err(error) = released.await {
            tracing::warn!(sku = %request.sku, %error, "a permit was not given back");
        }
    }

    /// Runs the admit script; none means that the gate is not loaded.
    async fn ask(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Option<Admission>, StrategyError> {
        let mut conn = self.connection().await?;
        let mut admit = keys_of(&self.admit, &request.sku);
        admit
            .arg(request.buyer_id.as_str())
            .arg(key_token(request))
            .arg(request.units.get());
        let answer = admit
            .invoke_async::<String>(&mut conn)
            .await
            .map_err(unavailable)?;
        match answer.as_str() {
            "admitted" => Ok(Some(Admission::Admitted)),
            "known-key" => Ok(Some(Admission::KnownKey)),
            "not-enough" => Ok(Some(Admission::NotEnough)),
            "limit-reached" => Ok(Some(Admission::LimitReached)),
            "not-loaded" => Ok(None),
            other => Err(unavailable(other)),
        }
    }

    /// Loads the orders first and opens the gate last: a gate that is open knows them.
    async fn fill(&self, sku: &Sku, state: GateState) -> Result<(), StrategyError> {
        let mut conn = self.connection().await?;
        for orders in state.orders.chunks(ORDERS_PER_LOAD) {
            let mut load = keys_of(&self.load, sku);
            load.arg("orders");
            for order in orders {
                load.arg(&order.buyer_id)
                    .arg(token(&order.buyer_id, &order.idempotency_key))
                    .arg(order.units);
            }
            load.invoke_async::<()>(&mut conn)
                .await
                .map_err(unavailable)?;
        }
        let limit = state
            .per_buyer_limit
            .map(|l| l.to_string())
            .unwrap_or_default();
        let mut load = keys_of(&self.load, sku);
        load.arg("open").arg(state.available_units).arg(limit);
        load.invoke_async::<()>(&mut conn)
            .await
            .map_err(unavailable)
    }

    async fn connection(&self) -> Result<Connection, StrategyError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => StrategyError::Busy,
            error => unavailable(error),
        })
    }
}

fn keys_of<'a>(script: &'a Script, sku: &Sku) -> ScriptInvocation<'a> {
    let mut invocation = script.prepare_invoke();
    invocation
        .key(gate_key(sku))
        .key(format!("flash:{{{sku}}}:keys"))
        .key(format!("flash:{{{sku}}}:buyers"));
    invocation
}

fn key_token(request: &PurchaseRequest) -> String {
    token(request.buyer_id.as_str(), request.idempotency_key.as_str())
}

/// A buyer and a key in one text. Neither can contain a blank.
fn token(buyer_id: &str, idempotency_key: &str) -> String {
    format!("{buyer_id} {idempotency_key}")
}
