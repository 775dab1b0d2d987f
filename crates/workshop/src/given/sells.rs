//! What an exercise is, and the strategy that it becomes.

use std::pin::Pin;
use std::sync::Arc;

use flash_core::{
    InventoryStrategy, Order, OrderId, Placement, PurchaseRequest, Restock, Sku, Stock,
    StrategyError, reason,
};
use flash_db::Pool;

use super::redis::Redis;
use super::stock::{add_units, cancel};

/// The stores that an exercise sells from.
#[derive(Clone)]
pub struct Stores {
    /// Connections to PostgreSQL.
    pub pool: Pool,
    /// Where Redis is, if the exercise uses it.
    pub redis_url: Option<String>,
}

impl Stores {
    /// A connection to Redis, which opens when it is first used.
    ///
    /// # Errors
    ///
    /// The URL is not one, or there is none.
    pub fn redis(&self) -> Result<Redis, StrategyError> {
        Redis::new(self.redis_url.as_deref().unwrap_or_default())
    }
}

/// The part of a strategy that an exercise is about.
pub trait Sells: Send + Sync + Sized + 'static {
    /// Whether it needs Redis.
    const USES_REDIS: bool = false;

    /// Gets ready to sell from these stores.
    ///
    /// # Errors
    ///
    /// What keeps it from selling.
    fn new(stores: &Stores) -> Result<Self, StrategyError>;

    /// Turns a purchase request into an order, or refuses it.
    fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> impl Future<Output = Result<Placement, StrategyError>> + Send;

    /// Hears that units of a SKU came back or were added.
    fn supply_changed(&self, _sku: &Sku) -> impl Future<Output = ()> + Send {
        async {}
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The same for any exercise, so that a server is compiled once and not once for each.
trait AnyExercise: Send + Sync {
    fn place_order<'a>(
        &'a self,
        request: &'a PurchaseRequest,
    ) -> Answer<'a, Result<Placement, StrategyError>>;

    fn supply_changed<'a>(&'a self, sku: &'a Sku) -> Answer<'a, ()>;
}

impl<E: Sells> AnyExercise for E {
    fn place_order<'a>(
        &'a self,
        request: &'a PurchaseRequest,
    ) -> Answer<'a, Result<Placement, StrategyError>> {
        Box::pin(Sells::place_order(self, request))
    }

    fn supply_changed<'a>(&'a self, sku: &'a Sku) -> Answer<'a, ()> {
        Box::pin(Sells::supply_changed(self, sku))
    }
}

/// An exercise that is served.
pub struct Served {
    exercise: Arc<dyn AnyExercise>,
    pool: Pool,
}

/// Makes a strategy of an exercise.
///
/// # Errors
///
/// What keeps it from selling.
pub fn served<E: Sells>(stores: &Stores) -> Result<Served, StrategyError> {
    Ok(Served {
        exercise: Arc::new(E::new(stores)?),
        pool: stores.pool.clone(),
    })
}

/// The server asks a strategy once more where a connection may be to blame. Here nobody is
/// asked twice: who tries again, and what, is what exercises are about.
fn final_answer(error: StrategyError) -> StrategyError {
    match error {
        StrategyError::Store { store, source } => StrategyError::Store {
            store,
            source: reason(&*source).into(),
        },
        other => other,
    }
}

impl InventoryStrategy for Served {
    const NAME: &'static str = "exercise";

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let (exercise, request) = (Arc::clone(&self.exercise), request.clone());
        let sale = tokio::spawn(async move { exercise.place_order(&request).await });
        let placement = sale.await.unwrap_or(Err(StrategyError::OutcomeUnknown));
        placement.map_err(final_answer)
    }

    async fn cancel_order(&self, order_id: OrderId) -> Result<Order, StrategyError> {
        let order = cancel(&self.pool, order_id).await?;
        self.exercise.supply_changed(&order.sku).await;
        Ok(order)
    }

    async fn restock(&self, request: &Restock) -> Result<Stock, StrategyError> {
        let stock = add_units(&self.pool, request).await?;
        self.exercise.supply_changed(&request.sku).await;
        Ok(stock)
    }

    async fn stock(&self, sku: &Sku) -> Result<Stock, StrategyError> {
        let mut conn = self.pool.get().await?;
        Ok(flash_db::skus::stock(&mut conn, sku).await?)
    }
}
