//! A strategy with its stores, and short names for what tests ask of them.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use flash_core::{
    Audit, BuyerId, IdempotencyKey, InventoryStrategy, Order, Placement,
    PurchaseRequest, Restock, Sku, Stock, StockTerms, StrategyError, Units,
};
use flash_db::skus;
use tokio::task::JoinHandle;

use crate::{Conductor, Stores};

/// A strategy that sells from stores of its own.
pub struct Sale<S> {
    /// What sells.
    pub strategy: Arc<S>,
    /// What it sells from.
    pub stores: Stores,
}

/// The SKU that tests sell.
pub fn sku() -> anyhow::Result<Sku> {
    Ok(Sku::new("tee")?)
}

/// A request for `units` of [`sku`].
pub fn purchase(buyer: &str, key: &str, units: i64) -> anyhow::Result<PurchaseRequest> {
    Ok(PurchaseRequest {
        sku: sku()?,
        buyer_id: BuyerId::new(buyer)?,
        units: Units::new(units)?,
        idempotency_key: IdempotencyKey::new(key)?,
    })
}

/// The order of an accepted placement, and whether it was replayed.
pub fn order_of(
    placement: Result<Placement, StrategyError>,
) -> anyhow::Result<(Order, bool)> {
    match placement? {
        Placement::Accepted { order, replayed } => Ok((order, replayed)),
        other => bail!("expected an accepted order, got {other:?}"),
    }
}

impl<S: InventoryStrategy> Sale<S> {
    /// Opens a sale with new stores and the strategy that `start` makes for them.
    pub async fn open(
        start: impl FnOnce(&Stores) -> anyhow::Result<S>,
    ) -> anyhow::Result<Self> {
        let stores = Stores::new().await?;
        let strategy = Arc::new(start(&stores)?);
        Ok(Self { strategy, stores })
    }

    /// Puts [`sku`] on sale.
    pub async fn stock_up(
        &self,
        initial_units: i64,
        per_buyer_limit: Option<i64>,
    ) -> anyhow::Result<()> {
        let terms = StockTerms::new(initial_units, per_buyer_limit)?;
        skus::create(&mut self.stores.connect().await?, &sku()?, terms).await?;
        Ok(())
    }

    /// Buys and waits for the answer.
    pub async fn buy(
        &self,
        buyer: &str,
        key: &str,
        units: i64,
    ) -> anyhow::Result<Result<Placement, StrategyError>> {
        Ok(self
            .strategy
            .place_order(&purchase(buyer, key, units)?)
            .await)
    }

    /// Locks the stock rows, so that the order of what follows can be forced. Somebody who
    /// wants far too much has been there before: whatever a strategy does at the first
    /// request for a SKU is done.
    pub async fn hold_stock_rows(&self) -> anyhow::Result<Conductor> {
        let too_much = self.buy("nobody", "k0", Units::MAX).await?;
        ensure!(
            matches!(too_much, Ok(Placement::SoldOut { .. })),
            "{too_much:?}"
        );
        Conductor::hold_stock_rows(&self.stores).await
    }

    /// Adds units to [`sku`].
    pub async fn restock(
        &self,
        key: &str,
        units: i64,
    ) -> anyhow::Result<Result<Stock, StrategyError>> {
        let request = Restock {
            sku: sku()?,
            units: Units::new(units)?,
            idempotency_key: IdempotencyKey::new(key)?,
        };
        Ok(self.strategy.restock(&request).await)
    }

    /// Starts to buy and does not wait.
    pub fn start_buying(
        &self,
        request: PurchaseRequest,
    ) -> JoinHandle<Result<Placement, StrategyError>> {
        let strategy = Arc::clone(&self.strategy);
        tokio::spawn(async move { strategy.place_order(&request).await })
    }

    /// Audits [`sku`] from PostgreSQL.
    pub async fn audit(&self) -> anyhow::Result<Audit> {
        let mut conn = self.stores.connect().await?;
        let counts = flash_db::audit::count(&mut conn, &sku()?, None).await?;
        Ok(counts
            .context("the SKU does not exist")?
            .judge(Some(S::NAME)))
    }
}
