//! Stores of one's own for each test, in one sandbox for each test process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use flash_db::{Pool, PoolOptions};
use flash_lab_wire::Store;
use flash_sandbox::{Options, PgBouncer, PoolMode, Sandbox};
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::{Authority, Cable, WAIT};

/// The database with the schema that each test's database is a copy of.
const TEMPLATE: &str = "flash_template";

/// Connections of one test's strategy: enough for every race that a test forces.
const POOL_SIZE: usize = 8;

/// Where in the sandbox those find what to trust who speak TLS.
const ROOT_FILE: &str = "root.crt";

/// Lives as long as the process: the sandbox is gone when the process is.
static SANDBOX: OnceCell<Sandbox> = OnceCell::const_new();

/// As long as its sandbox, which the tests of the process share.
static PGBOUNCERS: [Mutex<Option<PgBouncer>>; 2] = [Mutex::new(None), Mutex::new(None)];

/// Redis has 1024 databases in the sandbox; a process has fewer tests.
static NEXT_REDIS_DATABASE: AtomicU32 = AtomicU32::new(1);

/// A database with the schema in it, and an empty Redis database.
pub struct Stores {
    database_url: String,
    redis_url: String,
    directory: PathBuf,
}

impl Stores {
    /// Makes new stores that no other test can see.
    pub async fn new() -> anyhow::Result<Self> {
        Self::copy_of(TEMPLATE).await
    }

    /// The same without the schema.
    pub async fn empty() -> anyhow::Result<Self> {
        Self::copy_of("template0").await
    }

    async fn copy_of(template: &str) -> anyhow::Result<Self> {
        let sandbox = SANDBOX.get_or_try_init(start).await?;
        let server_url = sandbox.database_url().context("no PostgreSQL")?;
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut conn = flash_db::connect(server_url).await?;
        conn.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await?;
        let redis_database = NEXT_REDIS_DATABASE.fetch_add(1, Ordering::Relaxed);
        let redis_url = sandbox.redis_url().context("no Redis")?;
        Ok(Self {
            database_url: url_of(server_url, &name)?,
            redis_url: format!("{redis_url}?db={redis_database}"),
            directory: sandbox.dir().to_owned(),
        })
    }

    /// The connection URL of the database.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The connection URL of the Redis database.
    #[must_use]
    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// The same database by TCP and TLS, with a certificate that is looked at.
    pub fn database_url_over_tls(&self) -> anyhow::Result<String> {
        let sandbox = SANDBOX.get().context("no sandbox")?;
        let server_url = sandbox.database_tcp_url().context("no TCP")?;
        let server_url = server_url.replace("127.0.0.1", "localhost");
        let (server, _) = server_url.rsplit_once('/').context("no database")?;
        let root = sandbox.dir().join(ROOT_FILE);
        Ok(format!(
            "{server}/{}?sslmode=verify-full&channel_binding=require&sslrootcert={}",
            self.database()?,
            root.display()
        ))
    }

    /// The same database behind a PgBouncer.
    pub fn database_url_behind_pgbouncer(
        &self,
        mode: PoolMode,
    ) -> anyhow::Result<String> {
        let sandbox = SANDBOX.get().context("no sandbox")?;
        let [session, transaction] = &PGBOUNCERS;
        let pgbouncer = match mode {
            PoolMode::Session => session,
            PoolMode::Transaction => transaction,
        };
        let mut pgbouncer = pgbouncer.lock().unwrap_or_else(PoisonError::into_inner);
        let pgbouncer = match &mut *pgbouncer {
            Some(started) => started,
            none => none.insert(PgBouncer::start(sandbox, mode)?),
        };
        url_of(pgbouncer.database_url(), self.database()?)
    }

    /// The name of the database.
    pub fn database(&self) -> anyhow::Result<&str> {
        let (head, _) = self.database_url.split_once('?').context("no parameters")?;
        head.rsplit('/').next().context("no database")
    }

    /// A directory that all tests of the process share, and that goes with it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A pool for a strategy.
    pub fn pool(&self) -> anyhow::Result<Pool> {
        self.pool_with(PoolOptions {
            size: POOL_SIZE,
            ..PoolOptions::default()
        })
    }

    /// A pool with other limits.
    pub fn pool_with(&self, options: PoolOptions) -> anyhow::Result<Pool> {
        Ok(Pool::new(&self.database_url, options)?)
    }

    /// A cable to PostgreSQL, and the connection URL of its other end.
    pub async fn cable_to_postgresql(&self) -> anyhow::Result<(Cable, String)> {
        let (_, place) = self.database_url.split_once("?host=").context("no host")?;
        let (directory, port) = place.split_once("&port=").context("no port")?;
        let database = self.database()?;
        let socket = format!("{directory}/.s.PGSQL.{port}");
        let cable = Cable::open(Store::PostgreSQL, socket, None).await?;
        let url = format!("postgres://flash@{}/{database}", cable.address());
        Ok((cable, url))
    }

    /// A cable to Redis, and the connection URL of its other end.
    pub async fn cable_to_redis(&self) -> anyhow::Result<(Cable, String)> {
        let socket = self.redis_url.trim_start_matches("redis+unix://");
        let (socket, database) = socket.split_once("?db=").context("no database")?;
        let cable = Cable::open(Store::Redis, socket, None).await?;
        let url = format!("redis://{}/{database}", cable.address());
        Ok((cable, url))
    }

    /// Runs statements, as somebody would who goes past the server.
    pub async fn run(&self, statements: &str) -> anyhow::Result<()> {
        Ok(self.connect().await?.batch_execute(statements).await?)
    }

    /// A connection outside of any pool.
    pub async fn connect(&self) -> anyhow::Result<AsyncPgConnection> {
        Ok(flash_db::connect(&self.database_url).await?)
    }
}

async fn start() -> anyhow::Result<Sandbox> {
    let authority = Authority::new()?;
    // Nobody measures here, and no test outlives its process: no disk flushes.
    let options = Options {
        fsync: false,
        max_connections: 500,
        certificate: Some(authority.sign("localhost")?),
        ..Options::default()
    };
    let sandbox =
        tokio::task::spawn_blocking(move || Sandbox::start(&options)).await??;
    std::fs::write(sandbox.dir().join(ROOT_FILE), authority.root())?;

    let server_url = sandbox.database_url().context("no PostgreSQL")?;
    let mut conn = flash_db::connect(server_url).await?;
    conn.batch_execute(&format!("CREATE DATABASE {TEMPLATE}"))
        .await?;
    flash_db::migrate(&url_of(server_url, TEMPLATE)?, WAIT).await?;
    Ok(sandbox)
}

/// The URL of another database of the same server.
fn url_of(server_url: &str, database: &str) -> anyhow::Result<String> {
    let (head, parameters) = server_url.split_once('?').context("no parameters")?;
    let (server, _) = head.rsplit_once('/').context("no database")?;
    Ok(format!("{server}/{database}?{parameters}"))
}
