//! `/livez`: the process answers. `/readyz`: it can sell.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use flash_core::InventoryStrategy;
use serde_json::json;

use crate::serve::Site;

/// How long a store may take to answer: shorter than the probes of usual balancers.
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

pub(crate) async fn ready<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
) -> HttpResponse {
    let draining = site.draining.load(Ordering::Relaxed);
    let postgresql = tokio::time::timeout(PROBE_TIMEOUT, site.pool.ping()).await;
    let redis = match &site.gate {
        Some(gate) => Some(tokio::time::timeout(PROBE_TIMEOUT, gate.ping()).await),
        None => None,
    };
    let postgresql = matches!(postgresql, Ok(Ok(())));
    let redis = redis.map(|answer| matches!(answer, Ok(Ok(()))));

    let ready = !draining && postgresql && redis.unwrap_or(true);
    let (status, word) = match (ready, draining) {
        (true, _) => (StatusCode::OK, "ready"),
        (false, true) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not-ready"),
    };
    HttpResponse::build(status).json(json!({
        "status": word,
        "strategy": S::NAME,
        "postgresql": postgresql,
        "redis": redis,
    }))
}
