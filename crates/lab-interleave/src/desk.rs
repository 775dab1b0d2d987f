//! Where a buyer's wires ask before each step, and tell what came of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use flash_lab_crowd::outcome::Told;
use flash_lab_wire::{Statement, Steps, Store, Turn};
use tokio::sync::{mpsc, oneshot};

/// What the SKU of every run is called in a transcript.
const SHOWN_SKU: &str = "tee";

/// A statement that waits for its turn.
pub(crate) struct Held {
    pub(crate) statement: Statement,
    pub(crate) release: oneshot::Sender<Turn>,
    pub(crate) pid: Option<i32>,
}

/// What happens to one buyer, in order.
pub(crate) enum Event {
    Held(Held),
    /// The statement that had its turn was answered.
    Returned(String),
    /// The buyer was answered.
    Answered(Told),
    /// A clock of the server ran out: this is not the order that was asked for.
    Disturbed(Disturbed),
}

/// A run in which a clock of the server ran out: the machine was too slow for this order.
#[derive(Debug, thiserror::Error)]
#[error("the servers were disturbed: {0}")]
pub(crate) struct Disturbed(pub(crate) &'static str);

/// The one run that is watched.
struct Watched {
    sku: String,
    /// Whether the buyer is here, and Redis was not asked yet.
    is_to_ask: bool,
}

/// Which statements are steps of a buyer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    /// All that is run on the connection over which orders are recorded, and the first
    /// question to Redis about the SKU. The rest is the server's own business: preparing
    /// statements, listening, looking at the stock for those who wait, reconciling and
    /// closing gates. So it is for our strategies, whose business we know.
    Sale,
    /// All that is run in PostgreSQL, but for what drivers ask for themselves, and all that
    /// names the SKU in Redis. So it is for a program of somebody's own.
    Everything,
}

/// One for each buyer.
pub(crate) struct Desk {
    watch: Watch,
    events: mpsc::UnboundedSender<Event>,
    watched: Mutex<Option<Watched>>,
}

impl Desk {
    pub(crate) fn new(watch: Watch) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, receiver) = mpsc::unbounded_channel();
        let watched = Mutex::new(None);
        let desk = Self {
            watch,
            events,
            watched,
        };
        (desk, receiver)
    }

    /// From now on the steps for this SKU wait for their turns.
    pub(crate) fn watch(&self, sku: &str) {
        *self.lock() = Some(Watched {
            sku: sku.to_owned(),
            is_to_ask: false,
        });
    }

    /// The buyer comes: the next question to Redis is a step.
    pub(crate) fn expect_question(&self) {
        if let Some(watched) = &mut *self.lock() {
            watched.is_to_ask = true;
        }
    }

    /// From now on everything passes.
    pub(crate) fn look_away(&self) {
        *self.lock() = None;
    }

    pub(crate) fn tell(&self, event: Event) {
        // Nobody listens only when the stage is gone.
        let _heard = self.events.send(event);
    }

    /// Whether a statement is a step of the buyer.
    fn is_step(&self, statement: &Statement, records_orders: bool) -> bool {
        let mut watched = self.lock();
        let Some(watched) = watched.as_mut() else {
            return false;
        };
        match (self.watch, statement.store) {
            (Watch::Sale, Store::PostgreSQL) => {
                if !records_orders && statement.sql == "BEGIN" {
                    let why = Disturbed("the gate was loaded again");
                    self.tell(Event::Disturbed(why));
                }
                records_orders
            }
            (Watch::Sale, Store::Redis) => {
                statement.sql.starts_with("EVALSHA")
                    && statement.sql.contains(&format!("{{{}}}", watched.sku))
                    && std::mem::take(&mut watched.is_to_ask)
            }
            (Watch::Everything, Store::PostgreSQL) => !statement.is_of_driver(),
            (Watch::Everything, Store::Redis) => statement.sql.contains(&watched.sku),
        }
    }

    /// Calls the SKU of the run what it is called in every transcript.
    fn without_name(&self, text: &str) -> String {
        match &*self.lock() {
            Some(watched) => text.replace(&watched.sku, SHOWN_SKU),
            None => text.to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steps for Desk {
    fn hold(
        &self,
        mut statement: Statement,
        records_orders: bool,
        pid: Option<i32>,
    ) -> Option<oneshot::Receiver<Turn>> {
        if !self.is_step(&statement, records_orders) {
            return None;
        }
        let texts = [&mut statement.sql, &mut statement.readable];
        for text in texts.into_iter().chain(&mut statement.parameters) {
            *text = self.without_name(text);
        }
        let (release, released) = oneshot::channel();
        self.tell(Event::Held(Held {
            statement,
            release,
            pid,
        }));
        Some(released)
    }

    fn returned(&self, text: &str) {
        self.tell(Event::Returned(self.without_name(text)));
    }
}
