//! The stores that a server sells from, given or private.

use std::time::{Duration, Instant};

use anyhow::Context;
use flash_core::reason;
use flash_db::DbError;
use flash_sandbox::{Options, Sandbox};
use tokio::sync::OnceCell;

use crate::cli::Settings;
use crate::telemetry::say;

/// How often to try again while the stores do not answer at start.
pub(crate) const START_RETRY: Duration = Duration::from_millis(200);

/// The stores that were given, or private ones that end with this value.
pub(crate) struct Stores {
    /// PostgreSQL.
    pub(crate) database_url: String,
    _postgresql: Option<Sandbox>,
    /// Redis, from when it is asked for.
    redis: OnceCell<(String, Option<Sandbox>)>,
}

impl Stores {
    /// Finds or starts PostgreSQL, waits for it and brings the schema up to date.
    pub(crate) async fn open(
        settings: &Settings,
        deadline: Instant,
    ) -> anyhow::Result<Self> {
        let (database_url, sandbox) = match &settings.database_url {
            Some(url) => (url.clone(), None),
            None => {
                let sandbox = start(settings, false).await?;
                let url = sandbox.database_url().context("there is no database")?;
                (url.to_owned(), Some(sandbox))
            }
        };
        wait_for_postgresql(&database_url, deadline).await?;
        Ok(Self {
            database_url,
            _postgresql: sandbox,
            redis: OnceCell::new(),
        })
    }

    /// Finds or starts Redis.
    pub(crate) async fn redis_url(&self, settings: &Settings) -> anyhow::Result<&str> {
        let finding = async || match &settings.redis_url {
            Some(url) => Ok((url.clone(), None)),
            None => {
                let sandbox = start(settings, true).await?;
                let url = sandbox.redis_url().context("there is no Redis")?;
                anyhow::Ok((url.to_owned(), Some(sandbox)))
            }
        };
        let (url, _) = self.redis.get_or_try_init(finding).await?;
        Ok(url)
    }
}

/// Starts one private store, and says so.
async fn start(settings: &Settings, redis: bool) -> anyhow::Result<Sandbox> {
    let options = Options {
        postgres: !redis,
        redis,
        tcp: settings.sandbox_tcp,
        max_connections: u32::from(settings.pool_size + settings.lanes) + 30,
        ..Options::default()
    };
    let starting = tokio::task::spawn_blocking(move || Sandbox::start(&options));
    let sandbox = starting.await??;
    say(sandbox.announce());
    Ok(sandbox)
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
