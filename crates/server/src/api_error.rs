//! Errors as HTTP has them, and what people are told. Their statuses: `problem`.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use flash_core::{Code, InvalidInput, Store, StrategyError};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::problem::Problem;

/// How long a buyer should wait before the next attempt, in seconds: long enough for a
/// queue to drain, short enough for a sale.
const RETRY_AFTER_SECONDS: &str = "1";

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A refusal or failure.
#[derive(Debug)]
pub(crate) struct ApiError {
    problem: Problem,
    detail: Cow<'static, str>,
    /// How many units are left where fewer are than were asked for.
    available_units: Option<i64>,
    /// What is possible where this method is not.
    allow: Option<&'static str>,
    /// What an operator should know and a buyer need not.
    cause: Option<Box<dyn Error>>,
}

impl ApiError {
    fn new(problem: Problem, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            problem,
            detail: detail.into(),
            available_units: None,
            allow: None,
            cause: None,
        }
    }

    pub(crate) fn code(&self) -> Code {
        self.problem.code
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
            ..Self::new(Problem::SOLD_OUT, detail)
        }
    }

    pub(crate) fn limit_reached() -> Self {
        let detail = "you would have more units than one buyer may have";
        Self::new(Problem::LIMIT_REACHED, detail)
    }

    pub(crate) fn key_missing() -> Self {
        let detail = "send an Idempotency-Key header: a new one for a new purchase, the \
                      same one for a retry";
        Self::new(Problem::KEY_MISSING, detail)
    }

    pub(crate) fn bad_key(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Problem::BAD_KEY, detail)
    }

    pub(crate) fn unknown_sku() -> Self {
        Self::new(Problem::UNKNOWN_SKU, "no such SKU was created")
    }

    pub(crate) fn unknown_order() -> Self {
        Self::new(Problem::UNKNOWN_ORDER, "there is no such order")
    }

    pub(crate) fn no_route(path: &str) -> Self {
        let detail = format!("there is nothing at {path}");
        Self::new(Problem::NO_ROUTE, detail)
    }

    pub(crate) fn method_not_allowed(method: &str, allow: &'static str) -> Self {
        let detail = format!("{method} is not possible here, only {allow}");
        Self {
            allow: Some(allow),
            ..Self::new(Problem::NO_METHOD, detail)
        }
    }

    pub(crate) fn terms_differ() -> Self {
        let detail = "the SKU exists with other values; nothing was changed";
        Self::new(Problem::SKU_EXISTS, detail)
    }

    pub(crate) fn unauthorized(detail: &'static str) -> Self {
        Self::new(Problem::UNAUTHORIZED, detail)
    }

    pub(crate) fn invalid_body(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Problem::BAD_BODY, detail)
    }

    pub(crate) fn body_too_large(max_bytes: usize) -> Self {
        let detail = format!("the body must not be larger than {max_bytes} bytes");
        Self::new(Problem::LARGE_BODY, detail)
    }

    pub(crate) fn body_too_slow() -> Self {
        let detail = "the body did not arrive in time";
        Self::new(Problem::SLOW_BODY, detail)
    }

    pub(crate) fn not_json() -> Self {
        let detail = "send the header content-type: application/json";
        Self::new(Problem::NOT_JSON, detail)
    }

    pub(crate) fn unavailable(store: Store) -> Self {
        let detail = format!("{store} is not available; nothing was done, try again");
        Self::new(Problem::UNAVAILABLE, detail)
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
        let Problem { status, code } = self.problem;
        let mut response = HttpResponse::build(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            response.force_close();
        }
        let problem = ProblemDocument {
            kind: code,
            title: status.canonical_reason(),
            status: status.as_u16(),
            code,
            detail: &self.detail,
            available_units: self.available_units,
            request_id,
        };
        response.content_type(PROBLEM_JSON).json(problem)
    }
}

// RFC 9457, section 3; `code`, `available_units` and `request_id` are extension members.
/// A refusal or failure (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    /// `urn:flash-sale:` and the code.
    #[serde(rename = "type", serialize_with = "urn")]
    #[schema(value_type = String, format = "uri")]
    kind: Code,
    /// The usual text of the status.
    #[schema(value_type = String)]
    title: Option<&'static str>,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong, for programs.
    code: Code,
    /// What went wrong, for people.
    detail: &'a str,
    /// How many units are left, with the code `sold-out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    available_units: Option<i64>,
    /// The id that stands in the log and in `x-request-id`.
    request_id: &'a str,
}

fn urn<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("urn:flash-sale:{code}"))
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem.code, self.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.problem.status
    }

    /// Only the status: the document follows where the id of the request is known.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.problem.status)
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
                Problem::KEY_REUSED,
                "this Idempotency-Key was sent with another request; take a new one",
            ),
            StrategyError::Busy => Self::new(
                Problem::BUSY,
                "too many buyers are waiting; nothing was done, try again",
            ),
            StrategyError::Unavailable { store } => Self::unavailable(store),
            StrategyError::OutcomeUnknown => Self::new(
                Problem::OUTCOME_UNKNOWN,
                "the order may or may not exist; ask again with the same Idempotency-Key",
            ),
            StrategyError::Store { store, source } => {
                Self::unavailable(store).because(source)
            }
            other => Self::new(Problem::UNAVAILABLE, "nothing was done, try again")
                .because(Box::new(other)),
        }
    }
}
