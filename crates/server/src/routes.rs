//! The HTTP contract: each call as it is described and as it is done.

use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse, guard, web};
use flash_core::{
    Audit, BuyerId, IdempotencyKey, InventoryStrategy, Order, OrderId, OrderStatus,
    Placement, PurchaseRequest, Restock, Sku, Stock, StockTerms, StrategyError, Units,
};
use flash_db::skus::{self, Creation};
use flash_db::{DbError, orders};

use crate::api_error::ApiError;
use crate::body::{NewOrder, NewSku, NewUnits, read_json};
use crate::metrics::{self, Attempts, Collectors};
use crate::problem::{
    BodyRefused, ChangeFailed, KeyRefused, KeyedBodyRefused, NoSuchOrder, NoSuchSku,
    NotAllowed, NotSold, ReadFailed, TermsDiffer,
};
use crate::site::Site;
use crate::{docs, health, troubles};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName =
    HeaderName::from_static("idempotency-replayed");

/// The ends of the paths that are posted to.
const POSTED: [&str; 3] = ["/orders", "/restock", "/cancel"];

pub(crate) fn routes<S: InventoryStrategy>(
    config: &mut web::ServiceConfig,
    collectors: &'static Collectors,
    docs_on: bool,
) {
    let resource = |pattern| {
        metrics::resource(pattern, collectors)
            .default_service(web::to(method_not_allowed))
    };
    // Whatever can be read can be asked for without its body.
    let get = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    let post = web::post;
    config
        // Routes are tried in this order, and the crowd takes the first.
        .service(resource("/v1/skus/{sku}/orders").route(post().to(place_order::<S>)))
        .service(
            resource("/v1/skus/{sku}")
                .route(get().to(read_sku::<S>))
                .route(web::put().to(create_sku::<S>)),
        )
        .service(resource("/v1/skus/{sku}/audit").route(get().to(audit_sku::<S>)))
        .service(resource("/v1/skus/{sku}/restock").route(post().to(restock_sku::<S>)))
        .service(
            resource("/v1/orders/{order_id}/cancel")
                .route(post().to(cancel_order::<S>)),
        )
        .service(resource("/v1/orders/{order_id}").route(get().to(read_order::<S>)))
        .service(resource("/livez").route(get().to(health::live)))
        .service(resource("/readyz").route(get().to(health::ready::<S>)))
        .service(resource("/metrics").route(get().to(metrics::show::<S>)))
        .service(resource("/openapi.json").route(get().to(docs::document)))
        .default_service(web::to(no_route));
    if docs_on {
        config
            .service(resource("/docs").route(get().to(docs::redirect)))
            .service(resource("/docs/{file:.*}").route(get().to(docs::page)));
    }
}

/// Create a SKU
///
/// All its units are available at once. The same call again changes nothing.
#[utoipa::path(
    put, path = "/v1/skus/{sku}", tag = "admin", security(("admin" = [])),
    params(("sku" = String, Path, example = "tee",
            description = "1 to 64 of A-Z a-z 0-9 - _ . : @")),
    request_body = NewSku,
    responses(
        (status = 201, description = "Created", body = Stock),
        (status = 200, description = "It was there with the same values", body = Stock),
        NotAllowed, TermsDiffer, BodyRefused, ChangeFailed,
    ),
)]
pub(crate) async fn create_sku<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    site.admin.check(&request)?;
    let sku = Sku::new(request.match_info().query("sku"))?;
    let new: NewSku = read_json(&request, payload, site.limits.client_wait).await?;
    let terms = StockTerms::new(new.initial_units, new.per_buyer_limit)?;

    let create = async || {
        let mut conn = site.pool.get().await?;
        let creation = skus::create(&mut conn, &sku, terms).await?;
        Ok::<_, DbError>((creation, skus::stock(&mut conn, &sku).await?))
    };
    let (creation, stock) = site.bounded(create, StrategyError::OutcomeUnknown).await?;
    match creation {
        Creation::Created => Ok(HttpResponse::Created().json(stock)),
        Creation::SameAgain => Ok(HttpResponse::Ok().json(stock)),
        Creation::Differs => Err(ApiError::terms_differ()),
    }
}

