//! A gate in Redis: a hash with `free_units`, and a field for each request that was admitted:
//! the units of its permit, or 0 for an order.

use flash_core::{Placement, PurchaseRequest, Sku, StrategyError};
use flash_db::{Pool, orders, skus};

use super::redis::Redis;

/// Reconciles a gate that is not there. KEYS: the gate  ARGV: its free units, names of orders
const RECONCILE: &str = "
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
for i = 2, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], 0) end
return redis.call('HSET', KEYS[1], 'free_units', ARGV[1])";

/// Ends a permit. KEYS: the gate  ARGV: the name, 'accepted', 'replayed' or 'none'
const SETTLE: &str = "
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local permit = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
if permit > 0 and ARGV[2] ~= 'accepted' then
    redis.call('HINCRBY', KEYS[1], 'free_units', permit)
end
if ARGV[2] ~= 'none' then redis.call('HSET', KEYS[1], ARGV[1], 0)
elseif permit > 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1";

/// What is given of a gate: all but whom it admits.
#[derive(Clone)]
pub struct Gate {
    /// Where it is.
    pub redis: Redis,
}

impl Gate {
    /// The key of the gate of a SKU.
    #[must_use]
    pub fn key(sku: &Sku) -> String {
        format!("flash:{{{sku}}}:workshop")
    }

    /// The field of a request.
    #[must_use]
    pub fn name(request: &PurchaseRequest) -> String {
        format!("{} {}", request.buyer_id, request.idempotency_key)
    }

    /// Whether there is a gate.
    ///
    /// # Errors
    ///
    /// Redis does not answer.
    pub async fn is_there(&self, sku: &Sku) -> Result<bool, StrategyError> {
        let exists = self.redis.number(&["EXISTS", &Self::key(sku)]).await?;
        Ok(exists == Some(1))
    }

    /// Reconciles a gate with PostgreSQL: what is available, and whose orders there are.
    ///
    /// # Errors
    ///
    /// A store does not answer, or there is no such SKU.
    pub async fn reconcile(&self, pool: &Pool, sku: &Sku) -> Result<(), StrategyError> {
        let mut conn = pool.get().await?;
        let stock = skus::stock(&mut conn, sku).await?;
        let names = orders::keys_of_sku(&mut conn, sku).await?;
        drop(conn);
        let mut arguments = vec![stock.available_units.to_string()];
        let name = |(buyer_id, key)| format!("{buyer_id} {key}");
        arguments.extend(names.into_iter().map(name));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let key = Self::key(sku);
        self.redis.script(RECONCILE, &key, &arguments).await?;
        Ok(())
    }

    /// Says what became of a request that was let through: its units are an order now, or
    /// free again. Where nobody knows, nothing is said.
    pub async fn settle(
        &self,
        request: &PurchaseRequest,
        placement: &Result<Placement, StrategyError>,
    ) {
        let outcome = match placement {
            Ok(Placement::Accepted { replayed: true, .. }) => "replayed",
            Ok(Placement::Accepted { .. }) => "accepted",
            Err(StrategyError::OutcomeUnknown) => return,
            _ => "none",
        };
        let key = Self::key(&request.sku);
        let arguments = [Self::name(request), outcome.to_owned()];
        let arguments = arguments.each_ref().map(String::as_str);
        // Where Redis does not hear of it, the gate is too low, and never too high.
        let _ = self.redis.script(SETTLE, &key, &arguments).await;
    }

    /// Removes the gate of a SKU, so that the next buyer reconciles it.
    pub async fn remove(&self, sku: &Sku) {
        let key = Self::key(sku);
        // Where Redis does not hear of it, the gate is too low.
        let _ = self.redis.number(&["DEL", &key]).await;
    }
}
