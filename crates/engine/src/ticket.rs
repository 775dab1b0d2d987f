//! A purchase request on its way through the rooms.

use std::time::Instant;

use flash_core::{Placement, PurchaseRequest, StrategyError};
use tokio::sync::oneshot;

/// What the buyer is told.
pub(crate) type Answer = Result<Placement, StrategyError>;

/// A request, its permit if it has one, and the way back to the buyer.
pub(crate) struct Ticket {
    pub(crate) request: PurchaseRequest,
    /// The fence of the gate that gave a permit. Only that gate takes it back.
    pub(crate) permit: Option<i64>,
    /// When it came through the door.
    pub(crate) since: Instant,
    reply: oneshot::Sender<Answer>,
}

impl Ticket {
    pub(crate) fn new(request: PurchaseRequest) -> (Self, oneshot::Receiver<Answer>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                request,
                permit: None,
                since: Instant::now(),
                reply,
            },
            answer,
        )
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    pub(crate) fn answer(self, answer: Answer) {
        // A buyer who has left hears nothing; the same key tells them later.
        let _ = self.reply.send(answer);
    }
}
