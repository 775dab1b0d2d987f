//! `/livez`: the process answers. `/readyz`: a purchase can succeed.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use flash_core::{InventoryStrategy, reason};
use flash_db::DbError;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::metrics::Attempts;
use crate::serve::Site;
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
}

/// What PostgreSQL said to a try, and whether Redis took it.
type Tried = (Result<(), DbError>, Option<bool>);

#[derive(Default)]
struct Tries {
    running: Option<JoinHandle<Tried>>,
    last: Option<(Instant, Probed)>,
}

/// What a try has shown.
#[derive(Clone, Copy)]
struct Probed {
    /// Whether PostgreSQL takes it; none while it does not answer.
    postgresql: Option<bool>,
    /// The same of Redis; none where there is none.
    redis: Option<bool>,
}

impl Probe {
    async fn of<S>(&self, site: &Site<S>) -> Probed {
        let trying = async {
            let mut tries = self.tries.lock().await;
            if let Some((at, probed)) = tries.last
                && at.elapsed() < FRESH
            {
                return probed;
            }
            let (pool, gate) = (site.pool.clone(), site.gate.clone());
            // What ended long ago, while nobody asked, says nothing any more.
            tries.running.take_if(|running| running.is_finished());
            let running = tries.running.get_or_insert_with(|| {
                tokio::spawn(async move {
                    let redis = async {
                        match &gate {
                            Some(gate) => Some(gate.probe().await.is_ok()),
                            None => None,
                        }
                    };
                    tokio::join!(pool.probe(), redis)
                })
            });
            let ended = running.await;
            tries.running = None;
            // Whoever panics ends the process.
            let (postgresql, redis) = ended.unwrap_or((Err(DbError::Silent), None));
            if let Err(error) = &postgresql {
                troubles::tell(&reason(error));
                site.pool.renew();
            }
            let postgresql = Some(postgresql.is_ok());
            let probed = Probed { postgresql, redis };
            tries.last = Some((Instant::now(), probed));
            probed
        };
        let silent = Probed {
            postgresql: None,
            redis: site.gate.as_ref().map(|_| false),
        };
        let probed = tokio::time::timeout(PROBE_TIMEOUT, trying).await;
        probed.unwrap_or(silent)
    }
}

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

pub(crate) async fn ready<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    attempts: web::Data<Attempts>,
) -> HttpResponse {
    let draining = site.draining.load(Ordering::Relaxed);
    let (accepted, answered) = (attempts.accepted(), attempts.answered());
    let connecting = tokio::time::timeout(PROBE_TIMEOUT, site.strategy_pool.get());
    let (probed, connected) = tokio::join!(site.probe.of(&site), connecting);
    // Under a crowd there may be no time to find out, but then purchases are seen to be
    // answered.
    let taken = probed.postgresql;
    let taken = taken.unwrap_or_else(|| attempts.accepted() > accepted);
    let connected = matches!(connected, Ok(Ok(_))) || attempts.answered() > answered;
    if !taken && probed.postgresql.is_none() {
        troubles::tell(
            "PostgreSQL does not end a commit: it waits for a disk or a standby",
        );
    }
    let postgresql =
        taken && connected && site.strategy.ready().await.postgresql.is_ok();

    // Without Redis buyers go straight to PostgreSQL.
    let ready = !draining && postgresql;
    let (status, word) = match (ready, draining) {
        (true, _) => (StatusCode::OK, "ready"),
        (false, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not-ready"),
    };
    HttpResponse::build(status).json(json!({
        "status": word,
        "strategy": S::NAME,
        "postgresql": postgresql,
        "redis": probed.redis,
    }))
}
