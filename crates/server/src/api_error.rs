//! Errors as HTTP has them. The only place that knows status codes.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use flash_core::{InvalidInput, Store, StrategyError};
use serde::{Serialize, Serializer};

use crate::code::Code;

/// How long a buyer should wait before the next attempt, in seconds: long enough for a
/// queue to drain, short enough for a sale.
const RETRY_AFTER_SECONDS: &str = "1";

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A refusal or failure with its stable code.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: Code,
    detail: Cow<'static, str>,
    /// How many units are left where fewer are than were asked for.
    available_units: Option<i64>,
    /// What is possible where this method is not.
    allow: Option<&'static str>,
    /// What an operator should know and a buyer need not.
    cause: Option<Box<dyn Error>>,
}

impl ApiError {
    fn new(
        status: StatusCode,
        code: Code,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            available_units: None,
            allow: None,
            cause: None,
        }
    }

    pub(crate) fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn sold_out(available_units: Option<i64>) -> Self {
        let detail = match available_units {
            // Said to a crowd.
            Some(0) => Cow::Borrowed("nothing is left"),
            None => Cow::Borrowed("fewer units are left than you asked for"),
            Some(left) => format!("only {left} left, fewer than you asked for").into(),
        };
        Self {
            available_units,
            ..Self::new(StatusCode::CONFLICT, Code::SoldOut, detail)
        }
    }

    pub(crate) fn limit_reached() -> Self {
        let detail = "you would have more units than one buyer may have";
        Self::new(StatusCode::CONFLICT, Code::LimitReached, detail)
    }

    pub(crate) fn key_missing() -> Self {
        let detail = "send an Idempotency-Key header: a new one for a new purchase, the \
                      same one for a retry";
        Self::new(StatusCode::BAD_REQUEST, Code::KeyMissing, detail)
    }

    pub(crate) fn bad_key(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, detail)
    }

    pub(crate) fn unknown_sku() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::UnknownSku,
            "no such SKU was created",
        )
    }

    pub(crate) fn unknown_order() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::UnknownOrder,
            "there is no such order",
        )
    }

    pub(crate) fn no_route(path: &str) -> Self {
        let detail = format!("there is nothing at {path}");
        Self::new(StatusCode::NOT_FOUND, Code::NotFound, detail)
    }

    pub(crate) fn method_not_allowed(method: &str, allow: &'static str) -> Self {
        let detail = format!("{method} is not possible here, only {allow}");
        let (status, code) = (StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed);
        Self {
            allow: Some(allow),
            ..Self::new(status, code, detail)
        }
    }

    pub(crate) fn terms_differ() -> Self {
        let detail = "the SKU exists with other values; nothing was changed";
        Self::new(StatusCode::CONFLICT, Code::SkuExists, detail)
    }

    pub(crate) fn unauthorized(detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthorized, detail)
    }

    pub(crate) fn invalid_body(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            Code::InvalidRequest,
            detail,
        )
    }

    pub(crate) fn body_too_large(max_bytes: usize) -> Self {
        let detail = format!("the body must not be larger than {max_bytes} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidRequest, detail)
    }

    pub(crate) fn body_too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::InvalidRequest, detail)
    }

    pub(crate) fn not_json() -> Self {
        let detail = "send the header content-type: application/json";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::InvalidRequest,
            detail,
        )
    }

    pub(crate) fn unavailable(store: Store) -> Self {
        let detail = format!("{store} is not available; nothing was done, try again");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, detail)
    }

    fn unavailable_now(code: Code, detail: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// The same with what an operator should know.
    fn because(self, cause: Box<dyn Error>) -> Self {
        Self {
            cause: Some(cause),
            ..self
        }
    }

    /// What an operator should know.
    pub(crate) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref()
    }

    /// The problem document of the request with this id.
    pub(crate) fn problem(&self, request_id: &str) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            response.force_close();
        }
        let problem = Problem {
            kind: self.code,
            title: self.status.canonical_reason(),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            available_units: self.available_units,
            request_id,
        };
        response.content_type(PROBLEM_JSON).json(problem)
    }
}

/// A problem document.
///
/// # Source
///
/// RFC 9457, section 3; `code`, `available_units` and `request_id` are extension members.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type", serialize_with = "urn")]
    kind: Code,
    title: Option<&'static str>,
    status: u16,
    code: Code,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_units: Option<i64>,
    request_id: &'a str,
}

fn urn<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("urn:flash-sale:{code}"))
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    /// Only the status: the document follows where the id of the request is known.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status)
    }
}

impl From<InvalidInput> for ApiError {
    fn from(error: InvalidInput) -> Self {
        Self::invalid_body(error.to_string())
    }
}

impl From<StrategyError> for ApiError {
    fn from(error: StrategyError) -> Self {
        match error {
            StrategyError::UnknownSku => Self::unknown_sku(),
            StrategyError::UnknownOrder => Self::unknown_order(),
            StrategyError::KeyReused => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                Code::KeyReused,
                "this Idempotency-Key was sent with another request; take a new one",
            ),
            StrategyError::Busy => Self::unavailable_now(
                Code::Busy,
                "too many buyers are waiting; nothing was done, try again",
            ),
            StrategyError::Unavailable { store } => Self::unavailable(store),
            StrategyError::OutcomeUnknown => Self::unavailable_now(
                Code::OutcomeUnknown,
                "the order may or may not exist; ask again with the same Idempotency-Key",
            ),
            StrategyError::Store { store, source } => {
                Self::unavailable(store).because(source)
            }
            other => {
                Self::unavailable_now(Code::Unavailable, "nothing was done, try again")
                    .because(Box::new(other))
            }
        }
    }
}
