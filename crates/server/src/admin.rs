//! Who may create SKUs and read audits.

use actix_web::HttpRequest;
use actix_web::http::header;
use subtle::ConstantTimeEq;

use crate::api_error::ApiError;

/// What an admin call needs.
#[derive(Debug, Clone)]
pub enum AdminPolicy {
    /// `Authorization: Bearer` with this token.
    Token(String),
    /// Nothing: only this machine can reach the server.
    OpenOnLoopback,
    /// Nobody may: the server can be reached from elsewhere and has no token.
    Closed,
}

impl AdminPolicy {
    /// Allows or refuses a call.
    pub(crate) fn check(&self, request: &HttpRequest) -> Result<(), ApiError> {
        match self {
            Self::OpenOnLoopback => Ok(()),
            Self::Closed => Err(ApiError::unauthorized(
                "admin calls are off: the server has no ADMIN_TOKEN and does not listen \
                 on loopback only",
            )),
            Self::Token(token) => {
                let sent = request
                    .headers()
                    .get(header::AUTHORIZATION)
                    .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
                let matches =
                    sent.is_some_and(|sent| sent.ct_eq(token.as_bytes()).into());
                if matches {
                    Ok(())
                } else {
                    Err(ApiError::unauthorized(
                        "send Authorization: Bearer ADMIN_TOKEN",
                    ))
                }
            }
        }
    }
}
