//! Whether Redis is asked at all.

use std::time::{Duration, Instant};

use crate::metrics::METRICS;

/// How long to wait before the first try whether Redis can be worked with again, and
/// between two tries.
pub(crate) const PROBE: Duration = Duration::from_millis(250);

/// The longest wait before the first try, where Redis has failed again and again.
const PAUSE_MAX: Duration = Duration::from_secs(8);

/// How long Redis must have worked for its next failure to be a new one.
const CALM: Duration = Duration::from_secs(10);

/// Closed: buyers pass Redis. Open: they go straight to the vault.
#[derive(Debug)]
pub(crate) struct Breaker {
    open: bool,
    closed_at: Option<Instant>,
    pause: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            open: false,
            closed_at: None,
            pause: PROBE,
        }
    }
}

impl Breaker {
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Redis failed. If that is news, says how long to wait before it is tried: longer each
    /// time while it comes and goes.
    pub(crate) fn trip(&mut self, reason: &str) -> Option<Duration> {
        if self.open {
            return None;
        }
        self.open = true;
        let calm = self.closed_at.is_none_or(|at| at.elapsed() >= CALM);
        self.pause = if calm {
            PROBE
        } else {
            PAUSE_MAX.min(2 * self.pause)
        };
        tracing::warn!(reason, "Redis is away: buyers go straight to PostgreSQL");
        METRICS.redis_away.set(1);
        Some(self.pause)
    }

    /// Redis can be worked with.
    pub(crate) fn reset(&mut self) {
        self.open = false;
        self.closed_at = Some(Instant::now());
        METRICS.redis_away.set(0);
        tracing::warn!("Redis is back: buyers pass it again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_comes_and_goes_is_tried_less_and_less_often() {
        let mut breaker = Breaker::default();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            pauses.extend(breaker.trip("it refuses"));
            assert_eq!(breaker.trip("it refuses"), None, "told once");
            breaker.reset();
        }
        let millis: Vec<_> = pauses.iter().map(Duration::as_millis).collect();
        assert_eq!(millis, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]);
    }
}