/// Read the stock of a SKU
#[utoipa::path(
    get, path = "/v1/skus/{sku}", tag = "buyers",
    params(("sku" = String, Path, example = "tee", description = "What is for sale")),
    responses(
        (status = 200, description = "The stock", body = Stock),
        NoSuchSku, ReadFailed,
    ),
)]
pub(crate) async fn read_sku<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let sku = existing_sku(&request)?;
    let stock = site
        .bounded(|| site.strategy.stock(&sku), StrategyError::Busy)
        .await?;
    Ok(HttpResponse::Ok().json(stock))
}

/// Place an order
///
/// The same key by the same buyer always gets the same order, also when the first answer
/// was lost.
#[utoipa::path(
    post, path = "/v1/skus/{sku}/orders", tag = "buyers",
    params(
        ("sku" = String, Path, example = "tee", description = "What is wanted"),
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
        KeyRefused, NoSuchSku, NotSold, KeyedBodyRefused, ChangeFailed,
    ),
)]
pub(crate) async fn place_order<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    attempts: web::Data<Attempts>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let outcome = attempt(&site, &request, payload).await;
    attempts.count(&outcome);
    if matches!(outcome, Ok(Placement::Accepted { .. })) {
        troubles::over();
    }
    match outcome? {
        Placement::Accepted {
            order,
            replayed: false,
        } => Ok(HttpResponse::Created()
            .insert_header((header::LOCATION, format!("/v1/orders/{}", order.order_id)))
            .json(order)),
        Placement::Accepted {
            order,
            replayed: true,
        } => Ok(HttpResponse::Ok()
            .insert_header((IDEMPOTENCY_REPLAYED, "true"))
            .json(order)),
        Placement::SoldOut { available_units } => {
            Err(ApiError::sold_out(available_units))
        }
        Placement::LimitReached => Err(ApiError::limit_reached()),
    }
}

async fn attempt<S: InventoryStrategy>(
    site: &Site<S>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Placement, ApiError> {
    let sku = existing_sku(request)?;
    let idempotency_key = idempotency_key(request)?;
    let new: NewOrder = read_json(request, payload, site.limits.client_wait).await?;
    let purchase = PurchaseRequest {
        sku,
        buyer_id: BuyerId::new(new.buyer_id)?,
        units: Units::new(new.units)?,
        idempotency_key,
    };

    let placing = || site.strategy.place_order(&purchase);
    Ok(site.bounded(placing, StrategyError::OutcomeUnknown).await?)
}

/// Read an order
#[utoipa::path(
    get, path = "/v1/orders/{order_id}", tag = "buyers",
    params(("order_id" = String, Path, example = "019aae2e-5a40-7c3e-9f43-0d6a7c1b2e11", description = "A UUID")),
    responses(
        (status = 200, description = "The order", body = Order),
        NoSuchOrder, ReadFailed,
    ),
)]
pub(crate) async fn read_order<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let order_id = existing_order(&request)?;
    let find = async || {
        let mut conn = site.strategy_pool.get().await?;
        orders::find(&mut conn, order_id).await
    };
    match site.bounded(find, StrategyError::Busy).await? {
        Some(order) => Ok(HttpResponse::Ok().json(order)),
        None => Err(ApiError::unknown_order()),
    }
}

/// Cancel an order
///
/// Its units can be bought again at once. A cancelled order stays as it is.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/cancel", tag = "buyers",
    params(("order_id" = String, Path, example = "019aae2e-5a40-7c3e-9f43-0d6a7c1b2e11", description = "A UUID")),
    responses(
        (status = 200, description = "The cancelled order", body = Order),
        NoSuchOrder, ChangeFailed,
    ),
)]
pub(crate) async fn cancel_order<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let order_id = existing_order(&request)?;
    let find = async || {
        let mut conn = site.strategy_pool.get().await?;
        orders::find(&mut conn, order_id).await
    };
    // Whoever cancels again and again locks no row.
    let found = site.bounded(find, StrategyError::Busy).await?;
    if let Some(order) = found.filter(|it| it.status == OrderStatus::Cancelled) {
        return Ok(HttpResponse::Ok().json(order));
    }
    let cancelling = || site.strategy.cancel_order(order_id);
    let order = site
        .bounded(cancelling, StrategyError::OutcomeUnknown)
        .await?;
    Ok(HttpResponse::Ok().json(order))
}

