//! Pools of connections: how many, and how long to wait for one.
//!
//! # Cancel safety
//!
//! A connection that is dropped inside a transaction is closed, not reused. PostgreSQL rolls
//! the transaction back, unless its COMMIT was under way: then it is there or it is not. A
//! future of [`Pool::warm_up`] that is dropped leaves some connections open.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use diesel::result::Error as QueryError;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool as Deadpool};
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{
    AnsiTransactionManager, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
    TransactionManager,
};

use flash_core::reason;
use futures_util::future::try_join_all;
use uuid::Uuid;

use crate::url::Target;
use crate::{DbError, connect_bounded, expect_rows};

/// How old a connection is at least that is taken for stale. Whatever fails on a younger one
/// fails on every one, and opening others all the time would only add to the trouble.
const STALE_AGE: Duration = Duration::from_millis(100);

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
    lock_wait: Duration,
}

impl Pool {
    /// Makes a pool. It connects when a connection is first asked for.
    ///
    /// # Errors
    ///
    /// [`DbError::Url`] when the URL is not a PostgreSQL connection URL.
    pub fn new(url: &str, options: PoolOptions) -> Result<Self, DbError> {
        url.parse::<Target>()?;

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
            .runtime(deadpool::Runtime::Tokio1)
            .build()?;
        Ok(Self { inner, lock_wait })
    }

    /// Opens all connections now, so that the first buyers do not wait for them, and a
    /// pool that is larger than PostgreSQL allows is found at start.
    ///
    /// # Errors
    ///
    /// [`DbError::Pool`].
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
    pub async fn get(&self) -> Result<Connection, DbError> {
        Ok(Connection {
            inner: self.inner.get().await?,
            lock_wait: self.lock_wait,
            begun: Instant::now(),
        })
    }

    /// Closes the connections that nobody works with: whatever made one of them fail may be
    /// the matter with all.
    pub fn renew(&self) {
        self.inner.retain(|_, metrics| metrics.age() < STALE_AGE);
    }

    /// Does what selling does, as [`probe`] says. While PostgreSQL does not end the commit, it
    /// keeps a process for it, also for who does not wait: do not start many.
    ///
    /// # Errors
    ///
    /// [`DbError::Pool`] or [`DbError::Query`] says why nothing can be sold.
    pub async fn probe(&self) -> Result<(), DbError> {
        let mut conn = self.begin().await?;
        let probed = probe(&conn).await;
        match conn.end(probed).await {
            // Nothing depends on the outcome.
            Err(DbError::Commit(error)) => Err(error.into()),
            ended => ended,
        }
    }

    /// Waits for a free connection and begins a READ COMMITTED transaction on it.
    ///
    /// # Errors
    ///
    /// [`DbError::Pool`] or [`DbError::Query`].
    pub async fn begin(&self) -> Result<Connection, DbError> {
        let mut conn = self.get().await?;
        match AnsiTransactionManager::begin_transaction(&mut *conn).await {
            Ok(()) => Ok(conn),
            Err(error) => {
                conn.retire();
                Err(error.into())
            }
        }
    }
}

/// Does in the caller's transaction what selling does and takes it back, then writes to the
/// log, so that COMMIT waits for the disk and the standbys that it has to wait for.
///
/// # Errors
///
/// [`DbError::Query`]: a right is missing, nothing can be written, a table is not as it
/// should be.
pub async fn probe(mut conn: &AsyncPgConnection) -> Result<(), DbError> {
    let id = Uuid::now_v7();
    conn.batch_execute(
        "SELECT sku, available_units, per_buyer_limit, fence FROM skus
          WHERE false FOR NO KEY UPDATE;
         SAVEPOINT probe",
    )
    .await?;
    let insert = diesel::sql_query(format!(
        "INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
         VALUES ('{id}', 'probe', 'probe', '{id}', 1, now())"
    ));
    expect_rows(1, insert.execute(&mut conn).await?)?;
    conn.batch_execute(
        "ROLLBACK TO SAVEPOINT probe;
         SELECT pg_logical_emit_message(true, 'flash', 'probe')",
    )
    .await?;
    Ok(())
}

/// Tells what an error of COMMIT means. Where the connection can still be used it was
/// PostgreSQL's answer, and nothing was committed; else nobody knows.
pub async fn failed_commit(mut conn: &AsyncPgConnection, error: QueryError) -> DbError {
    match conn.batch_execute("ROLLBACK").await {
        Ok(()) => DbError::Query(error),
        Err(_) => DbError::Commit(error),
    }
}

/// One connection of a [`Pool`]; dropping it gives it back.
pub struct Connection {
    inner: Object<AsyncPgConnection>,
    lock_wait: Duration,
    begun: Instant,
}

impl Connection {
    /// Ends the transaction: commits a result, rolls back an error.
    ///
    /// # Errors
    ///
    /// The error that it was given, or [`DbError::Commit`] when COMMIT failed.
    pub async fn end<T>(&mut self, result: Result<T, DbError>) -> Result<T, DbError> {
        let conn = &mut **self;
        match result {
            Ok(value) => match AnsiTransactionManager::commit_transaction(conn).await {
                Ok(()) => Ok(value),
                Err(error) => Err(failed_commit(conn, error).await),
            },
            Err(error) => {
                // The pool closes a connection with an open transaction, and PostgreSQL
                // then rolls back. What stopped the work says more than what stopped the
                // rollback.
                drop(AnsiTransactionManager::rollback_transaction(conn).await);
                let error = error.after(self.begun.elapsed(), self.lock_wait);
                if error.may_be_stale() {
                    self.retire();
                }
                Err(error)
            }
        }
    }

    /// Sees to it that the pool closes this connection and hands it to nobody again.
    fn retire(&mut self) {
        if Object::metrics(&self.inner).age() >= STALE_AGE {
            AnsiTransactionManager::transaction_manager_status_mut(&mut **self)
                .set_in_error();
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

async fn open(url: String, lock_wait: Duration) -> ConnectionResult<AsyncPgConnection> {
    connect_bounded(&url, lock_wait)
        .await
        .map_err(|error| ConnectionError::BadConnection(reason(&error)))
}
