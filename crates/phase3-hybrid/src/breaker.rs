//! Whether Redis is asked at all.

use std::time::Duration;

use crate::metrics::METRICS;

/// How often to try whether Redis is back.
pub(crate) const PROBE: Duration = Duration::from_millis(250);

/// Closed: buyers pass Redis. Open: they go straight to the vault.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    open: bool,
}

impl Breaker {
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Redis failed; true if that is news.
    pub(crate) fn trip(&mut self, reason: &str) -> bool {
        if !self.open {
            tracing::warn!(reason, "Redis is away: buyers go straight to PostgreSQL");
        }
        METRICS.redis_away.set(1);
        !std::mem::replace(&mut self.open, true)
    }

    /// Redis answered.
    pub(crate) fn reset(&mut self) {
        METRICS.redis_away.set(0);
        if std::mem::take(&mut self.open) {
            tracing::warn!("Redis is back: buyers pass it again");
        }
    }
}
