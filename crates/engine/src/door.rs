//! The first room: answers from the latch, or queues. It does no I/O, so a buyer who hangs
//! up leaves nothing half-done.

use std::sync::Arc;

use flash_core::{PurchaseRequest, Store, StrategyError};
use tokio::sync::mpsc;

use crate::latch::{Latches, NOTHING_LEFT};
use crate::metrics::METRICS;
use crate::presence::Presence;
use crate::ticket::{Answer, Ticket};

/// Where a request enters.
pub(crate) struct Door {
    queue: mpsc::Sender<Ticket>,
    latches: Arc<Latches>,
    postgresql: Arc<Presence>,
}

impl Door {
    pub(crate) fn new(
        queue: mpsc::Sender<Ticket>,
        latches: Arc<Latches>,
        postgresql: Arc<Presence>,
    ) -> Self {
        Self {
            queue,
            latches,
            postgresql,
        }
    }

    /// Waits for the answer to a request.
    ///
    /// # Errors
    ///
    /// `Busy` when the queue is full, `Unavailable` while PostgreSQL is away, or what the
    /// other rooms say.
    ///
    /// # Cancel safety
    ///
    /// A request whose batch was not sent yet is dropped unsold. Otherwise there is an
    /// order or there is none, and the same key tells which.
    pub(crate) async fn enter(&self, request: &PurchaseRequest) -> Answer {
        if self.latches.refuse(request) {
            METRICS.refused_by_latch.inc();
            return Ok(NOTHING_LEFT);
        }
        if self.postgresql.is_away() {
            return Err(StrategyError::Unavailable {
                store: Store::PostgreSql,
            });
        }
        let (ticket, answer) = Ticket::new(request.clone());
        if self.queue.try_send(ticket).is_err() {
            return Err(StrategyError::Busy);
        }
        // The rooms answer every ticket, unless the process stops.
        answer.await.unwrap_or(Err(StrategyError::OutcomeUnknown))
    }
}
