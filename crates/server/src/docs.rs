//! `/openapi.json` and `/docs/`, the page that shows it. Both need no other host.

use std::borrow::Cow;
use std::convert::Infallible;
use std::iter;
use std::sync::{Arc, LazyLock};

use actix_web::body::{MessageBody, SizedStream};
use actix_web::http::header::{self, ContentType};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use crate::api_error::ApiError;
use crate::openapi::ApiDoc;

/// Empty where it cannot be written as JSON, which a test would notice.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    Bytes::from(serde_json::to_vec(&ApiDoc::openapi()).unwrap_or_default())
});

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

pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(in_pieces(DOCUMENT.clone()))
}

pub(crate) async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/docs/"))
        .finish()
}

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
