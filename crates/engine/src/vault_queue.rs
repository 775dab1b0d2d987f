//! The queue before the vault: bounded, filled by the bouncer, taken by the lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::Instant;

use crate::metrics::METRICS;
use crate::ticket::Ticket;

/// The longest that requests gather while all lanes are busy: about one slow commit.
const GATHER_MAX: Duration = Duration::from_millis(10);

/// Where the bouncer puts what it has admitted.
pub(crate) struct Entrance {
    queue: mpsc::Sender<Ticket>,
    lanes: Arc<Lanes>,
}

/// Where the lanes take it.
#[derive(Clone)]
pub(crate) struct Exit {
    queue: Arc<Mutex<mpsc::Receiver<Ticket>>>,
    lanes: Arc<Lanes>,
}

#[derive(Default)]
struct Lanes {
    /// How many wait for something to do.
    free: AtomicUsize,
    /// Told whenever one begins to wait, or has taken something.
    changed: Notify,
}

/// A queue for at most `max` requests.
pub(crate) fn vault_queue(max: usize) -> (Entrance, Exit) {
    let (sender, receiver) = mpsc::channel(max);
    let lanes = Arc::new(Lanes::default());
    let entrance = Entrance {
        queue: sender,
        lanes: Arc::clone(&lanes),
    };
    let exit = Exit {
        queue: Arc::new(Mutex::new(receiver)),
        lanes,
    };
    (entrance, exit)
}

impl Entrance {
    /// Waits for room. Gives the request back when no lane is left.
    pub(crate) async fn put(&self, ticket: Ticket) -> Result<(), Ticket> {
        // Where there is room a lane should find the whole batch, not what came before a
        // pause.
        match self.queue.try_send(ticket) {
            Ok(()) => {
                show_waiting(self.queue.max_capacity() - self.queue.capacity());
                Ok(())
            }
            Err(TrySendError::Full(ticket)) => {
                self.queue.send(ticket).await.map_err(|unsent| unsent.0)
            }
            Err(TrySendError::Closed(ticket)) => Err(ticket),
        }
    }

    /// Waits until a lane has nothing to do, but not for long after `asked`.
    pub(crate) async fn lane_free(&self, asked: Instant) {
        let free = async {
            while self.lanes.free.load(Ordering::Acquire) == 0
                || self.queue.capacity() < self.queue.max_capacity()
            {
                self.lanes.changed.notified().await;
            }
        };
        // Either ends the wait.
        drop(tokio::time::timeout_at(asked + GATHER_MAX, free).await);
    }
}

impl Exit {
    /// Waits for requests and takes at most `max` of them; none when no more will come.
    pub(crate) async fn take(&self, tickets: &mut Vec<Ticket>, max: usize) -> usize {
        self.lanes.free.fetch_add(1, Ordering::Release);
        self.lanes.changed.notify_one();
        let mut queue = self.queue.lock().await;
        let count = queue.recv_many(tickets, max).await;
        self.lanes.free.fetch_sub(1, Ordering::Release);
        self.lanes.changed.notify_one();
        show_waiting(queue.len());
        count
    }

    /// Takes what waits, unless another lane is about to.
    pub(crate) fn take_now(&self) -> Vec<Ticket> {
        let Ok(mut queue) = self.queue.try_lock() else {
            return Vec::new();
        };
        let tickets = std::iter::from_fn(|| queue.try_recv().ok()).collect();
        self.lanes.changed.notify_one();
        show_waiting(queue.len());
        tickets
    }
}

fn show_waiting(count: usize) {
    METRICS
        .before_the_vault
        .set(count.try_into().unwrap_or(i64::MAX));
}
