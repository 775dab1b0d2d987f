//! The stores that a server sells from, given or private.

use std::time::{Duration, Instant};

use anyhow::Context;
use flash_core::reason;
use flash_db::DbError;
use flash_sandbox::{Options, Sandbox};
use tokio::sync::OnceCell;

use crate::cli::{Migrations, Settings};
use crate::secrets::{Invalid, check_secrets};
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
        wait_for_postgresql(&database_url, deadline, settings.migrate).await?;
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

/// Runs `server migrate`.
pub(crate) async fn migrate(settings: &Settings) -> anyhow::Result<()> {
    check_secrets(settings)?;
    let Some(url) = &settings.database_url else {
        return Err(Invalid::from("give --database-url (DATABASE_URL)").into());
    };
    let deadline = Instant::now() + settings.start_wait;
    wait_for_postgresql(url, deadline, Migrations::Run).await?;
    say("the schema is up to date");
    Ok(())
}

/// Sees to the schema as soon as PostgreSQL lets us in.
async fn wait_for_postgresql(
    url: &str,
    deadline: Instant,
    migrations: Migrations,
) -> anyhow::Result<()> {
    let mut told = false;
    loop {
        let wait = deadline.saturating_duration_since(Instant::now());
        match prepare(url, wait, migrations).await {
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

async fn prepare(
    url: &str,
    wait: Duration,
    migrations: Migrations,
) -> Result<(), DbError> {
    flash_db::check_session(url).await?;
    match migrations {
        Migrations::Run => flash_db::migrate(url, wait).await,
        Migrations::Check => flash_db::check_schema(url).await,
        Migrations::Off => Ok(()),
    }
}
