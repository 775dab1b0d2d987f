//! The one trait that the three phases and the engine implement.

use std::fmt;

use crate::{Order, OrderId, PurchaseRequest, Restock, Sku, Stock};

/// Sells limited stock to a crowd.
///
/// A refusal is an answer, not an error: see [`Placement`]. An error means that the
/// system could not answer: see [`StrategyError`].
pub trait InventoryStrategy: Send + Sync + 'static {
    /// The value of `--strategy` that selects this implementation.
    const NAME: &'static str;

    /// Turns a purchase request into an order, or refuses it.
    ///
    /// The same key by the same buyer always gets the same order: also when the first
    /// answer was lost, also when the stock ran out in between, also concurrently.
    /// What is promised about stock differs: each implementation says so first.
    ///
    /// # Errors
    ///
    /// [`StrategyError`]. After `Unavailable`, `Busy` and `OutcomeUnknown` the buyer may
    /// send the same request again with the same key.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves either a whole order or none, and no unit is lost. The
    /// buyer learns which by sending the same request again with the same key.
    fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> impl Future<Output = Result<Placement, StrategyError>> + Send;

    /// Takes an order back: its units can be bought again at once. An order that is
    /// cancelled already stays as it is.
    ///
    /// # Errors
    ///
    /// [`StrategyError::UnknownOrder`], or as [`place_order`](Self::place_order).
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the order cancelled or not; ask again to be sure.
    fn cancel_order(
        &self,
        order_id: OrderId,
    ) -> impl Future<Output = Result<Order, StrategyError>> + Send;

    /// Adds units to a SKU, also while it is selling, and returns the stock after it. The
    /// same key adds them once.
    ///
    /// # Errors
    ///
    /// [`StrategyError`]; `KeyReused` where the key was used for other units.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the units added or not; send it again with the same key.
    fn restock(
        &self,
        request: &Restock,
    ) -> impl Future<Output = Result<Stock, StrategyError>> + Send;

    /// Reads the stock of a SKU from PostgreSQL.
    ///
    /// # Errors
    ///
    /// [`StrategyError::UnknownSku`], or a store could not be read.
    ///
    /// # Cancel safety
    ///
    /// Reads only; a dropped future has no effect.
    fn stock(
        &self,
        sku: &Sku,
    ) -> impl Future<Output = Result<Stock, StrategyError>> + Send;

    /// How many units the gate before PostgreSQL would still let through; none where there
    /// is no gate.
    ///
    /// # Errors
    ///
    /// The store that has the gate could not be read.
    fn gate_free_units(
        &self,
        _sku: &Sku,
    ) -> impl Future<Output = Result<Option<i64>, StrategyError>> + Send {
        async { Ok(None) }
    }

    /// Whether what sells could sell now. One that sells over the server's pool alone leaves
    /// that to who tries the pool.
    fn ready(&self) -> impl Future<Output = Readiness> + Send {
        async { Readiness::default() }
    }
}

/// The answer to a purchase request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// The buyer has the units.
    Accepted {
        /// The durable order.
        order: Order,
        /// Whether an earlier request with the same key had placed it.
        replayed: bool,
    },
    /// Fewer units are available than were asked for.
    SoldOut {
        /// How many there are, where PostgreSQL has just said it.
        available_units: Option<i64>,
    },
    /// The buyer would have more units than the SKU's limit per buyer.
    LimitReached,
}

impl Placement {
    /// Whether fewer units were available than were asked for.
    #[must_use]
    pub fn is_sold_out(&self) -> bool {
        matches!(self, Self::SoldOut { .. })
    }
}

/// What each store says to a strategy that tries whether it could sell now.
#[derive(Debug)]
pub struct Readiness {
    /// Whether a purchase could succeed.
    pub postgresql: Result<(), StrategyError>,
    /// Whether buyers pass a gate first; none where there is no gate.
    pub redis: Option<Result<(), StrategyError>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            postgresql: Ok(()),
            redis: None,
        }
    }
}

/// A store that a strategy depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// The only truth.
    PostgreSql,
    /// A hint (hybrid and engine only).
    Redis,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PostgreSql => "PostgreSQL",
            Self::Redis => "Redis",
        })
    }
}

/// Why the system could not answer a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// No such SKU was created.
    #[error("unknown SKU")]
    UnknownSku,
    /// There is no such order.
    #[error("unknown order")]
    UnknownOrder,
    /// The buyer used this key for a request with other contents.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Too many requests are waiting; nothing was done.
    #[error("too many requests are waiting")]
    Busy,
    /// A store cannot be reached; nothing was done.
    #[error("{store} is not available")]
    Unavailable {
        /// Which store.
        store: Store,
    },
    /// COMMIT failed, or there was no time to wait for it: the order exists or not.
    #[error("the outcome is unknown")]
    OutcomeUnknown,
    /// A store answered with an error that is not the buyer's doing; nothing was done.
    #[error("{store} failed")]
    Store {
        /// Which store.
        store: Store,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Says the innermost cause of an error: what exactly went wrong, without the way to it.
#[must_use]
pub fn reason(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => reason(source),
        None => error.to_string(),
    }
}
