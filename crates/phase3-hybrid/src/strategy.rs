use std::sync::Arc;

use flash_core::{InventoryStrategy, Placement, PurchaseRequest};
use flash_core::{Sku, Stock, StrategyError};
use flash_db::Pool;

use crate::bouncer::{Admission, Bouncer};
use crate::door::Door;
use crate::vault::Vault;

/// Exact and fast: Redis turns the crowd away in memory, PostgreSQL decides.
pub struct Strategy {
    door: Door,
    rooms: Arc<Rooms>,
}

/// What a request passes after the door.
struct Rooms {
    bouncer: Bouncer,
    vault: Vault,
}

/// Limits of phase 3.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The most requests inside at once; one more is told `Busy`.
    pub queue_max: usize,
    /// The most connections to Redis.
    pub redis_pool_size: usize,
}

impl Strategy {
    /// Admits by this Redis and sells from the stock rows of this database.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Store`] when the URL is not a Redis connection URL.
    pub fn new(
        pool: Pool,
        redis_url: &str,
        options: Options,
    ) -> Result<Self, StrategyError> {
        let bouncer = Bouncer::new(redis_url, options.redis_pool_size)?;
        let vault = Vault::new(pool);
        Ok(Self {
            door: Door::new(options.queue_max),
            rooms: Arc::new(Rooms { bouncer, vault }),
        })
    }
}

impl InventoryStrategy for Strategy {
    const NAME: &'static str = "hybrid";

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let (rooms, request) = (Arc::clone(&self.rooms), request.clone());
        self.door
            .enter(async move { rooms.purchase(&request).await })
            .await
    }

    async fn stock(&self, sku: &Sku) -> Result<Stock, StrategyError> {
        self.rooms.vault.stock(sku).await
    }
}

impl Rooms {
    async fn purchase(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let admission = self.bouncer.admit(request, &self.vault).await?;
        match admission {
            // A known key may have an order: only PostgreSQL can tell.
            Admission::Admitted | Admission::KnownKey => {}
            Admission::NotEnough => return Ok(Placement::SoldOut),
            Admission::LimitReached => return Ok(Placement::LimitReached),
        }

        let placement = self.vault.commit(request).await;

        // Judged by the result of the commit, and after it: a permit that is given back
        // too early could be sold twice, one that is not given back is never sold.
        let used = matches!(
            placement,
            Ok(Placement::Accepted { .. }) | Err(StrategyError::OutcomeUnknown)
        );
        if admission == Admission::Admitted && !used {
            self.bouncer.release(request).await;
        }
        placement
    }
}
