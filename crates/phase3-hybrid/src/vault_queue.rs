//! The queue before the vault: bounded, filled by the bouncer, taken by the lanes.

use std::sync::Arc;

use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::Instant;

use crate::metrics::METRICS;
use crate::ticket::Ticket;

/// With this many requests before the vault there is no hurry to admit more. At 32 requests
/// per call Redis costs a request little; with fewer the next lane would be kept waiting.
const PLENTY: usize = 32;

/// Where the bouncer puts what it has admitted.
pub(crate) struct Entrance {
    queue: mpsc::Sender<Ticket>,
    taken: Arc<Notify>,
}

/// Where the lanes take it.
#[derive(Clone)]
pub(crate) struct Exit {
    queue: Arc<Mutex<mpsc::Receiver<Ticket>>>,
    taken: Arc<Notify>,
}

/// A queue for at most `max` requests.
pub(crate) fn vault_queue(max: usize) -> (Entrance, Exit) {
    let (sender, receiver) = mpsc::channel(max);
    let taken = Arc::new(Notify::new());
    let entrance = Entrance {
        queue: sender,
        taken: Arc::clone(&taken),
    };
    let exit = Exit {
        queue: Arc::new(Mutex::new(receiver)),
        taken,
    };
    (entrance, exit)
}

impl Entrance {
    /// Waits for room. Gives the request back when no lane is left.
    pub(crate) async fn put(&self, ticket: Ticket) -> Result<(), Ticket> {
        self.queue.send(ticket).await.map_err(|unsent| unsent.0)
    }

    /// Waits until the lanes have little left to take, or it is this late.
    pub(crate) async fn little_left(&self, until: Instant) {
        let taken = async {
            while self.queue.max_capacity() - self.queue.capacity() >= PLENTY {
                self.taken.notified().await;
            }
        };
        // Either ends the wait.
        drop(tokio::time::timeout_at(until, taken).await);
    }
}

impl Exit {
    /// Waits for requests and takes at most `max` of them; none when no more will come.
    pub(crate) async fn take(&self, tickets: &mut Vec<Ticket>, max: usize) -> usize {
        let mut queue = self.queue.lock().await;
        let count = queue.recv_many(tickets, max).await;
        let left = queue.len().try_into().unwrap_or(i64::MAX);
        METRICS.before_the_vault.set(left);
        self.taken.notify_one();
        count
    }

    /// Takes what waits, unless another lane is about to.
    pub(crate) fn take_now(&self) -> Vec<Ticket> {
        let Ok(mut queue) = self.queue.try_lock() else {
            return Vec::new();
        };
        let tickets = std::iter::from_fn(|| queue.try_recv().ok()).collect();
        self.taken.notify_one();
        tickets
    }
}
