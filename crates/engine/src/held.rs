//! Requests that were neither admitted nor refused: the units that they want may be held
//! by others, and may come back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use flash_core::Sku;

use crate::ticket::Ticket;

/// How long permits may be out before the gate is loaded again. A healthy commit takes
/// milliseconds; a gate that is loaded too early only lets more requests through to the
/// vault.
pub(crate) const HELD_MAX: Duration = Duration::from_millis(500);

/// How often to look whether held units were sold or came back.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The requests of one SKU, in the order of their arrival.
struct Line {
    tickets: Vec<Ticket>,
    /// Since when nobody was admitted.
    since: Instant,
    /// Whether somebody is looking at PostgreSQL for them.
    looked_at: bool,
}

/// All requests that are held; bounded.
pub(crate) struct Held {
    lines: HashMap<Sku, Line>,
    count: usize,
    max: usize,
}

impl Held {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            lines: HashMap::new(),
            count: 0,
            max,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn contains(&self, sku: &Sku) -> bool {
        self.lines.contains_key(sku)
    }

    pub(crate) fn skus(&self) -> Vec<Sku> {
        self.lines.keys().cloned().collect()
    }

    /// Adds a request at the end of its line; gives it back when there is no room.
    pub(crate) fn hold(&mut self, ticket: Ticket) -> Result<(), Ticket> {
        if self.count >= self.max {
            return Err(ticket);
        }
        self.count += 1;
        let line = self.lines.entry(ticket.request.sku.clone());
        let line = line.or_insert_with(|| Line {
            tickets: Vec::new(),
            since: Instant::now(),
            looked_at: false,
        });
        line.tickets.push(ticket);
        Ok(())
    }

    /// Somebody got units of this SKU, or its gate is new: the line moves.
    pub(crate) fn moves(&mut self, sku: &Sku) {
        if let Some(line) = self.lines.get_mut(sku) {
            line.since = Instant::now();
        }
    }

    /// Says for how long a line has not moved, to the one who looks at PostgreSQL for it.
    /// None where nobody waits, or somebody is looking.
    pub(crate) fn begin_look(&mut self, sku: &Sku) -> Option<Duration> {
        let line = self.lines.get_mut(sku)?;
        let looked_at = std::mem::replace(&mut line.looked_at, true);
        (!looked_at).then(|| line.since.elapsed())
    }

    /// Ends the look and takes all who waited. The line stays, so that those who come now
    /// stand behind those who could not be served.
    pub(crate) fn end_look(&mut self, sku: &Sku) -> Vec<Ticket> {
        let Some(line) = self.lines.get_mut(sku) else {
            return Vec::new();
        };
        line.looked_at = false;
        let tickets = std::mem::take(&mut line.tickets);
        self.count -= tickets.len();
        tickets
    }

    /// Removes a line that nobody stands in.
    pub(crate) fn tidy_up(&mut self, sku: &Sku) {
        if self
            .lines
            .get(sku)
            .is_some_and(|line| line.tickets.is_empty())
        {
            self.lines.remove(sku);
        }
    }
}
