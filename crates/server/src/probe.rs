//! Whether the stores take what selling writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flash_core::{InventoryStrategy, Readiness, reason};
use flash_db::{DbError, Pool};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::troubles;

/// How long a store may take to answer: shorter than the probes of usual balancers.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a try serves those who ask next, so that a crowd of them costs one commit.
const FRESH: Duration = Duration::from_millis(500);

/// Tries whether the stores take what selling writes, one try at a time: PostgreSQL keeps a
/// process for each commit that it does not end.
#[derive(Default)]
pub struct Probe {
    tries: Mutex<Tries>,
    /// Whether the strategy was seen to have a gate.
    is_gated: Arc<AtomicBool>,
}

/// What PostgreSQL said to a try, and what the strategy.
type Tried = (Result<(), DbError>, Readiness);

#[derive(Default)]
struct Tries {
    running: Option<JoinHandle<Tried>>,
    last: Option<(Instant, Probed)>,
}

/// What a try has shown.
#[derive(Clone, Copy)]
pub(crate) struct Probed {
    /// Whether PostgreSQL takes it; none while it does not answer.
    pub(crate) postgresql: Option<bool>,
    /// The same of Redis; none where there is none.
    pub(crate) redis: Option<bool>,
}

impl Probe {
    /// Tries over this pool and asks this strategy, or waits for who does.
    pub(crate) async fn of<S: InventoryStrategy>(
        &self,
        pool: &Pool,
        strategy: &Arc<S>,
    ) -> Probed {
        let trying = async {
            let mut tries = self.tries.lock().await;
            if let Some((at, probed)) = tries.last
                && at.elapsed() < FRESH
            {
                return probed;
            }
            // What ended long ago, while nobody asked, says nothing any more.
            tries.running.take_if(|running| running.is_finished());
            let begin = || self.begin(pool.clone(), Arc::clone(strategy));
            let ended = tries.running.get_or_insert_with(begin).await;
            tries.running = None;
            // Whoever panics ends the process.
            let (written, ready) =
                ended.unwrap_or((Err(DbError::Silent), Readiness::default()));
            if let Err(error) = &written {
                troubles::tell(&reason(error));
                pool.renew();
            }
            let probed = Probed {
                postgresql: Some(written.is_ok() && ready.postgresql.is_ok()),
                redis: ready.redis.map(|it| it.is_ok()),
            };
            tries.last = Some((Instant::now(), probed));
            probed
        };
        let probed = tokio::time::timeout(PROBE_TIMEOUT, trying).await;
        probed.unwrap_or_else(|_elapsed| Probed {
            postgresql: None,
            redis: self.is_gated.load(Ordering::Relaxed).then_some(false),
        })
    }

    fn begin<S: InventoryStrategy>(
        &self,
        pool: Pool,
        strategy: Arc<S>,
    ) -> JoinHandle<Tried> {
        let is_gated = Arc::clone(&self.is_gated);
        tokio::spawn(async move {
            let asking = async {
                let ready = strategy.ready().await;
                is_gated.store(ready.redis.is_some(), Ordering::Relaxed);
                ready
            };
            tokio::join!(pool.probe(), asking)
        })
    }
}
