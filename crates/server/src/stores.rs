//! The stores that a server sells from, given or private.

use std::time::{Duration, Instant};

use anyhow::Context;
use flash_core::reason;
use flash_db::DbError;
use flash_engine::Gate;
use flash_sandbox::Sandbox;

use crate::cli::{Args, StrategyName};
use crate::telemetry::say;

/// How often to try again while the stores do not answer at start.
const START_RETRY: Duration = Duration::from_millis(200);

/// The stores that were given, or private ones that end with this value.
pub struct Stores {
    /// PostgreSQL.
    pub database_url: String,
    /// Redis, where the strategy has one.
    pub redis_url: Option<String>,
    /// Redis as the audit reads it.
    pub gate: Option<Gate>,
    _sandbox: Option<Sandbox>,
}

impl Stores {
    /// Finds or starts the stores, waits for them and brings the schema up to date.
    ///
    /// # Errors
    ///
    /// Says which store is missing or does not answer in time.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the private stores.
    pub async fn open(args: &Args) -> anyhow::Result<Self> {
        let hybrid =
            matches!(args.strategy, StrategyName::Hybrid | StrategyName::Engine);
        let options = flash_sandbox::Options {
            postgres: args.database_url.is_none(),
            redis: hybrid && args.redis_url.is_none(),
            tcp: args.sandbox_tcp,
            max_connections: u32::from(args.pool_size) + 30,
            ..flash_sandbox::Options::default()
        };
        let sandbox = if options.postgres || options.redis {
            let sandbox =
                tokio::task::spawn_blocking(move || Sandbox::start(&options)).await??;
            say(sandbox.announce());
            Some(sandbox)
        } else {
            None
        };

        let private = sandbox.as_ref();
        let database_url = args
            .database_url
            .clone()
            .or_else(|| private?.database_url().map(str::to_owned))
            .context("there is no database")?;
        let redis_url = args
            .redis_url
            .clone()
            .or_else(|| private?.redis_url().map(str::to_owned))
            .filter(|_| hybrid);

        let deadline = Instant::now() + args.start_wait;
        wait_for_postgresql(&database_url, deadline).await?;
        let gate = match &redis_url {
            Some(url) => Some(wait_for_redis(url, deadline).await?),
            None => None,
        };
        Ok(Self {
            database_url,
            redis_url,
            gate,
            _sandbox: sandbox,
        })
    }
}

/// Migrates as soon as PostgreSQL lets us in.
async fn wait_for_postgresql(url: &str, deadline: Instant) -> anyhow::Result<()> {
    let mut told = false;
    loop {
        let wait = deadline.saturating_duration_since(Instant::now());
        match flash_db::migrate(url, wait).await {
            Ok(()) => return Ok(()),
            Err(
                error @ (DbError::Connect(_)
                | DbError::Silent
                | DbError::Standby
                | DbError::NoAddress),
            ) if !error.is_refusal() && Instant::now() < deadline => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(reason = reason(&error), "waiting for PostgreSQL");
                }
                tokio::time::sleep(START_RETRY).await;
            }
            Err(error) => {
                let address = flash_db::address(url);
                return Err(error).context(format!(
                    "cannot use PostgreSQL at {address} (--database-url)"
                ));
            }
        }
    }
}

async fn wait_for_redis(url: &str, deadline: Instant) -> anyhow::Result<Gate> {
    let gate = Gate::new(url).context("the Redis URL is not valid")?;
    let mut told = false;
    loop {
        match gate.ping().await {
            Ok(()) => return Ok(gate),
            Err(error) if Instant::now() < deadline => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(reason = reason(&error), "waiting for Redis");
                }
                tokio::time::sleep(START_RETRY).await;
            }
            Err(error) => {
                let address = gate.address();
                return Err(error)
                    .context(format!("cannot use Redis at {address} (--redis-url)"));
            }
        }
    }
}
