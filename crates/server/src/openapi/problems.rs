//! What each call answers when it does not do what was asked.

use serde_json::{Value, json};
use utoipa::Modify;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{
    ContentBuilder, Header, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr,
    Response, ResponseBuilder, Type,
};

use crate::code::Code;

/// Adds the problems and the headers that all answers have.
pub(super) struct Problems;

type Answers = &'static [(u16, &'static [Code])];

const UNREADABLE: [(u16, &[Code]); 3] = [
    (408, &[Code::InvalidRequest]),
    (413, &[Code::InvalidRequest]),
    (415, &[Code::InvalidRequest]),
];

const CHANGE_FAILED: &[Code] = &[Code::Busy, Code::Unavailable, Code::OutcomeUnknown];
const READ_FAILED: &[Code] = &[Code::Busy, Code::Unavailable];
const KEY: &[Code] = &[Code::KeyMissing, Code::InvalidRequest];
const KEYED_BODY: &[Code] = &[Code::InvalidRequest, Code::KeyReused];

/// The problems of a call, by its name.
fn answers(call: &str) -> Answers {
    match call {
        "create_sku" => &[
            (401, &[Code::Unauthorized]),
            (409, &[Code::SkuExists]),
            (422, &[Code::InvalidRequest]),
            (503, CHANGE_FAILED),
        ],
        "read_sku" => &[(404, &[Code::UnknownSku]), (503, READ_FAILED)],
        "place_order" => &[
            (400, KEY),
            (404, &[Code::UnknownSku]),
            (409, &[Code::SoldOut, Code::LimitReached]),
            (422, KEYED_BODY),
            (503, CHANGE_FAILED),
        ],
        "read_order" => &[(404, &[Code::UnknownOrder]), (503, READ_FAILED)],
        "cancel_order" => &[(404, &[Code::UnknownOrder]), (503, CHANGE_FAILED)],
        "restock_sku" => &[
            (400, KEY),
            (401, &[Code::Unauthorized]),
            (404, &[Code::UnknownSku]),
            (422, KEYED_BODY),
            (503, CHANGE_FAILED),
        ],
        "audit_sku" => &[
            (401, &[Code::Unauthorized]),
            (404, &[Code::UnknownSku]),
            (503, READ_FAILED),
        ],
        _ => &[],
    }
}

impl Modify for Problems {
    fn modify(&self, document: &mut OpenApi) {
        let items = document.paths.paths.values_mut();
        let calls =
            items.flat_map(|item| [&mut item.get, &mut item.put, &mut item.post]);
        for call in calls.flatten() {
            add_problems(call);
            for response in call.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    let id = header("The id that stands in the log");
                    response.headers.insert("x-request-id".into(), RefOr::T(id));
                }
            }
        }
    }
}

fn add_problems(call: &mut Operation) {
    let known = answers(call.operation_id.as_deref().unwrap_or_default());
    let unreadable = call.request_body.iter().flat_map(|_body| UNREADABLE);
    for (status, codes) in known.iter().copied().chain(unreadable) {
        let response = problem(status, codes);
        let responses = &mut call.responses.responses;
        responses.insert(status.to_string(), RefOr::T(response));
    }
}

fn problem(status: u16, codes: &[Code]) -> Response {
    let examples = codes.iter().map(|code| {
        let example = ExampleBuilder::new().value(Some(example(status, *code)));
        (code.as_str(), example.build())
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .examples_from_iter(examples)
        .build();
    let names: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    let response = ResponseBuilder::new()
        .description(names.join(", "))
        .content("application/problem+json", content);
    match status {
        401 => response.header("WWW-Authenticate", header("`Bearer`")),
        503 => {
            response.header("Retry-After", header("Seconds to wait; then try again"))
        }
        _ => response,
    }
    .build()
}

fn example(status: u16, code: Code) -> Value {
    let title = actix_web::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    json!({
        "type": format!("urn:flash-sale:{code}"), "title": title, "status": status,
        "code": code, "detail": "what exactly went wrong",
        "request_id": "019aae2e-5a40-7c3e-9f43-0d6a7c1b2e11",
    })
}

fn header(description: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(description))
        .build()
}
