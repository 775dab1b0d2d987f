//! What was asked and what was answered, with the times.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flash_lab_crowd::outcome::Told;
use flash_lab_crowd::{Outcome, Reply, SendError};

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A purchase.
    Order,
    /// To take the order of this id back.
    Cancel(String),
    /// To add units.
    Restock,
}

/// What is sent, again and again, until there is a final answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Which SKU.
    pub(crate) sku: String,
    /// Who asks.
    pub(crate) buyer: String,
    /// The key; a cancellation carries that of its order.
    pub(crate) key: String,
    /// How many units.
    pub(crate) units: i64,
    /// What is wanted.
    pub(crate) ask: Ask,
    /// Whether the buyer asks once and goes away, whatever is answered.
    pub(crate) leaves: bool,
}

/// What names a purchase: its buyer and its key.
pub(crate) type Name<'a> = (&'a str, &'a str);

impl Wish {
    pub(crate) fn name(&self) -> Name<'_> {
        (&self.buyer, &self.key)
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 or 201 to a purchase: the order that it became.
    Accepted(String),
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
    /// What was asked.
    pub(crate) wish: Wish,
    /// Which instance was asked.
    pub(crate) instance: usize,
    /// When it was sent.
    pub(crate) sent_us: i64,
    /// When the answer was there, or was waited for no longer.
    pub(crate) answered_us: i64,
    /// What was answered.
    pub(crate) answer: Answer,
}

impl Answer {
    /// Classifies what came back.
    pub(crate) fn of(ask: &Ask, answer: &Result<Reply, SendError>) -> Self {
        let told = Told::of(answer);
        let code = told.code.unwrap_or_default();
        match (told.outcome, told.status, told.order_id) {
            (Outcome::Failed, None, _) => Self::NotSent,
            (_, None, _) => Self::Lost,
            (Outcome::Accepted, ..) if *ask != Ask::Order => Self::Done,
            (Outcome::Accepted, _, Some(order_id)) => Self::Accepted(order_id),
            (Outcome::Accepted, Some(status), None) => {
                Self::Unexpected(format!("{status} without an order"))
            }
            (Outcome::SoldOut, ..) if told.available_units.is_some() => {
                Self::SoldOutByRow
            }
            (Outcome::SoldOut, ..) => Self::SoldOut,
            (Outcome::LimitReached, ..) => Self::LimitReached,
            (_, Some(503), _) => Self::Again(code),
            (_, Some(status), _) => Self::Unexpected(format!("{status} {code}")),
        }
    }

    /// Whether there is nothing more to ask.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Again(_) | Self::NotSent | Self::Lost)
    }

    /// Whether the buyer was told to go home.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_sold_out() || *self == Self::LimitReached
    }

    /// Whether the buyer was told that there is nothing left.
    pub(crate) fn is_sold_out(&self) -> bool {
        matches!(self, Self::SoldOut | Self::SoldOutByRow)
    }

    /// A word for it, to count by.
    pub(crate) fn word(&self) -> &str {
        match self {
            Self::Accepted(_) => "accepted",
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
    /// The same in microseconds of Unix time.
    pub(crate) began_unix_us: i64,
    entries: Mutex<Vec<Entry>>,
}

impl Journal {
    /// Begins a run.
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            began_unix_us: unix_us(),
            entries: Mutex::default(),
        }
    }

    /// Microseconds since the run began.
    pub(crate) fn now_us(&self) -> i64 {
        micros(self.began.elapsed())
    }

    /// The moment this many milliseconds into the run.
    pub(crate) fn at_ms(&self, at_ms: u64) -> tokio::time::Instant {
        (self.began + Duration::from_millis(at_ms)).into()
    }

    /// All entries so far, in the order in which they were answered.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing panics while it holds the lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the clock on the wall shows, in microseconds of Unix time.
pub(crate) fn unix_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock that stands before 1970 is wrong in any case.
    micros(since.unwrap_or_default())
}

pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
