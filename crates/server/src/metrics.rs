//! `/metrics`: what is counted while it happens, and how all of it is shown.
//!
//! Everything stands in the default registry, so that a phase can add its own. Labels are
//! resolved once for each worker; counting a request is then an addition.

mod attempts;
mod books;
mod collectors;
mod process;
mod timed;

use std::iter;

use actix_web::{HttpResponse, web};
use flash_core::InventoryStrategy;
use prometheus::TextEncoder;

use crate::site::Site;

pub(crate) use attempts::Attempts;
pub(crate) use books::Books;
pub(crate) use collectors::Collectors;
pub(crate) use timed::{Route, resource};

// Shows all that is registered, and what the stores and pools have now.
/// Read the metrics
#[utoipa::path(
    get, path = "/metrics", tag = "watching", operation_id = "metrics",
    responses((
        status = 200, description = "Prometheus' text format 0.0.4", body = String,
        content_type = "text/plain",
    )),
)]
pub(crate) async fn show<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    books: web::Data<Books>,
) -> HttpResponse {
    let shown = books.read(&site).await.and_then(|now| {
        let mut text = String::new();
        let families = iter::chain(prometheus::gather(), now).collect::<Vec<_>>();
        TextEncoder::new().encode_utf8(&families, &mut text)?;
        Ok(text)
    });
    match shown {
        Ok(text) => HttpResponse::Ok()
            .content_type(prometheus::TEXT_FORMAT)
            .body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be shown");
            HttpResponse::InternalServerError().finish()
        }
    }
}
