//! Where a buyer's wires ask before each step, and tell what came of it.

use std::sync::{Mutex, PoisonError};

use flash_lab_crowd::outcome::Told;
use flash_lab_wire::{Statement, Steps, Store, Turn};
use tokio::sync::{mpsc, oneshot};

/// What the SKU of every run is called in a transcript.
pub(crate) const SHOWN_SKU: &str = "tee";

/// What happens to one buyer, in order.
pub(crate) enum Event {
    /// A statement waits for its turn.
    Held {
        statement: Statement,
        release: oneshot::Sender<Turn>,
        pid: Option<i32>,
    },
    /// The statement that had its turn was answered.
    Returned(String),
    /// The buyer was answered.
    Answered(Told),
    /// A clock of the server ran out: this is not the order that was asked for.
    Disturbed(&'static str),
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
        let desk = Self {
            watch,
            events,
            watched: Mutex::new(None),
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
                    self.tell(Event::Disturbed("the gate was loaded again"));
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
    fn without_names(&self, statement: Statement) -> Statement {
        Statement {
            store: statement.store,
            purpose: statement.purpose,
            sql: self.without_name(&statement.sql),
            parameters: statement
                .parameters
                .iter()
                .map(|it| self.without_name(it))
                .collect(),
            readable: self.without_name(&statement.readable),
        }
    }

    fn without_name(&self, text: &str) -> String {
        match &*self.lock() {
            Some(watched) => text.replace(&watched.sku, SHOWN_SKU),
            None => text.to_owned(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Steps for Desk {
    fn hold(
        &self,
        statement: Statement,
        records_orders: bool,
        pid: Option<i32>,
    ) -> Option<oneshot::Receiver<Turn>> {
        if !self.is_step(&statement, records_orders) {
            return None;
        }
        let (release, released) = oneshot::channel();
        self.tell(Event::Held {
            statement: self.without_names(statement),
            release,
            pid,
        });
        Some(released)
    }

    fn returned(&self, text: &str) {
        self.tell(Event::Returned(self.without_name(text)));
    }
}
