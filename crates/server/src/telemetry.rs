//! Logging: what a line looks like and what a request leaves in it.

use std::io::IsTerminal;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use clap::ValueEnum;
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Pretty,
    /// For machines, one object per line
    Json,
}

/// Writes log lines to standard error from now on. `RUST_LOG` sets how many there are;
/// without it warnings of all and notices of the server.
pub fn start_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,flash_server=info,server=info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Pretty => lines.with_target(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// One span per request, with its id; one line per answer at level debug.
pub(crate) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let id = request_id(request).map(|id| id.to_string());
        tracing::info_span!(
            "request",
            id,
            method = %request.method(),
            path = request.path(),
        )
    }

    fn on_request_end<B: MessageBody>(
        span: Span,
        outcome: &Result<ServiceResponse<B>, Error>,
    ) {
        if let Ok(response) = outcome {
            tracing::debug!(parent: &span, status = response.status().as_u16(), "answered");
        }
    }
}

/// The id that the logging middleware gave to a request.
pub(crate) fn request_id(request: &ServiceRequest) -> Option<RequestId> {
    use actix_web::HttpMessage;
    request.extensions().get::<RequestId>().copied()
}
