//! What was asked and what was answered, with the times.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flash_lab_crowd::outcome::Told;
use flash_lab_crowd::{Outcome, Reply, SendError};

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A purchase.
    Order,
    /// To take an order back.
    Cancel {
        /// Which one.
        order_id: String,
    },
    /// To add units.
    Restock,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 or 201 to a purchase.
    Accepted {
        /// The order that it became.
        order_id: String,
    },
    /// 200 to a cancellation or a restock.
    Done,
    /// Final; a gate or a latch said so.
    SoldOut,
    /// Final; PostgreSQL said so, with what is left.
    SoldOutByRow,
    /// Final.
    LimitReached,
    /// 503, with its code: ask again.
    Again(String),
    /// There was no connection: the server did not see it.
    NotSent,
    /// No answer: the server may have seen it.
    Lost,
    /// What the contract does not foresee here.
    Unexpected(String),
}

/// One request, and what came of it. All times are microseconds since the run began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Which SKU.
    pub(crate) sku: String,
    /// Who asked.
    pub(crate) buyer: String,
    /// The key; a cancellation carries that of its order.
    pub(crate) key: String,
    /// How many units.
    pub(crate) units: i64,
    /// What was wanted.
    pub(crate) ask: Ask,
    /// Which instance was asked.
    pub(crate) instance: usize,
    /// When it was sent.
    pub(crate) sent_us: i64,
    /// When the answer was there, or was waited for no longer.
    pub(crate) answered_us: i64,
    /// What was answered.
    pub(crate) answer: Answer,
    /// Whether the buyer goes away, whatever was answered.
    pub(crate) leaves: bool,
}

impl Answer {
    /// Classifies what came back.
    pub(crate) fn of(ask: &Ask, answer: &Result<Reply, SendError>) -> Self {
        let told = Told::of(answer);
        let code = told.code.unwrap_or_default();
        let Some(status) = told.status else {
            return match told.outcome {
                Outcome::Failed => Self::NotSent,
                _ => Self::Lost,
            };
        };
        match (told.outcome, told.order_id) {
            (Outcome::Accepted, _) if *ask != Ask::Order => Self::Done,
            (Outcome::Accepted, Some(order_id)) => Self::Accepted { order_id },
            (Outcome::Accepted, None) => {
                Self::Unexpected(format!("{status} without an order"))
            }
            (Outcome::SoldOut, _) if told.available_units.is_some() => {
                Self::SoldOutByRow
            }
            (Outcome::SoldOut, _) => Self::SoldOut,
            (Outcome::LimitReached, _) => Self::LimitReached,
            _ if status == 503 => Self::Again(code),
            _ => Self::Unexpected(format!("{status} {code}")),
        }
    }

    /// Whether there is nothing more to ask.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Again(_) | Self::NotSent | Self::Lost)
    }

    /// Whether the buyer was told to go home.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_sold_out() || matches!(self, Self::LimitReached)
    }

    /// Whether the buyer was told that there is nothing left.
    pub(crate) fn is_sold_out(&self) -> bool {
        matches!(self, Self::SoldOut | Self::SoldOutByRow)
    }

    /// A word for it, to count by.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Done => "done",
            Self::SoldOut | Self::SoldOutByRow => "sold-out",
            Self::LimitReached => "limit-reached",
            Self::Again(code) => code,
            Self::NotSent => "no-connection",
            Self::Lost => "no-answer",
            Self::Unexpected(_) => "unexpected",
        }
    }
}

/// Collects entries from all sides.
#[derive(Debug)]
pub(crate) struct Journal {
    began: Instant,
    began_unix: Duration,
    entries: Mutex<Vec<Entry>>,
}

impl Journal {
    /// Begins a run.
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            // A clock that stands before 1970 is wrong in any case.
            began_unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            entries: Mutex::default(),
        }
    }

    /// Microseconds since the run began.
    pub(crate) fn now_us(&self) -> i64 {
        micros(self.began.elapsed())
    }

    /// The moment this many milliseconds into the run.
    pub(crate) fn at_ms(&self, at_ms: u64) -> Instant {
        self.began + Duration::from_millis(at_ms)
    }

    /// What the clock on the wall showed when the run began, in microseconds of Unix time.
    pub(crate) fn began_unix_us(&self) -> i64 {
        micros(self.began_unix)
    }

    /// Adds an entry.
    pub(crate) fn add(&self, entry: Entry) {
        self.lock().push(entry);
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// All entries, in the order in which they were sent.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = self.lock().clone();
        entries.sort_by_key(|entry| entry.sent_us);
        entries
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        // Nothing panics while it holds the lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
