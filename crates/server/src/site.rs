//! What all requests share, and how long each may work.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use flash_core::StrategyError;
use flash_db::Pool;

use crate::admin::AdminPolicy;
use crate::probe::Probe;

/// What a server may take and may wait for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Threads that serve connections.
    pub workers: usize,
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take, and again its body, and how long a client
    /// may take nothing of what is written to it (Linux).
    pub client_wait: Duration,
    /// How long a request may take in all before its outcome is unknown.
    pub request_timeout: Duration,
    /// How long requests in flight may take once the server stops.
    pub drain_wait: Duration,
}

/// What all requests share.
pub struct Site<S> {
    /// What sells.
    pub strategy: Arc<S>,
    /// Connections that serve buyers; here only to be watched.
    pub strategy_pool: Pool,
    /// Connections for everything that is not selling, so that a crowd cannot keep an
    /// operator out.
    pub pool: Pool,
    /// Who may make admin calls.
    pub admin: AdminPolicy,
    /// What it may take and wait for.
    pub limits: Limits,
    /// Whether there is a page at `/docs/`, of a megabyte and a half.
    pub docs: bool,
    /// Set once the server stops: `/readyz` is red, and each answer ends its connection.
    pub draining: Arc<AtomicBool>,
    /// Whether PostgreSQL takes what selling writes.
    pub probe: Probe,
}

impl<S> Site<S> {
    /// Does the work of a request, but not longer than a request may take. Where it fails
    /// for what may be the connection's fault it is done once more on another one; nothing
    /// was done then, and all that writes has a key of its own.
    pub(crate) async fn bounded<T, E>(
        &self,
        work: impl AsyncFn() -> Result<T, E>,
        late: StrategyError,
    ) -> Result<T, StrategyError>
    where
        StrategyError: From<E>,
    {
        let working = async {
            match work().await.map_err(StrategyError::from) {
                Err(error) if may_be_stale(&error) => {
                    self.pool.renew();
                    self.strategy_pool.renew();
                    Ok(work().await?)
                }
                result => result,
            }
        };
        match tokio::time::timeout(self.limits.request_timeout, working).await {
            Ok(result) => result,
            Err(_elapsed) => Err(late),
        }
    }
}

fn may_be_stale(error: &StrategyError) -> bool {
    let StrategyError::Store { source, .. } = error else {
        return false;
    };
    source
        .downcast_ref()
        .is_some_and(flash_db::DbError::may_be_stale)
}
