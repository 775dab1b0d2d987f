//! Notices to the bouncer.

use flash_core::{Sku, Store, StrategyError, reason};

use crate::supply::Found;

/// What the bouncer is told by the others.
pub(crate) enum Event {
    /// PostgreSQL said that nothing is left.
    SoldOut(Sku),
    /// A permit became no order.
    Unused { sku: Sku, fence: i64, units: i64 },
    /// Somebody looked at PostgreSQL, or loaded the gate from there.
    Looked {
        sku: Sku,
        reloaded: bool,
        found: Result<Found, StrategyError>,
    },
    /// Redis did not do what it was told, for this reason.
    RedisFailed(String),
    /// Redis can be worked with again.
    RedisIsBack,
}

/// One failure, told to several buyers.
pub(crate) fn same(error: &StrategyError) -> StrategyError {
    match error {
        StrategyError::UnknownSku => StrategyError::UnknownSku,
        StrategyError::Busy => StrategyError::Busy,
        _ => StrategyError::Store {
            store: Store::PostgreSql,
            source: reason(error).into(),
        },
    }
}
