//! What can go wrong between us and PostgreSQL, and what it means to a buyer.

use std::time::Duration;

use deadpool::managed::TimeoutType;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use diesel_async::pooled_connection::deadpool::{BuildError, PoolError};
use flash_core::{InvalidInput, Store, StrategyError};
use tokio_postgres::error::SqlState;

use crate::tls::TlsError;
use crate::url::InvalidUrl;

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
    /// A row stayed locked by somebody else for longer than a statement may wait.
    #[error("a row stayed locked for too long")]
    LockTimeout,
    /// A statement wrote another number of rows than it was to write.
    #[error("{written} rows were written instead of {intended}")]
    Miscounted {
        /// How many rows should have been written.
        intended: usize,
        /// How many rows PostgreSQL says it wrote.
        written: usize,
    },
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
    Url(#[from] InvalidUrl),
    /// There is no TLS with PostgreSQL, or with another than it should be.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A connection outside of a pool could not be opened.
    #[error("cannot connect to PostgreSQL")]
    Connect(#[source] tokio_postgres::Error),
    /// PostgreSQL accepted a connection and then said nothing.
    #[error("PostgreSQL does not answer")]
    Silent,
    /// PostgreSQL is a standby, which takes no writes.
    #[error("PostgreSQL is a standby: it can be read, not written")]
    Standby,
    /// The connection URL names no host, or none whose address is known.
    #[error("the database URL names no host that has an address")]
    NoAddress,
    /// A new connection could not be prepared for use.
    #[error("cannot prepare a connection to PostgreSQL")]
    Prepare(#[from] diesel::ConnectionError),
    /// Connections share back ends.
    #[error(
        "a pooler lends its connections for one transaction at a time, and a sale needs them \
         for itself: set pool_mode = session in PgBouncer, or connect to PostgreSQL itself"
    )]
    Pooler,
    /// The schema is older than this program.
    #[error(
        "the schema is older than this program: run `server migrate` as the role that owns \
         the tables"
    )]
    OldSchema,
    /// Others use the tables that a migration needs for itself.
    #[error(
        "a migration is pending, and others use the tables all the time: end the long \
         transactions, or run `server migrate` when fewer buy"
    )]
    TablesInUse,
    /// The schema could not be brought up to date.
    #[error("the migration failed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl DbError {
    /// Whether the connection may be to blame: what was prepared on it is out of date, it
    /// leads to what has become a standby, or it broke. Nothing was done, and on a fresh
    /// connection the same may succeed.
    #[must_use]
    pub fn may_be_stale(&self) -> bool {
        use DatabaseErrorKind::{
            CheckViolation, ExclusionViolation, ForeignKeyViolation, NotNullViolation,
            SerializationFailure, UniqueViolation,
        };
        match self {
            Self::Query(QueryError::NotFound) => false,
            Self::Query(QueryError::DatabaseError(kind, _)) => !matches!(
                kind,
                UniqueViolation
                    | ForeignKeyViolation
                    | SerializationFailure
                    | NotNullViolation
                    | CheckViolation
                    | ExclusionViolation
            ),
            Self::Query(_) | Self::Silent | Self::Standby => true,
            _ => false,
        }
    }

    /// The same, or a lock time-out if a statement failed that had `waited` for as long as
    /// it may wait for a row: nothing else that we do takes so long and fails.
    ///
    /// diesel keeps the message of PostgreSQL and drops its SQLSTATE (55P03), and messages
    /// are in the language of the server.
    #[must_use]
    pub fn after(self, waited: Duration, lock_wait: Duration) -> Self {
        match self {
            Self::Query(QueryError::DatabaseError(DatabaseErrorKind::Unknown, _))
                if !lock_wait.is_zero() && waited >= lock_wait =>
            {
                Self::LockTimeout
            }
            other => other,
        }
    }

    /// Whether there was no connection because nobody listens, or because PostgreSQL starts,
    /// stops, recovers or is a standby.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Silent | Self::Standby | Self::NoAddress => true,
            Self::Connect(error) => error
                .code()
                .is_none_or(|code| *code == SqlState::CANNOT_CONNECT_NOW),
            _ => false,
        }
    }

    /// Whether there is no use in trying again: the password, the role, the database or the
    /// certificate is wrong.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::Connect(error) => error.code().is_some_and(|code| {
                // Classes 28, invalid authorization, and 3D, invalid catalog name.
                code.code().starts_with("28") || code.code().starts_with("3D")
            }),
            _ => false,
        }
    }

    /// Whether PostgreSQL itself gave this as its reason, and `other` is only that nobody
    /// answered.
    pub(crate) fn tells_more_than(&self, other: Option<&Self>) -> bool {
        let rank = |error: &Self| match error {
            Self::Connect(error) if error.code().is_some() => 3,
            Self::Tls(_) => 3,
            Self::Standby => 2,
            Self::Silent => 0,
            _ => 1,
        };
        other.is_none_or(|other| rank(self) >= rank(other))
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
        match error {
            DbError::Query(QueryError::NotFound) => Self::UnknownSku,
            DbError::KeyReused => Self::KeyReused,
            DbError::UnknownOrder => Self::UnknownOrder,
            DbError::Commit(_) => Self::OutcomeUnknown,
            DbError::LockTimeout
            | DbError::Pool(PoolError::Timeout(TimeoutType::Wait)) => Self::Busy,
            _ => Self::Store {
                store: Store::PostgreSql,
                source: Box::new(error),
            },
        }
    }
}

/// Says that a statement wrote as many rows as it was to write.
///
/// # Errors
///
/// [`DbError::Miscounted`]: a trigger, a rule or a row-level policy has swallowed some.
pub fn expect_rows(intended: usize, written: usize) -> Result<(), DbError> {
    if written == intended {
        Ok(())
    } else {
        Err(DbError::Miscounted { intended, written })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK_WAIT: Duration = Duration::from_secs(5);

    fn said(kind: DatabaseErrorKind, message: &str) -> DbError {
        let message = Box::new(message.to_owned());
        DbError::Query(QueryError::DatabaseError(kind, message))
    }

    #[test]
    fn a_buyer_who_waited_too_long_for_a_row_is_told_busy_in_every_language() {
        let message = "storniere Anfrage wegen Zeitüberschreitung einer Sperre";
        let error = said(DatabaseErrorKind::Unknown, message);
        let error = error.after(LOCK_WAIT, LOCK_WAIT);
        assert!(matches!(StrategyError::from(error), StrategyError::Busy));
    }

    #[test]
    fn what_fails_at_once_is_named() {
        let message = "could not extend file: No space left on device";
        let error = said(DatabaseErrorKind::Unknown, message);
        let error = error.after(Duration::ZERO, LOCK_WAIT);
        assert!(error.may_be_stale());
        assert!(matches!(
            StrategyError::from(error),
            StrategyError::Store {
                store: Store::PostgreSql,
                ..
            }
        ));
    }

    #[test]
    fn a_connection_is_not_to_blame_for_what_the_buyers_do() {
        assert!(said(DatabaseErrorKind::ReadOnlyTransaction, "").may_be_stale());
        assert!(!said(DatabaseErrorKind::UniqueViolation, "").may_be_stale());
        assert!(!DbError::from(QueryError::NotFound).may_be_stale());
        assert!(!DbError::LockTimeout.may_be_stale());
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
