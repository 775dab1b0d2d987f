//! Reading a JSON body within its limits.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{BytesMut, Payload};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use crate::api_error::ApiError;

/// The largest body in bytes. The largest valid one is a tenth of it.
const MAX_BYTES: usize = 4096;

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
    serde_json::from_slice(&bytes?).map_err(|error| {
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

async fn read_bytes(mut payload: Payload) -> Result<BytesMut, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::invalid_body(format!("the body could not be read: {error}"))
        })?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(ApiError::body_too_large(MAX_BYTES));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
