//! The lines of those who are held: neither admitted nor refused, since the units that they
//! want may come back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flash_core::Sku;

use crate::metrics::METRICS;

/// How many lines are kept that nobody stands in.
const LINES_MAX: usize = 10_000;

/// One line per SKU that somebody is or was held for. It stays until somebody is admitted:
/// buyers who leave and come back must not make it a new one each time.
pub(crate) struct Lines {
    lines: Mutex<HashMap<Sku, Line>>,
    /// How many stand in all of them, and how many may.
    held: AtomicUsize,
    max: usize,
}

struct Line {
    /// How many stand in it.
    waiting: usize,
    /// Since when nobody was admitted.
    since: Instant,
}

/// A place in the line of a SKU, until it is dropped.
pub(crate) struct Place {
    lines: Arc<Lines>,
    sku: Sku,
}

impl Lines {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            lines: Mutex::default(),
            held: AtomicUsize::new(0),
            max,
        }
    }

    /// Stands behind those who wait; none where there is no room.
    pub(crate) fn join(self: &Arc<Self>, sku: &Sku) -> Option<Place> {
        if self.held.fetch_add(1, Ordering::Relaxed) >= self.max {
            self.held.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let mut lines = self.lines();
        if lines.len() >= LINES_MAX {
            lines.retain(|_, line| line.waiting > 0);
        }
        let line = lines.entry(sku.clone()).or_insert(Line {
            waiting: 0,
            since: Instant::now(),
        });
        line.waiting += 1;
        drop(lines);
        METRICS.held.inc();
        Some(Place {
            lines: Arc::clone(self),
            sku: sku.clone(),
        })
    }

    /// How many are held for a SKU.
    pub(crate) fn waiting(&self, sku: &Sku) -> usize {
        self.lines().get(sku).map_or(0, |line| line.waiting)
    }

    /// Somebody got units of this SKU, or its gate is new: the line moves.
    pub(crate) fn moves(&self, sku: &Sku) {
        let mut lines = self.lines();
        match lines.get_mut(sku) {
            Some(line) if line.waiting > 0 => line.since = Instant::now(),
            _ => drop(lines.remove(sku)),
        }
    }

    /// For how long a line has not moved.
    pub(crate) fn unmoved(&self, sku: &Sku) -> Duration {
        let lines = self.lines();
        lines
            .get(sku)
            .map_or(Duration::ZERO, |line| line.since.elapsed())
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Sku, Line>> {
        // Nothing panics while it holds the lock.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        METRICS.held.dec();
        self.lines.held.fetch_sub(1, Ordering::Relaxed);
        if let Some(line) = self.lines.lines().get_mut(&self.sku) {
            line.waiting -= 1;
        }
    }
}
