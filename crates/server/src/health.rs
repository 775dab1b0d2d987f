//! `/livez`: the process answers. `/readyz`: a purchase can succeed.

use std::sync::atomic::Ordering;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use flash_core::InventoryStrategy;
use serde::Serialize;
use utoipa::ToSchema;

use crate::metrics::Attempts;
use crate::probe::PROBE_TIMEOUT;
use crate::site::Site;
use crate::troubles;

/// The process answers.
#[derive(Serialize, ToSchema)]
struct Live {
    /// Always `live`.
    #[schema(example = "live")]
    status: &'static str,
}

/// Whether the server can sell.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ready`, `not-ready` or `draining`.
    #[schema(example = "ready")]
    status: &'static str,
    /// Which implementation sells.
    #[schema(example = "engine")]
    strategy: &'static str,
    /// Whether PostgreSQL answers.
    postgresql: bool,
    /// Whether Redis answers; null without Redis.
    #[schema(required)]
    redis: Option<bool>,
}

/// Ask whether the process answers
#[utoipa::path(
    get, path = "/livez", tag = "watching",
    responses((status = 200, description = "It does", body = Live)),
)]
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Live { status: "live" })
}

/// Ask whether the server can sell
#[utoipa::path(
    get, path = "/readyz", tag = "watching",
    responses(
        (status = 200, description = "It can", body = Ready),
        (status = 503, description = "It is draining, or a store is away", body = Ready),
    ),
)]
pub(crate) async fn ready<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    attempts: web::Data<Attempts>,
) -> HttpResponse {
    let draining = site.draining.load(Ordering::Relaxed);
    let (accepted, answered) = (attempts.accepted(), attempts.answered());
    let connecting = tokio::time::timeout(PROBE_TIMEOUT, site.strategy_pool.get());
    let probing = site.probe.of(&site.pool, &site.strategy);
    let (probed, connected) = tokio::join!(probing, connecting);
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
    let postgresql = taken && connected;

    // Without Redis buyers go straight to PostgreSQL.
    let ready = !draining && postgresql;
    let (status, word) = match (ready, draining) {
        (true, _) => (StatusCode::OK, "ready"),
        (false, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not-ready"),
    };
    HttpResponse::build(status).json(Ready {
        status: word,
        strategy: S::NAME,
        postgresql,
        redis: probed.redis,
    })
}
