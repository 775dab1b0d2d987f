//! What can go wrong between us and PostgreSQL, and what it means to a buyer.

use deadpool::managed::TimeoutType;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel_async::pooled_connection::deadpool::{BuildError, PoolError};
use flash_core::{InvalidInput, Store, StrategyError};
use tokio_postgres::error::SqlState;

/// An error of a query, of the pool, or of the rules that a query serves.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// A statement failed; the transaction around it is rolled back.
    #[error("the statement failed")]
    Query(#[from] QueryError),
    /// No connection could be had.
    #[error("no connection to PostgreSQL")]
    Pool(#[from] PoolError),
    /// The pool could not be made.
    #[error("the pool could not be made")]
    Build(#[from] BuildError),
    /// COMMIT failed, so that the transaction is there or it is not.
    #[error("the outcome of COMMIT is unknown")]
    Commit(#[source] QueryError),
    /// The buyer used this key for a request with other contents.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// There is no such order.
    #[error("unknown order")]
    UnknownOrder,
    /// A row holds what this version does not allow.
    #[error("a row is not valid")]
    InvalidRow(#[from] InvalidInput),
    /// The connection URL is not one.
    #[error("the database URL is not valid")]
    Url(#[source] tokio_postgres::Error),
    /// A connection outside of a pool could not be opened.
    #[error("cannot connect to PostgreSQL")]
    Connect(#[source] tokio_postgres::Error),
    /// PostgreSQL accepted a connection and then said nothing.
    #[error("PostgreSQL does not answer")]
    Silent,
    /// A new connection could not be prepared for use.
    #[error("cannot prepare a connection to PostgreSQL")]
    Prepare(#[from] diesel::ConnectionError),
    /// The schema could not be brought up to date.
    #[error("the migration failed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DbError {
    /// Whether PostgreSQL itself refused a statement, so that the connection it was sent
    /// on can be used again after a rollback.
    #[must_use]
    pub fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Query(QueryError::DatabaseError(kind, info)) => {
                !matches!(
                    kind,
                    DatabaseErrorKind::UnableToSendCommand
                        | DatabaseErrorKind::ClosedConnection
                ) && !is_shutdown(info.message())
            }
            Self::KeyReused | Self::UnknownOrder | Self::InvalidRow(_) => true,
            _ => false,
        }
    }

    /// Whether there was no connection because nobody listens, or because PostgreSQL starts,
    /// stops or recovers.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Silent => true,
            Self::Connect(error) => error
                .code()
                .is_none_or(|code| *code == SqlState::CANNOT_CONNECT_NOW),
            _ => false,
        }
    }

    /// Whether a UNIQUE constraint stopped the statement.
    #[must_use]
    pub fn is_unique_violation(&self) -> bool {
        matches!(
            self,
            Self::Query(QueryError::DatabaseError(
                DatabaseErrorKind::UniqueViolation,
                _
            ))
        )
    }
}

/// A phase reads the SKU's row with `first`: no row means that there is no such SKU.
/// Every other query asks with `optional`.
impl From<DbError> for StrategyError {
    fn from(error: DbError) -> Self {
        const UNAVAILABLE: StrategyError = StrategyError::Unavailable {
            store: Store::PostgreSql,
        };
        match error {
            DbError::Query(QueryError::NotFound) => Self::UnknownSku,
            DbError::KeyReused => Self::KeyReused,
            DbError::UnknownOrder => Self::UnknownOrder,
            DbError::Commit(_) => Self::OutcomeUnknown,
            DbError::Pool(PoolError::Timeout(TimeoutType::Wait)) => Self::Busy,
            DbError::Pool(_)
            | DbError::Connect(_)
            | DbError::Silent
            | DbError::Prepare(_) => UNAVAILABLE,
            DbError::Query(QueryError::DatabaseError(kind, ref info)) => match kind {
                DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ClosedConnection => UNAVAILABLE,
                _ if is_lock_timeout(info.message()) => Self::Busy,
                _ if is_shutdown(info.message()) => UNAVAILABLE,
                _ => postgresql_failed(error),
            },
            _ => postgresql_failed(error),
        }
    }
}

fn postgresql_failed(error: DbError) -> StrategyError {
    StrategyError::Store {
        store: Store::PostgreSql,
        source: Box::new(error),
    }
}

// diesel keeps the message and drops the SQLSTATE. Where PostgreSQL speaks another
// language these two fall back to `Store`, which buyers are told to retry as well.

/// SQLSTATE 55P03.
fn is_lock_timeout(message: &str) -> bool {
    message.contains("lock timeout")
}

/// SQLSTATE 57P01 to 57P03: stopping, crashed, starting.
fn is_shutdown(message: &str) -> bool {
    message.starts_with("terminating connection")
        || message.starts_with("the database system is")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_postgresql(message: &str) -> StrategyError {
        DbError::Query(QueryError::DatabaseError(
            DatabaseErrorKind::Unknown,
            Box::new(message.to_owned()),
        ))
        .into()
    }

    #[test]
    fn a_buyer_who_waited_too_long_for_a_row_is_told_busy() {
        assert!(matches!(
            from_postgresql("canceling statement due to lock timeout"),
            StrategyError::Busy
        ));
    }

    #[test]
    fn a_stopping_server_is_unavailable_and_any_other_trouble_is_named() {
        assert!(matches!(
            from_postgresql("terminating connection due to administrator command"),
            StrategyError::Unavailable {
                store: Store::PostgreSql
            }
        ));
        assert!(matches!(
            from_postgresql("could not extend file: No space left on device"),
            StrategyError::Store {
                store: Store::PostgreSql,
                ..
            }
        ));
    }

    #[test]
    fn a_failed_commit_is_never_reported_as_a_failure() {
        let broken = QueryError::BrokenTransactionManager;
        assert!(matches!(
            StrategyError::from(DbError::Commit(broken)),
            StrategyError::OutcomeUnknown
        ));
    }
}
