//! The stores of a sale: given, or private and gone afterwards.

use anyhow::Context;
use diesel_async::SimpleAsyncConnection;
use flash_sandbox::{Options, Sandbox};

use crate::cli::StoreArgs;
use crate::progress::Progress;

/// Connections to PostgreSQL besides the server's pool for buyers: its admin calls, its
/// migration, the audit, and those that PostgreSQL keeps for superusers.
const SPARE_CONNECTIONS: u32 = 30;

/// Where the stores are. What was started ends with this value.
pub struct Stores {
    /// PostgreSQL.
    pub database_url: String,
    /// Redis, where it is used.
    pub redis_url: Option<String>,
    /// What was started.
    pub sandbox: Option<Sandbox>,
}

impl Stores {
    /// Takes what is given and starts what is not.
    ///
    /// # Errors
    ///
    /// They cannot be started.
    pub async fn open(
        given: StoreArgs,
        with_redis: bool,
        pool_size: u16,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let options = Options {
            postgres: given.database_url.is_none(),
            redis: with_redis && given.redis_url.is_none(),
            // Without it commits are too short for a fair race.
            fsync: true,
            max_connections: u32::from(pool_size) + SPARE_CONNECTIONS,
            ..Options::default()
        };
        let mut stores = Self {
            database_url: given.database_url.unwrap_or_default(),
            redis_url: given.redis_url.filter(|_| with_redis),
            sandbox: None,
        };
        if options.postgres || options.redis {
            progress.step("starting private stores");
            let sandbox = start(options).await?;
            // Without the ways in: nobody has the time to paste them.
            progress.note(sandbox.announce().lines().next().unwrap_or_default());
            if let Some(url) = sandbox.database_url() {
                stores.database_url = url.to_owned();
            }
            if let Some(url) = sandbox.redis_url() {
                stores.redis_url = Some(url.to_owned());
            }
            stores.sandbox = Some(sandbox);
        }
        Ok(stores)
    }

    /// How to look into what was started, for as long as it is there.
    pub fn ways_in(&self) -> Option<String> {
        let announcement = self.sandbox.as_ref()?.announce();
        Some(announcement.split_once('\n')?.1.to_owned())
    }

    /// Makes a database of its own in the same PostgreSQL, beside the one that is here.
    /// It ends with the private stores that it was made from.
    ///
    /// # Errors
    ///
    /// PostgreSQL does not make it.
    pub async fn beside(
        &self,
        database: &str,
        with_redis: bool,
    ) -> anyhow::Result<Self> {
        let mut conn = flash_db::connect(&self.database_url).await?;
        conn.batch_execute(&format!("CREATE DATABASE {database}"))
            .await
            .with_context(|| format!("cannot make the database {database}"))?;
        let (head, parameters) = self
            .database_url
            .split_once('?')
            .context("the URL of the database has no parameters")?;
        let (server, _) = head.rsplit_once('/').context("the URL names no database")?;
        Ok(Self {
            database_url: format!("{server}/{database}?{parameters}"),
            redis_url: self.redis_url.clone().filter(|_| with_redis),
            sandbox: None,
        })
    }
}

/// Starts private stores.
///
/// # Errors
///
/// A program that is missing, or stores that do not start.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn start(options: Options) -> anyhow::Result<Sandbox> {
    Ok(tokio::task::spawn_blocking(move || Sandbox::start(&options)).await??)
}
