//! `/openapi.json` and `/docs/`, the page that shows it. Both need no other host.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use utoipa::OpenApi;
use utoipa_swagger_ui::Config;

use crate::api_error::ApiError;
use crate::openapi::ApiDoc;

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(ApiDoc::openapi);

static PAGE: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    // Left to itself the page would send the document to a validator on the internet.
    Arc::new(Config::new(["/openapi.json"]).validator_url("none"))
});

/// Lets a browser load and call nothing but this server. The page sets styles of elements
/// and has pictures in its style sheet.
const ONLY_FROM_HERE: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
                              img-src 'self' data:; frame-ancestors 'none'";

pub(crate) async fn document() -> HttpResponse {
    HttpResponse::Ok().json(&*DOCUMENT)
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
        .body(bytes))
}
