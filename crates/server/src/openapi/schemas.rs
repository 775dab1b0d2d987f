//! The bodies of answers as schemas. The types that are sent stand in `flash-core`, which
//! knows no HTTP; a test compares the two.
#![expect(
    dead_code,
    reason = "schemas only: nothing makes values of these types"
)]

use utoipa::ToSchema;

use crate::code::Code;

/// A durable order.
#[derive(ToSchema)]
#[schema(example = json!({
    "order_id": "019aae2e-5a40-7c3e-9f43-0d6a7c1b2e11", "sku": "tee", "buyer_id": "ann",
    "units": 1, "status": "accepted", "created_at": "2026-11-23T10:00:00.123456Z"
}))]
pub(super) struct Order {
    /// Its name: a UUID of version 7.
    #[schema(format = "uuid")]
    order_id: String,
    /// What was bought.
    sku: String,
    /// By whom.
    buyer_id: String,
    /// How many units.
    units: i64,
    /// Whether the buyer still has them.
    status: OrderStatus,
    /// When it was accepted.
    #[schema(format = "date-time")]
    created_at: String,
}

/// The state of an order.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum OrderStatus {
    /// The units belong to the buyer.
    Accepted,
    /// The units went back into stock.
    Cancelled,
}

/// The stock of one SKU at one moment. All amounts are whole units.
#[derive(ToSchema)]
#[schema(example = json!({
    "sku": "tee", "initial_units": 100, "restocked_units": 0, "available_units": 99,
    "per_buyer_limit": null
}))]
pub(super) struct Stock {
    /// What it is.
    sku: String,
    /// Units on sale at the start.
    initial_units: i64,
    /// Units added since.
    restocked_units: i64,
    /// Units that can still be sold.
    available_units: i64,
    /// The most units one buyer may have, if there is a limit.
    #[schema(required)]
    per_buyer_limit: Option<i64>,
}

/// The audited books of one SKU. With supply = initial + restocked and live = accepted −
/// cancelled, all in whole units.
#[derive(ToSchema)]
#[schema(example = json!({
    "sku": "tee", "strategy": "hybrid", "initial_units": 100, "restocked_units": 0,
    "accepted_units": 100, "cancelled_units": 0, "available_units": 0,
    "oversold_units": 0, "unaccounted_units": 0, "lost_updates": 0,
    "negative_stock": false, "duplicate_keys": 0, "limit_overruns": 0,
    "gate_drift_units": 0, "verdict": "exact"
}))]
pub(super) struct Audit {
    /// What was audited.
    sku: String,
    /// The strategy that sold it.
    #[schema(required)]
    strategy: Option<String>,
    /// Units on sale at the start.
    initial_units: i64,
    /// Units added since.
    restocked_units: i64,
    /// Units of all orders ever accepted, cancelled ones included.
    accepted_units: i64,
    /// Units of the cancelled orders.
    cancelled_units: i64,
    /// Units that the stock row says can still be sold.
    available_units: i64,
    /// max(0, live − supply).
    oversold_units: i64,
    /// supply − live − available; negative: decrements were lost, positive: units were.
    unaccounted_units: i64,
    /// max(0, −unaccounted): units sold whose decrement the stock row does not show.
    lost_updates: i64,
    /// Whether the stock row is below zero.
    negative_stock: bool,
    /// Pairs of buyer and key that have more than one order.
    duplicate_keys: i64,
    /// Buyers who have more units than the limit per buyer.
    limit_overruns: i64,
    /// Redis' free units − PostgreSQL's available units, at rest; null without Redis.
    #[schema(required)]
    gate_drift_units: Option<i64>,
    /// The result in one word.
    verdict: Verdict,
}

/// The result of an audit, worst first.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
enum Verdict {
    /// Duplicate orders, overrun limits or negative stock.
    Violated,
    /// More units live in orders than were ever supplied.
    Oversold,
    /// Supply, orders and available units do not add up.
    Drifted,
    /// Every unit is accounted for.
    Exact,
}

/// A refusal or failure (RFC 9457).
#[derive(ToSchema)]
pub(super) struct Problem {
    /// `urn:flash-sale:` and the code.
    #[schema(format = "uri")]
    r#type: String,
    /// The usual text of the status.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What went wrong, for programs.
    code: Code,
    /// What went wrong, for people.
    detail: String,
    /// How many units are left, with the code `sold-out`.
    #[schema(minimum = 0)]
    available_units: Option<i64>,
    /// The id that stands in the log and in `x-request-id`.
    #[schema(required)]
    request_id: Option<String>,
}

/// The process answers.
#[derive(ToSchema)]
pub(super) struct Live {
    /// Always `live`.
    #[schema(example = "live")]
    status: String,
}

/// Whether the server can sell.
#[derive(ToSchema)]
pub(super) struct Ready {
    /// `ready`, `not-ready` or `draining`.
    #[schema(example = "ready")]
    status: String,
    /// Which implementation sells.
    #[schema(example = "hybrid")]
    strategy: String,
    /// Whether PostgreSQL answers.
    postgresql: bool,
    /// Whether Redis answers; null without Redis.
    #[schema(required)]
    redis: Option<bool>,
}
