//! What buyers ask for, what is recorded, and what is in stock.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{BuyerId, IdempotencyKey, InvalidInput, OrderId, Sku, Units};

/// A buyer asks for units of a SKU. It is not an order yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PurchaseRequest {
    /// What is wanted.
    pub sku: Sku,
    /// Who wants it.
    pub buyer_id: BuyerId,
    /// How many units are wanted, all or none.
    pub units: Units,
    /// Together with `buyer_id` the name of this purchase: however often it is sent,
    /// it becomes at most one order.
    pub idempotency_key: IdempotencyKey,
}

/// An operator adds units to a SKU.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Restock {
    /// What is added to.
    pub sku: Sku,
    /// How many units are added.
    pub units: Units,
    /// Together with `sku` the name of this restock: however often it is sent, the units
    /// are added once.
    pub idempotency_key: IdempotencyKey,
}

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// The units belong to the buyer.
    Accepted,
    /// The units went back into stock.
    Cancelled,
}

/// A durable order, as PostgreSQL has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(example = json!({
    "order_id": "019aae2e-5a40-7c3e-9f43-0d6a7c1b2e11", "sku": "tee", "buyer_id": "ann",
    "units": 1, "status": "accepted", "created_at": "2026-11-23T10:00:00.123456Z"
})))]
pub struct Order {
    /// Its name: a UUID of version 7.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = "uuid"))]
    pub order_id: OrderId,
    /// What was bought.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub sku: Sku,
    /// By whom.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub buyer_id: BuyerId,
    /// How many units.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub units: Units,
    /// Whether the buyer still has them.
    pub status: OrderStatus,
    /// When it was accepted.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = "date-time"))]
    pub created_at: DateTime<Utc>,
}

/// What a SKU starts with; fixed once it is created.
///
/// # Units
///
/// Whole units: `initial_units` 0 to [`StockTerms::MAX_UNITS`], `per_buyer_limit` 1 to
/// [`StockTerms::MAX_UNITS`] or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockTerms {
    initial_units: i64,
    per_buyer_limit: Option<i64>,
}

impl StockTerms {
    /// The most units a SKU may start with.
    pub const MAX_UNITS: i64 = 1_000_000_000;

    /// Accepts terms within the limits.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`] names the field and its allowed range.
    pub fn new(
        initial_units: i64,
        per_buyer_limit: Option<i64>,
    ) -> Result<Self, InvalidInput> {
        let max = Self::MAX_UNITS;
        if !(0..=max).contains(&initial_units) {
            return Err(InvalidInput(format!(
                "initial_units must be between 0 and {max}, got {initial_units}"
            )));
        }
        if let Some(limit) = per_buyer_limit
            && !(1..=max).contains(&limit)
        {
            return Err(InvalidInput(format!(
                "per_buyer_limit must be null or between 1 and {max}, got {limit}"
            )));
        }
        Ok(Self {
            initial_units,
            per_buyer_limit,
        })
    }

    /// Units on sale at the start.
    #[must_use]
    pub fn initial_units(&self) -> i64 {
        self.initial_units
    }

    /// The most units one buyer may have, over all of their orders of this SKU.
    #[must_use]
    pub fn per_buyer_limit(&self) -> Option<i64> {
        self.per_buyer_limit
    }
}

/// The stock of one SKU at one moment, as its row in PostgreSQL says. What was accepted and
/// cancelled, the audit counts: it visits every order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(example = json!({
    "sku": "tee", "initial_units": 100, "restocked_units": 0, "available_units": 99,
    "per_buyer_limit": null
})))]
pub struct Stock {
    /// What it is.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub sku: Sku,
    /// Units on sale at the start.
    pub initial_units: i64,
    /// Units added since.
    pub restocked_units: i64,
    /// Units that the stock row says can still be sold.
    pub available_units: i64,
    /// The most units one buyer may have, if there is a limit.
    #[cfg_attr(feature = "schema", schema(required))]
    pub per_buyer_limit: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_stop_at_both_ends() {
        assert!(StockTerms::new(0, None).is_ok());
        assert!(StockTerms::new(-1, None).is_err());
        assert!(StockTerms::new(StockTerms::MAX_UNITS + 1, None).is_err());
        assert!(StockTerms::new(1, Some(0)).is_err());
        assert!(StockTerms::new(1, Some(1)).is_ok());
    }
}
