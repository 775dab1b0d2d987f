//! Connections: how many, how long to wait for one, and what each is told first.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool as Deadpool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{
    AnsiTransactionManager, AsyncPgConnection, SimpleAsyncConnection,
    TransactionManager,
};

use flash_core::reason;
use futures_util::future::try_join_all;
use tokio_postgres::NoTls;
use tokio_postgres::config::Host;

use crate::DbError;

/// How long opening one connection may take. Local ones take milliseconds; a server
/// that accepts and then says nothing must not hold buyers for long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Limits of a pool.
#[derive(Debug, Clone, Copy)]
pub struct PoolOptions {
    /// The most connections open at once.
    pub size: usize,
    /// How long a request waits for a free connection before it is `Busy`.
    pub wait: Duration,
    /// How long a statement waits for a row lock before it is `Busy`.
    pub lock_wait: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            size: 32,
            wait: Duration::from_secs(10),
            lock_wait: Duration::from_secs(5),
        }
    }
}

/// What a pool has at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// The most connections it may open.
    pub max: usize,
    /// Connections that somebody works with.
    pub in_use: usize,
    /// Open connections that nobody works with.
    pub idle: usize,
    /// Requests that wait for a connection.
    pub waiting: usize,
}

/// A bounded pool of PostgreSQL connections.
#[derive(Clone)]
pub struct Pool {
    inner: Deadpool<AsyncPgConnection>,
}

impl Pool {
    /// Makes a pool. It connects when a connection is first asked for.
    ///
    /// # Errors
    ///
    /// [`DbError::Url`] when the URL is not a PostgreSQL connection URL.
    pub fn new(url: &str, options: PoolOptions) -> Result<Self, DbError> {
        url.parse::<tokio_postgres::Config>()
            .map_err(DbError::Url)?;

        let mut config = ManagerConfig::default();
        // A closed socket is seen without asking; a test query would cost each buyer
        // one more round trip.
        config.recycling_method = RecyclingMethod::Fast;
        let lock_wait = options.lock_wait;
        config.custom_setup =
            Box::new(move |url| Box::pin(open(url.to_owned(), lock_wait)));
        let manager = AsyncDieselConnectionManager::new_with_config(url, config);

        let inner = Deadpool::builder(manager)
            .max_size(options.size)
            .wait_timeout(Some(options.wait))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()?;
        Ok(Self { inner })
    }

    /// Opens all connections now, so that the first buyers do not wait for them, and a
    /// pool that is larger than PostgreSQL allows is found at start.
    ///
    /// # Errors
    ///
    /// [`DbError::Pool`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves some of them open.
    pub async fn warm_up(&self) -> Result<(), DbError> {
        let size = self.inner.status().max_size;
        try_join_all((0..size).map(|_| self.get())).await?;
        Ok(())
    }

    /// Counts the connections; asks nobody.
    #[must_use]
    pub fn status(&self) -> PoolStatus {
        let status = self.inner.status();
        PoolStatus {
            max: status.max_size,
            in_use: status.size.saturating_sub(status.available),
            idle: status.available,
            waiting: status.waiting,
        }
    }

    /// Waits for a free connection.
    ///
    /// # Errors
    ///
    /// [`DbError::Pool`]: none became free in time, or PostgreSQL does not let us in.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has no effect.
    pub async fn get(&self) -> Result<Connection, DbError> {
        Ok(Connection {
            inner: self.inner.get().await?,
        })
    }

    /// Asks PostgreSQL for an answer.
    ///
    /// # Errors
    ///
    /// [`DbError::Pool`] or [`DbError::Query`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has no effect.
    pub async fn ping(&self) -> Result<(), DbError> {
        Ok(self.get().await?.batch_execute("SELECT 1").await?)
    }

    /// Waits for a free connection and begins a READ COMMITTED transaction on it.
    ///
    /// # Errors
    ///
    /// [`DbError::Pool`] or [`DbError::Query`].
    ///
    /// # Cancel safety
    ///
    /// A connection that is dropped inside a transaction is closed, not reused, and
    /// PostgreSQL rolls the transaction back.
    pub async fn begin(&self) -> Result<Connection, DbError> {
        let mut conn = self.get().await?;
        AnsiTransactionManager::begin_transaction(&mut *conn).await?;
        Ok(conn)
    }
}

/// One connection of a [`Pool`]; dropping it gives it back.
pub struct Connection {
    inner: Object<AsyncPgConnection>,
}

impl Connection {
    /// Ends the transaction: commits a result, rolls back an error.
    ///
    /// # Errors
    ///
    /// The error that it was given, or [`DbError::Commit`] when COMMIT failed.
    ///
    /// # Cancel safety
    ///
    /// A dropped future closes the connection: the transaction is there or it is not.
    pub async fn end<T>(&mut self, result: Result<T, DbError>) -> Result<T, DbError> {
        let conn = &mut **self;
        match result {
            Ok(value) => AnsiTransactionManager::commit_transaction(conn)
                .await
                .map(|()| value)
                .map_err(DbError::Commit),
            Err(error) => {
                // The pool closes a connection with an open transaction, and PostgreSQL
                // then rolls back. What stopped the work says more than what stopped the
                // rollback.
                drop(AnsiTransactionManager::rollback_transaction(conn).await);
                Err(error)
            }
        }
    }
}

impl Deref for Connection {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.inner
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.inner
    }
}

/// Tells where a connection URL leads, without the secrets that it may hold.
#[must_use]
pub fn address(url: &str) -> String {
    let config = url.parse().unwrap_or(tokio_postgres::Config::new());
    let ports = config.get_ports();
    let port = |index| ports.get(index).or(ports.first()).unwrap_or(&5432);
    let names = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(directory) => directory.display().to_string(),
    });
    let numbers = config.get_hostaddrs().iter().skip(names.len());
    let hosts = names.chain(numbers.map(ToString::to_string)).enumerate();
    let places: Vec<_> = hosts
        .map(|(index, host)| format!("{host}:{}", port(index)))
        .collect();
    if places.is_empty() {
        return "an unknown address".to_owned();
    }
    places.join(", ")
}

/// Opens a connection outside of any pool.
///
/// # Errors
///
/// [`DbError::Connect`] or [`DbError::Silent`] says why there is none.
///
/// # Cancel safety
///
/// A dropped future leaves no connection open.
pub async fn connect(url: &str) -> Result<AsyncPgConnection, DbError> {
    let connecting = tokio_postgres::connect(url, NoTls);
    let (client, connection) = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .or(Err(DbError::Silent))?
        .map_err(DbError::Connect)?;
    Ok(AsyncPgConnection::try_from_client_and_connection(client, connection).await?)
}

/// Opens a connection outside of any pool, and bounds what it may wait for.
///
/// An owner that stops in the middle of a transaction must not keep a row locked for
/// ever: `idle_in_transaction_session_timeout` ends such a connection.
///
/// # Errors
///
/// As [`connect`], or [`DbError::Query`].
///
/// # Cancel safety
///
/// A dropped future leaves no connection open.
pub async fn connect_bounded(
    url: &str,
    lock_wait: Duration,
) -> Result<AsyncPgConnection, DbError> {
    let mut conn = connect(url).await?;
    conn.batch_execute(&format!(
        "SET lock_timeout = {}; SET idle_in_transaction_session_timeout = '10s'",
        lock_wait.as_millis()
    ))
    .await?;
    Ok(conn)
}

async fn open(url: String, lock_wait: Duration) -> ConnectionResult<AsyncPgConnection> {
    connect_bounded(&url, lock_wait)
        .await
        .map_err(|error| ConnectionError::BadConnection(reason(&error)))
}