/// Add units to a SKU
///
/// Also while it is selling. The same key adds them once.
#[utoipa::path(
    post, path = "/v1/skus/{sku}/restock", tag = "admin", security(("admin" = [])),
    params(
        ("sku" = String, Path, example = "tee", description = "What is added to"),
        ("Idempotency-Key" = String, Header, example = "delivery-17",
         description = "Names this restock of this SKU; 1 to 128 visible ASCII \
                        characters"),
    ),
    request_body = NewUnits,
    responses(
        (status = 200, description = "The stock after it", body = Stock),
        KeyRefused, NotAllowed, NoSuchSku, KeyedBodyRefused, ChangeFailed,
    ),
)]
pub(crate) async fn restock_sku<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    site.admin.check(&request)?;
    let sku = existing_sku(&request)?;
    let idempotency_key = idempotency_key(&request)?;
    let new: NewUnits = read_json(&request, payload, site.limits.client_wait).await?;
    let restock = Restock {
        sku,
        units: Units::new(new.units)?,
        idempotency_key,
    };

    let restocking = || site.strategy.restock(&restock);
    let stock = site
        .bounded(restocking, StrategyError::OutcomeUnknown)
        .await?;
    Ok(HttpResponse::Ok().json(stock))
}

/// Audit a SKU
///
/// Counts from the stores alone what was sold, lost or sold too often.
#[utoipa::path(
    get, path = "/v1/skus/{sku}/audit", tag = "admin", security(("admin" = [])),
    params(("sku" = String, Path, example = "tee", description = "What is audited")),
    responses(
        (status = 200, description = "The audit", body = Audit),
        NotAllowed, NoSuchSku, ReadFailed,
    ),
)]
pub(crate) async fn audit_sku<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    site.admin.check(&request)?;
    let sku = existing_sku(&request)?;
    let read_gate = || site.strategy.gate_free_units(&sku);
    let gate_free_units = site.bounded(read_gate, StrategyError::Busy).await?;
    let count = async || {
        let mut conn = site.pool.get().await?;
        flash_db::audit::count(&mut conn, &sku, gate_free_units).await
    };
    match site.bounded(count, StrategyError::Busy).await? {
        Some(counts) => Ok(HttpResponse::Ok().json(counts.judge(Some(S::NAME)))),
        None => Err(ApiError::unknown_sku()),
    }
}

/// The SKU of the path. One that cannot be a SKU is one that does not exist.
fn existing_sku(request: &HttpRequest) -> Result<Sku, ApiError> {
    Sku::new(request.match_info().query("sku")).or(Err(ApiError::unknown_sku()))
}

/// The order of the path. What is no name of an order names none.
fn existing_order(request: &HttpRequest) -> Result<OrderId, ApiError> {
    match request.match_info().query("order_id").parse() {
        Ok(order_id) => Ok(OrderId(order_id)),
        Err(_not_a_uuid) => Err(ApiError::unknown_order()),
    }
}

fn idempotency_key(request: &HttpRequest) -> Result<IdempotencyKey, ApiError> {
    let mut values = request.headers().get_all(&IDEMPOTENCY_KEY);
    let (first, second) = (values.next(), values.next());
    let Some(value) = first.filter(|value| !value.is_empty()) else {
        return Err(ApiError::key_missing());
    };
    if second.is_some() {
        return Err(ApiError::bad_key("send one Idempotency-Key, not several"));
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    IdempotencyKey::new(text).map_err(|error| ApiError::bad_key(error.to_string()))
}

async fn method_not_allowed(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let allow = match request.match_pattern().as_deref() {
        Some("/v1/skus/{sku}") => "GET, HEAD, PUT",
        Some(pattern) if POSTED.iter().any(|end| pattern.ends_with(end)) => "POST",
        _ => "GET, HEAD",
    };
    Err(ApiError::method_not_allowed(
        request.method().as_str(),
        allow,
    ))
}

async fn no_route(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::no_route(request.path()))
}
