//! What a cable needs to know of what goes over it.

use bytes::{Bytes, BytesMut};

use crate::statement::Statement;

/// What a client said up to the point where it waits for an answer.
pub(crate) struct Said {
    pub(crate) bytes: Bytes,
    /// Where it runs something.
    pub(crate) statement: Option<Statement>,
    /// Names the answer.
    pub(crate) number: u64,
    /// What we answer ourselves: then the store is not told.
    pub(crate) answer: Option<&'static [u8]>,
}

/// One message of a store.
pub(crate) struct Heard {
    pub(crate) bytes: Bytes,
    /// Where it ends an answer: whose, and what it was.
    pub(crate) returned: Option<(u64, String)>,
    /// Whether nobody asked for it: somebody else has notified.
    pub(crate) is_news: bool,
}

/// Follows both sides of one connection. What is complete is taken from the buffer.
pub(crate) trait Protocol: Send + Sync {
    fn said(&mut self, buffer: &mut BytesMut) -> Option<Said>;
    fn heard(&mut self, buffer: &mut BytesMut) -> Option<Heard>;
    /// The process of the store that serves this connection.
    fn pid(&self) -> Option<i32> {
        None
    }
}
