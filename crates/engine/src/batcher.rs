//! A queue whose askers wait for their answers, and whose takers take all that waits: while
//! one batch is under way the next one gathers. No timers: batches are 1 when it is quiet
//! and grow under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, Notify, mpsc, oneshot};

/// A question that waits, and the way back to who asked it.
pub(crate) type Asked<Q, A> = (Q, oneshot::Sender<A>);

/// There is no room to wait.
pub(crate) struct Full;

/// Where questions are asked.
pub(crate) struct Batcher<Q, A> {
    queue: mpsc::UnboundedSender<Asked<Q, A>>,
    state: Arc<State>,
}

/// Where they are taken, by one taker or several.
pub(crate) struct Taker<Q, A> {
    queue: Arc<Mutex<mpsc::UnboundedReceiver<Asked<Q, A>>>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// How many questions wait.
    waiting: AtomicUsize,
    /// How many takers wait for a question.
    idle: AtomicUsize,
    /// Told whenever a taker begins to wait, or has taken something.
    changed: Notify,
}

/// A taker who waits for a question, until it is dropped.
struct Idle<'a>(&'a State);

impl<'a> Idle<'a> {
    fn begin(state: &'a State) -> Self {
        state.idle.fetch_add(1, Ordering::Relaxed);
        state.changed.notify_one();
        Self(state)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.idle.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A queue and its first taker.
pub(crate) fn batcher<Q, A>() -> (Batcher<Q, A>, Taker<Q, A>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let state = Arc::new(State::default());
    let batcher = Batcher {
        queue: sender,
        state: Arc::clone(&state),
    };
    let taker = Taker {
        queue: Arc::new(Mutex::new(receiver)),
        state,
    };
    (batcher, taker)
}

impl<Q, A> Batcher<Q, A> {
    /// Waits for the answer; none when nobody takes questions any more.
    pub(crate) async fn ask(&self, question: Q) -> Option<A> {
        let (reply, answer) = oneshot::channel();
        self.pass_on(question, reply);
        answer.await.ok()
    }

    /// Asks for somebody who waits for the answer already.
    pub(crate) fn pass_on(&self, question: Q, reply: oneshot::Sender<A>) {
        self.state.waiting.fetch_add(1, Ordering::Relaxed);
        self.send(question, reply);
    }

    /// The same, unless so many wait already.
    pub(crate) async fn ask_if_room(
        &self,
        question: Q,
        max: usize,
    ) -> Result<Option<A>, Full> {
        if self.state.waiting.fetch_add(1, Ordering::Relaxed) >= max {
            self.state.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(Full);
        }
        let (reply, answer) = oneshot::channel();
        self.send(question, reply);
        Ok(answer.await.ok())
    }

    /// How many questions wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.waiting.load(Ordering::Relaxed)
    }

    /// Waits until fewer questions wait.
    pub(crate) async fn below(&self, max: usize) {
        while self.waiting() >= max {
            self.state.changed.notified().await;
        }
    }

    /// Waits until a taker has nothing to do.
    pub(crate) async fn idle(&self) {
        while self.state.idle.load(Ordering::Relaxed) == 0 || self.waiting() > 0 {
            self.state.changed.notified().await;
        }
    }

    fn send(&self, question: Q, reply: oneshot::Sender<A>) {
        // Without a taker the reply is dropped, and who waits hears that.
        drop(self.queue.send((question, reply)));
    }
}

impl<Q, A> Clone for Taker<Q, A> {
    fn clone(&self) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            state: Arc::clone(&self.state),
        }
    }
}

impl<Q, A> Taker<Q, A> {
    /// Waits for questions, takes at most `max`, and returns how many there are; none when
    /// no more will come. What was taken before the future is dropped is in the batch.
    pub(crate) async fn take(&self, batch: &mut Vec<Asked<Q, A>>, max: usize) -> usize {
        let idle = Idle::begin(&self.state);
        let mut queue = self.queue.lock().await;
        if batch.is_empty() {
            let count = queue.recv_many(batch, max).await;
            self.took(count);
        }
        drop(idle);
        batch.len()
    }

    /// Takes what waits, unless another taker is about to.
    pub(crate) fn take_now(&self) -> Vec<Asked<Q, A>> {
        let Ok(mut queue) = self.queue.try_lock() else {
            return Vec::new();
        };
        let batch: Vec<_> = std::iter::from_fn(|| queue.try_recv().ok()).collect();
        self.took(batch.len());
        batch
    }

    fn took(&self, count: usize) {
        self.state.waiting.fetch_sub(count, Ordering::Relaxed);
        self.state.changed.notify_one();
    }
}
