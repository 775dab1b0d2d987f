//! The calls: what is sent and what comes back when all is well. What else may come back
//! stands in `problems`.
#![expect(
    dead_code,
    reason = "each function stands for a call and is never called"
)]

use super::schemas::{Audit, Live, Order, Ready, Stock};
use crate::body::{NewOrder, NewSku, NewUnits};

/// Create a SKU
///
/// All its units are available at once. The same call again changes nothing.
#[utoipa::path(
    put, path = "/v1/skus/{sku}", tag = "admin", security(("admin" = [])),
    params(("sku" = String, Path, description = "1 to 64 of A-Z a-z 0-9 - _ . : @")),
    request_body = NewSku,
    responses(
        (status = 201, description = "Created", body = Stock),
        (status = 200, description = "It was there with the same values", body = Stock),
    ),
)]
fn create_sku() {}

/// Read the stock of a SKU
#[utoipa::path(
    get, path = "/v1/skus/{sku}", tag = "buyers",
    params(("sku" = String, Path, description = "What is for sale")),
    responses((status = 200, description = "The stock", body = Stock)),
)]
fn read_sku() {}

/// Place an order
///
/// The same key by the same buyer always gets the same order, also when the first answer
/// was lost.
#[utoipa::path(
    post, path = "/v1/skus/{sku}/orders", tag = "buyers",
    params(
        ("sku" = String, Path, description = "What is wanted"),
        ("Idempotency-Key" = String, Header, example = "8e03978e-40d5-43dd",
         description = "A new one for a new purchase, the same one for a retry; 1 to 128 \
                        visible ASCII characters"),
    ),
    request_body = NewOrder,
    responses(
        (status = 201, description = "The buyer has the units", body = Order, headers(
            ("Location" = String, description = "The path of the order"),
        )),
        (status = 200, description = "An earlier request with this key had placed it",
         body = Order, headers(("Idempotency-Replayed" = String, description = "`true`"))),
    ),
)]
fn place_order() {}

/// Read an order
#[utoipa::path(
    get, path = "/v1/orders/{order_id}", tag = "buyers",
    params(("order_id" = String, Path, description = "A UUID")),
    responses((status = 200, description = "The order", body = Order)),
)]
fn read_order() {}

/// Cancel an order
///
/// Its units can be bought again at once. A cancelled order stays as it is.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/cancel", tag = "buyers",
    params(("order_id" = String, Path, description = "A UUID")),
    responses((status = 200, description = "The cancelled order", body = Order)),
)]
fn cancel_order() {}

/// Add units to a SKU
///
/// Also while it is selling. The same key adds them once.
#[utoipa::path(
    post, path = "/v1/skus/{sku}/restock", tag = "admin", security(("admin" = [])),
    params(
        ("sku" = String, Path, description = "What is added to"),
        ("Idempotency-Key" = String, Header, example = "delivery-17",
         description = "Names this restock of this SKU; 1 to 128 visible ASCII \
                        characters"),
    ),
    request_body = NewUnits,
    responses((status = 200, description = "The stock after it", body = Stock)),
)]
fn restock_sku() {}

/// Audit a SKU
///
/// Counts from the stores alone what was sold, lost or sold too often.
#[utoipa::path(
    get, path = "/v1/skus/{sku}/audit", tag = "admin", security(("admin" = [])),
    params(("sku" = String, Path, description = "What is audited")),
    responses((status = 200, description = "The audit", body = Audit)),
)]
fn audit_sku() {}

/// Ask whether the process answers
#[utoipa::path(
    get, path = "/livez", tag = "watching",
    responses((status = 200, description = "It does", body = Live)),
)]
fn live() {}

/// Ask whether the server can sell
#[utoipa::path(
    get, path = "/readyz", tag = "watching",
    responses(
        (status = 200, description = "It can", body = Ready),
        (status = 503, description = "It is draining, or a store is away", body = Ready),
    ),
)]
fn ready() {}

/// Read the metrics
#[utoipa::path(
    get, path = "/metrics", tag = "watching",
    responses((
        status = 200, description = "Prometheus' text format 0.0.4", body = String,
        content_type = "text/plain",
    )),
)]
fn metrics() {}

/// Read this description
#[utoipa::path(
    get, path = "/openapi.json", tag = "watching",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
fn document() {}

/// Go to the page
///
/// Where it is on: on loopback, or with --docs.
#[utoipa::path(
    get, path = "/docs", tag = "watching",
    responses((
        status = 308, description = "To /docs/",
        headers(("Location" = String, description = "`/docs/`")),
    )),
)]
fn redirect() {}

/// Read this description as a page
///
/// Where it is on: on loopback, or with --docs.
#[utoipa::path(
    get, path = "/docs/", tag = "watching",
    responses((
        status = 200, description = "Swagger UI and its parts", body = String,
        content_type = "text/html",
    )),
)]
fn page() {}
