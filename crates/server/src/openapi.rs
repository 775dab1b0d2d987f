//! The description of the HTTP contract: what stands at each call, put together.

use actix_web::web::Bytes;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr};
use utoipa::{Modify, OpenApi};

use crate::problem::header;
use crate::{docs, health, metrics, routes};

/// The whole description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flash sale",
        description = "Sells limited stock to a crowd: all or nothing, each key once, \
            never more than there is.\n\nEvery refusal and failure is a problem document \
            (RFC 9457) with a stable `code`. A path that does not exist is 404 \
            `not-found`, a method that a path does not have 405 `method-not-allowed`. \
            After 503 send the same request again with the same `Idempotency-Key`. \
            HEAD works wherever GET does. An `X-Request-Id` of 1 to 128 of `A-Za-z0-9._:-` \
            is kept, any other replaced.",
    ),
    servers((url = "/", description = "This server")),
    tags(
        (name = "buyers", description = "What a crowd calls"),
        (name = "admin", description = "What an operator calls; needs the admin token"),
        (name = "watching", description = "What machines call"),
    ),
    paths(
        routes::create_sku, routes::read_sku, routes::place_order, routes::read_order,
        routes::cancel_order, routes::restock_sku, routes::audit_sku, health::live,
        health::ready, metrics::show, docs::document, docs::redirect, docs::page,
    ),
    components(schemas(crate::api_error::ProblemDocument<'static>)),
    modifiers(&AdminToken, &RequestIds),
)]
struct ApiDoc;

/// Writes the description.
pub(crate) fn document() -> serde_json::Result<Bytes> {
    Ok(serde_json::to_vec(&ApiDoc::openapi())?.into())
}

/// Says how an admin call is allowed.
struct AdminToken;

impl Modify for AdminToken {
    fn modify(&self, document: &mut Document) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some(
            "The value of ADMIN_TOKEN. A server without one needs none, as long as it \
             listens on loopback only and the call is sent directly to a loopback name."
                .to_owned(),
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("admin", SecurityScheme::Http(bearer));
    }
}

/// Adds the header that all answers have.
struct RequestIds;

impl Modify for RequestIds {
    fn modify(&self, document: &mut Document) {
        let items = document.paths.paths.values_mut();
        let calls =
            items.flat_map(|item| [&mut item.get, &mut item.put, &mut item.post]);
        for call in calls.flatten() {
            for response in call.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    let id = header("The id that stands in the log");
                    response.headers.insert("x-request-id".into(), RefOr::T(id));
                }
            }
        }
    }
}
