//! The bodies of requests, read within their limits.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::api_error::ApiError;

/// The largest body in bytes. The largest valid one is a tenth of it.
const MAX_BYTES: usize = 4096;

/// What a SKU starts with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"initial_units": 100, "per_buyer_limit": null}))]
pub(crate) struct NewSku {
    /// Units on sale at the start.
    #[schema(minimum = 0, maximum = 1_000_000_000, example = 100)]
    pub(crate) initial_units: i64,
    /// The most units one buyer may have; null is no limit.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub(crate) per_buyer_limit: Option<i64>,
}

/// Who buys how much.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// Names the buyer: 1 to 128 visible ASCII characters.
    #[schema(pattern = "^[!-~]{1,128}$", example = "ann")]
    pub(crate) buyer_id: String,
    /// How many units, all or none.
    #[schema(minimum = 1, maximum = 1_000_000, example = 1)]
    pub(crate) units: i64,
}

/// How much is added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUnits {
    /// How many units.
    #[schema(minimum = 1, maximum = 1_000_000, example = 50)]
    pub(crate) units: i64,
}

/// Reads and parses a body of at most 4096 bytes that arrives within `wait`.
pub(crate) async fn read_json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    wait: Duration,
) -> Result<T, ApiError> {
    if !has_json_type(request) {
        return Err(ApiError::not_json());
    }
    let Ok(bytes) = tokio::time::timeout(wait, read_bytes(payload)).await else {
        return Err(ApiError::body_too_slow());
    };
    let bytes = bytes?;
    // serde takes an array for a struct whose fields stand in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::invalid_body("the body must be a JSON object"));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        ApiError::invalid_body(format!("the body is not valid: {error}"))
    })
}

fn has_json_type(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

async fn read_bytes(mut payload: Payload) -> Result<Bytes, ApiError> {
    let mut bytes = Bytes::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::invalid_body(format!("the body could not be read: {error}"))
        })?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(ApiError::body_too_large(MAX_BYTES));
        }
        // Nearly always there is one chunk.
        bytes = if bytes.is_empty() {
            chunk
        } else {
            let mut joined = BytesMut::from(bytes);
            joined.extend_from_slice(&chunk);
            joined.freeze()
        };
    }
    Ok(bytes)
}
