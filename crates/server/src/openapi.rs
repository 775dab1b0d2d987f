//! The description of the HTTP contract. It describes; what happens stands in `routes`.

mod calls;
mod problems;
mod schemas;

use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::body::{NewOrder, NewSku, NewUnits};
use crate::code::Code;
use problems::Problems;

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
        calls::create_sku, calls::read_sku, calls::place_order, calls::read_order,
        calls::cancel_order, calls::restock_sku, calls::audit_sku, calls::live,
        calls::ready, calls::metrics, calls::document, calls::redirect, calls::page,
    ),
    components(schemas(
        NewOrder, NewSku, NewUnits, Code, schemas::Order, schemas::Stock,
        schemas::Audit, schemas::Problem, schemas::Live, schemas::Ready,
    )),
    modifiers(&AdminToken, &Problems),
)]
pub(crate) struct ApiDoc;

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
