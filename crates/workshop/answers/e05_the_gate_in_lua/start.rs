//! A counter in Redis turns the crowd away. Who may be turned away?

use flash_workshop::given::*;

pub(crate) struct Strategy {
    pool: Pool,
    gate: Gate,
}

impl Sells for Strategy {
    const USES_REDIS: bool = true;

    fn new(stores: &Stores) -> Result<Self, StrategyError> {
        let (pool, redis) = (stores.pool.clone(), stores.redis()?);
        let gate = Gate { redis };
        Ok(Self { pool, gate })
    }

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        if !self.admits(request).await? {
            return Ok(sold_out());
        }
        let placement = sell_at_the_row(&self.pool, request).await;
        self.gate.settle(request, &placement).await;
        placement
    }

    async fn supply_changed(&self, sku: &Sku) {
        self.gate.remove(sku).await;
    }
}

// YOUR PART
impl Strategy {
    /// The gate is a hash: `free_units`, and a field for each request that was let through.
    async fn admits(&self, request: &PurchaseRequest) -> Result<bool, StrategyError> {
        let (key, name) = (Gate::key(&request.sku), Gate::name(request));
        let (units, minus) = (
            request.units.get().to_string(),
            format!("-{}", request.units.get()),
        );
        let redis = &self.gate.redis;
        if !self.gate.is_there(&request.sku).await? {
            self.gate.reconcile(&self.pool, &request.sku).await?;
        }
        if redis.number(&["HEXISTS", &key, &name]).await? == Some(1) {
            return Ok(true);
        }
        let take = ["HINCRBY", &key, "free_units", &minus];
        if redis.number(&take).await?.unwrap_or(0) < 0 {
            let give_back = ["HINCRBY", &key, "free_units", &units];
            redis.number(&give_back).await?;
            return Ok(false);
        }
        redis.number(&["HSET", &key, &name, &units]).await?;
        Ok(true)
    }
}
// END
