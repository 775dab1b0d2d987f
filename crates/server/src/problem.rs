//! What goes wrong: the one table of statuses and codes, as `/openapi.json` shows it, too.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use flash_core::Code;
use serde_json::json;
use utoipa::IntoResponses;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::{
    ContentBuilder, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response,
    ResponseBuilder, Type,
};

/// The status and the code of one thing that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
}

/// A code has one status; only what cannot be read has several.
impl Problem {
    pub(crate) const KEY_MISSING: Self =
        Self::new(StatusCode::BAD_REQUEST, Code::KeyMissing);
    pub(crate) const BAD_KEY: Self =
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidRequest);
    pub(crate) const UNAUTHORIZED: Self =
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthorized);
    pub(crate) const UNKNOWN_SKU: Self =
        Self::new(StatusCode::NOT_FOUND, Code::UnknownSku);
    pub(crate) const UNKNOWN_ORDER: Self =
        Self::new(StatusCode::NOT_FOUND, Code::UnknownOrder);
    pub(crate) const NO_ROUTE: Self = Self::new(StatusCode::NOT_FOUND, Code::NotFound);
    pub(crate) const NO_METHOD: Self =
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::MethodNotAllowed);
    pub(crate) const SLOW_BODY: Self =
        Self::new(StatusCode::REQUEST_TIMEOUT, Code::InvalidRequest);
    pub(crate) const SOLD_OUT: Self = Self::new(StatusCode::CONFLICT, Code::SoldOut);
    pub(crate) const LIMIT_REACHED: Self =
        Self::new(StatusCode::CONFLICT, Code::LimitReached);
    pub(crate) const SKU_EXISTS: Self =
        Self::new(StatusCode::CONFLICT, Code::SkuExists);
    pub(crate) const LARGE_BODY: Self =
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidRequest);
    pub(crate) const NOT_JSON: Self =
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidRequest);
    pub(crate) const BAD_BODY: Self =
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::InvalidRequest);
    pub(crate) const KEY_REUSED: Self =
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, Code::KeyReused);
    pub(crate) const BUSY: Self =
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Busy);
    pub(crate) const UNAVAILABLE: Self =
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable);
    pub(crate) const OUTCOME_UNKNOWN: Self =
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::OutcomeUnknown);

    const fn new(status: StatusCode, code: Code) -> Self {
        Self { status, code }
    }

    fn example(self) -> Example {
        let Self { status, code } = self;
        let document = json!({
            "type": format!("urn:flash-sale:{code}"), "title": status.canonical_reason(),
            "status": status.as_u16(), "code": code, "detail": "what exactly went wrong",
            "request_id": "019aae2e-5a40-7c3e-9f43-0d6a7c1b2e11",
        });
        ExampleBuilder::new().value(Some(document)).build()
    }
}

/// Defines what the descriptions of calls name: the problems that belong together.
macro_rules! refusals {
    ($($name:ident: $($problem:ident),+;)+) => {
        $(
            pub(crate) enum $name {}

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    describe(&[$(Problem::$problem),+])
                }
            }
        )+
    };
}

refusals! {
    KeyRefused: KEY_MISSING, BAD_KEY;
    NotAllowed: UNAUTHORIZED;
    NoSuchSku: UNKNOWN_SKU;
    NoSuchOrder: UNKNOWN_ORDER;
    NotSold: SOLD_OUT, LIMIT_REACHED;
    TermsDiffer: SKU_EXISTS;
    BodyRefused: SLOW_BODY, LARGE_BODY, NOT_JSON, BAD_BODY;
    KeyedBodyRefused: SLOW_BODY, LARGE_BODY, NOT_JSON, BAD_BODY, KEY_REUSED;
    ReadFailed: BUSY, UNAVAILABLE;
    ChangeFailed: BUSY, UNAVAILABLE, OUTCOME_UNKNOWN;
}

/// Describes problems, one answer for each status.
fn describe(problems: &[Problem]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status = BTreeMap::<_, Vec<_>>::new();
    for problem in problems {
        by_status.entry(problem.status).or_default().push(*problem);
    }
    let described = by_status.into_iter().map(|(status, problems)| {
        let response = response(status, &problems);
        (status.as_str().to_owned(), RefOr::T(response))
    });
    described.collect()
}

fn response(status: StatusCode, problems: &[Problem]) -> Response {
    let examples = problems.iter().map(|it| (it.code.as_str(), it.example()));
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let names: Vec<_> = problems.iter().map(|it| format!("`{}`", it.code)).collect();
    let response = ResponseBuilder::new()
        .description(names.join(", "))
        .content("application/problem+json", content);
    match status {
        StatusCode::UNAUTHORIZED => {
            response.header("WWW-Authenticate", header("`Bearer`"))
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            response.header("Retry-After", header("Seconds to wait; then try again"))
        }
        _ => response,
    }
    .build()
}

/// Describes a header.
pub(crate) fn header(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(description))
        .build()
}
