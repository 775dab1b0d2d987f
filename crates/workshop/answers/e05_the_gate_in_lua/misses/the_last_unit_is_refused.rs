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
/// KEYS: the gate  ARGV: the name of the request, its units
/// Returns 1 admitted, 0 refused, -1 for a gate that is not there.
const GATE: &str = "
local free_units = redis.call('HGET', KEYS[1], 'free_units')
if not free_units then return -1 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 1 end
if tonumber(free_units) <= tonumber(ARGV[2]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'free_units', -ARGV[2])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1";

impl Strategy {
    async fn admits(&self, request: &PurchaseRequest) -> Result<bool, StrategyError> {
        let (key, name) = (Gate::key(&request.sku), Gate::name(request));
        let arguments = [name, request.units.get().to_string()];
        let arguments = arguments.each_ref().map(String::as_str);
        loop {
            match self.gate.redis.script(GATE, &key, &arguments).await? {
                Some(-1) => self.gate.reconcile(&self.pool, &request.sku).await?,
                admitted => return Ok(admitted == Some(1)),
            }
        }
    }
}
// END
