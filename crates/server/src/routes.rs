//! The HTTP contract.

use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use flash_core::{
    BuyerId, IdempotencyKey, InventoryStrategy, OrderId, Placement, PurchaseRequest,
    Sku, StockTerms, StrategyError, Units,
};
use flash_db::skus::{self, Creation};
use flash_db::{DbError, orders};
use serde::Deserialize;

use crate::api_error::ApiError;
use crate::body::read_json;
use crate::health;
use crate::serve::Site;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName =
    HeaderName::from_static("idempotency-replayed");

pub(crate) fn routes<S: InventoryStrategy>(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/v1/skus/{sku}")
                .route(web::get().to(read_sku::<S>))
                .route(web::put().to(create_sku::<S>))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/v1/skus/{sku}/orders")
                .route(web::post().to(place_order::<S>))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/v1/skus/{sku}/audit")
                .route(web::get().to(audit_sku::<S>))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/v1/skus/{sku}/restock")
                .route(web::post().to(restock_sku::<S>))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/v1/orders/{order_id}/cancel")
                .route(web::post().to(cancel_order::<S>))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/v1/orders/{order_id}")
                .route(web::get().to(read_order::<S>))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/livez")
                .route(web::get().to(health::live))
                .default_service(web::to(method_not_allowed)),
        )
        .service(
            web::resource("/readyz")
                .route(web::get().to(health::ready::<S>))
                .default_service(web::to(method_not_allowed)),
        )
        .default_service(web::to(no_route));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSku {
    initial_units: i64,
    per_buyer_limit: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    buyer_id: String,
    units: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUnits {
    units: i64,
}

async fn create_sku<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    site.admin.check(&request)?;
    let sku = Sku::new(request.match_info().query("sku"))?;
    let new: NewSku = read_json(&request, payload, site.limits.client_wait).await?;
    let terms = StockTerms::new(new.initial_units, new.per_buyer_limit)?;

    let create = async {
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

async fn read_sku<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let sku = existing_sku(&request)?;
    let stock = site
        .bounded(site.strategy.stock(&sku), StrategyError::Busy)
        .await?;
    Ok(HttpResponse::Ok().json(stock))
}

async fn place_order<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let sku = existing_sku(&request)?;
    let idempotency_key = idempotency_key(&request)?;
    let new: NewOrder = read_json(&request, payload, site.limits.client_wait).await?;
    let purchase = PurchaseRequest {
        sku,
        buyer_id: BuyerId::new(new.buyer_id)?,
        units: Units::new(new.units)?,
        idempotency_key,
    };

    let placement = site
        .bounded(
            site.strategy.place_order(&purchase),
            StrategyError::OutcomeUnknown,
        )
        .await?;
    match placement {
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
        Placement::SoldOut => Err(ApiError::sold_out()),
        Placement::LimitReached => Err(ApiError::limit_reached()),
    }
}

async fn read_order<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let order_id = existing_order(&request)?;
    let find = async {
        let mut conn = site.pool.get().await?;
        orders::find(&mut conn, order_id).await
    };
    match site.bounded(find, StrategyError::Busy).await? {
        Some(order) => Ok(HttpResponse::Ok().json(order)),
        None => Err(ApiError::unknown_order()),
    }
}

async fn cancel_order<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let order_id = existing_order(&request)?;
    let cancelling = site.strategy.cancel_order(order_id);
    let order = site
        .bounded(cancelling, StrategyError::OutcomeUnknown)
        .await?;
    Ok(HttpResponse::Ok().json(order))
}

async fn restock_sku<S: InventoryStrategy>(
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

    let restocking = site.strategy.restock(&restock);
    let stock = site
        .bounded(restocking, StrategyError::OutcomeUnknown)
        .await?;
    Ok(HttpResponse::Ok().json(stock))
}

async fn audit_sku<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    site.admin.check(&request)?;
    let sku = existing_sku(&request)?;
    let gate_free_units = match &site.gate {
        Some(gate) => {
            site.bounded(gate.free_units(&sku), StrategyError::Busy)
                .await?
        }
        None => None,
    };
    let count = async {
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
    Err(ApiError::method_not_allowed(request.method().as_str()))
}

async fn no_route(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::no_route(request.path()))
}
