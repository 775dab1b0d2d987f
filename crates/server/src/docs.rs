//! `/openapi.json` and `/docs/`, the page that shows it. Both need no other host.

use std::borrow::Cow;
use std::convert::Infallible;
use std::iter;
use std::sync::{Arc, LazyLock};

use actix_web::body::{MessageBody, SizedStream};
use actix_web::http::header::{self, ContentType};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use utoipa_swagger_ui::Config;

use crate::api_error::ApiError;

/// What `/openapi.json` says.
pub(crate) struct Document(pub(crate) Bytes);

static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // Left to itself the page would send the document to a validator on the internet.
    Arc::new(Config::new(["/openapi.json"]).validator_url("none"))
});

/// Lets a browser load and call nothing but this server. The page sets styles of elements
/// and has pictures in its style sheet.
const ONLY_FROM_HERE: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
                              img-src 'self' data:; frame-ancestors 'none'";

/// How much of an answer is copied for a client at a time. What is written as one piece is
/// kept whole for each client that does not take it.
const PIECE_BYTES: usize = 16 * 1024;

/// Read this description
#[utoipa::path(
    get, path = "/openapi.json", tag = "watching",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
pub(crate) async fn document(document: web::Data<Document>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(in_pieces(document.0.clone()))
}

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
pub(crate) async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

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
pub(crate) async fn page(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let name = request.match_info().query("file");
    let Ok(Some(file)) = utoipa_swagger_ui::serve(name, Arc::clone(&PAGE)) else {
        return Err(ApiError::no_route(request.path()));
    };
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    Ok(HttpResponse::Ok()
        .content_type(file.content_type)
        .insert_header((header::CONTENT_SECURITY_POLICY, ONLY_FROM_HERE))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(in_pieces(bytes)))
}

/// A body that is shared by all who are sent it.
fn in_pieces(mut rest: Bytes) -> impl MessageBody + 'static {
    // A usize has at most 64 bits where this runs.
    let length = u64::try_from(rest.len()).unwrap_or(u64::MAX);
    let pieces = stream::iter(iter::from_fn(move || {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some(Ok::<_, Infallible>(piece))
    }));
    SizedStream::new(length, pieces)
}
