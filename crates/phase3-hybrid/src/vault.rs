//! The third room: PostgreSQL decides. Lanes take what waits and commit it together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use flash_core::{Sku, Store, StrategyError, reason};
use flash_db::DbError;
use tokio::sync::mpsc;

use crate::batch::{self, Decision, Entry, Outcome};
use crate::event::Event;
use crate::metrics::METRICS;
use crate::ticket::Ticket;
use crate::vault_queue::Exit;

/// How often to try again while PostgreSQL is away.
const RETRY: Duration = Duration::from_millis(100);

/// How long one run of a batch may take beyond its wait for the rows: far more than a
/// healthy PostgreSQL needs, and the end of waiting for one that has stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a batch is run that is known not to have been committed. The second run
/// covers a connection that broke while it was idle, and a key that was taken meanwhile.
const RUNS_MAX: u32 = 2;

/// Whether PostgreSQL can be reached.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    away: AtomicBool,
}

impl Presence {
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    fn set_away(&self, error: &DbError) {
        METRICS.postgresql_away.set(1);
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                reason = reason(error),
                "PostgreSQL is away: nobody is admitted"
            );
        }
    }

    fn set_back(&self) {
        METRICS.postgresql_away.set(0);
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::warn!("PostgreSQL is back");
        }
    }
}

/// A committer: one connection, one batch at a time. While its commit is in flight the
/// next batch gathers at the door, so batches are small when it is quiet and grow under
/// load.
pub(crate) struct Lane {
    pub(crate) database_url: String,
    pub(crate) lock_wait: Duration,
    pub(crate) batch_max: usize,
    pub(crate) queue: Exit,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) presence: Arc<Presence>,
}

impl Lane {
    /// Works until the queue is closed.
    pub(crate) async fn work(self) {
        let mut conn = None;
        let mut tickets = Vec::new();
        loop {
            if self.queue.take(&mut tickets, self.batch_max).await == 0 {
                return;
            }
            let mut entries = Vec::with_capacity(tickets.len());
            for ticket in tickets.drain(..) {
                if ticket.is_abandoned() {
                    self.give_back(&ticket);
                } else {
                    entries.push(Entry::new(ticket));
                }
            }
            if !entries.is_empty() {
                METRICS.lanes_busy.inc();
                self.commit(&mut conn, entries).await;
                METRICS.lanes_busy.dec();
            }
        }
    }

    /// Runs a batch until its outcome is known, and answers it.
    ///
    /// Once COMMIT has been sent and not answered, the identical batch is run again for as
    /// long as it takes: the row locks make it wait for what may still be going on, and
    /// the keys tell it what was written. It is never reported as failed.
    async fn commit(&self, conn: &mut Option<AsyncPgConnection>, entries: Vec<Entry>) {
        let mut unknown = false;
        let mut runs = 0;
        loop {
            runs += 1;
            match self.run(conn, &entries, &mut unknown).await {
                Ok(outcome) => return self.answer(entries, outcome),
                Err(error) if !unknown && (runs == RUNS_MAX || conn.is_none()) => {
                    self.refuse(entries, error);
                    if conn.is_none() {
                        *conn = Some(self.reconnect().await);
                    }
                    return;
                }
                Err(error) => {
                    tracing::debug!(reason = reason(&error), unknown, "run again");
                    if unknown && conn.is_none() {
                        *conn = Some(self.reconnect().await);
                    } else if unknown {
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        }
    }

    /// Runs a batch once. Leaves no connection behind that is in an unknown state, unless
    /// another could be opened at once.
    async fn run(
        &self,
        conn: &mut Option<AsyncPgConnection>,
        entries: &[Entry],
        unknown: &mut bool,
    ) -> Result<Outcome, DbError> {
        let open = match conn.take() {
            Some(open) => open,
            None => self.connect().await?,
        };
        let timer = METRICS.commit_seconds.start_timer();
        let mut committing = false;
        let running = batch::run(&open, entries, &mut committing);
        let result = tokio::time::timeout(self.lock_wait + PATIENCE, running).await;
        let result = result.unwrap_or(Err(DbError::Silent));
        timer.observe_duration();
        *unknown |= committing && result.is_err();
        match &result {
            Ok(_) => *conn = Some(open),
            Err(error) if error.leaves_connection_usable() => *conn = Some(open),
            Err(_) => *conn = self.connect().await.ok(),
        }
        result
    }

    async fn connect(&self) -> Result<AsyncPgConnection, DbError> {
        match flash_db::connect_bounded(&self.database_url, self.lock_wait).await {
            Ok(conn) => {
                self.presence.set_back();
                Ok(conn)
            }
            Err(error) => {
                self.presence.set_away(&error);
                Err(error)
            }
        }
    }

    /// Tries until PostgreSQL lets us in. Those who wait in the queue are told meanwhile:
    /// nothing was done for them.
    async fn reconnect(&self) -> AsyncPgConnection {
        loop {
            if let Ok(conn) = self.connect().await {
                return conn;
            }
            for ticket in self.queue.take_now() {
                self.give_back(&ticket);
                ticket.answer(Err(unavailable()));
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn answer(&self, entries: Vec<Entry>, outcome: Outcome) {
        METRICS.batch_requests.observe(outcome.size());
        for (entry, decision) in entries.into_iter().zip(outcome.decisions) {
            if decision == Decision::SoldOut {
                METRICS.refused_by_vault.inc();
            }
            if !decision.uses_permit() {
                self.give_back(&entry.ticket);
            }
            entry.answer(decision);
        }
        for sku in outcome.sold_out {
            self.tell(Event::SoldOut(sku));
        }
    }

    /// Answers a batch that was certainly not committed.
    fn refuse(&self, entries: Vec<Entry>, error: DbError) {
        let busy = matches!(StrategyError::from(error), StrategyError::Busy);
        for entry in entries {
            self.give_back(&entry.ticket);
            let answer = if busy {
                StrategyError::Busy
            } else {
                unavailable()
            };
            entry.ticket.answer(Err(answer));
        }
    }

    /// Gives the permit of a ticket back, if it has one.
    fn give_back(&self, ticket: &Ticket) {
        if let Some(fence) = ticket.permit {
            let sku: Sku = ticket.request.sku.clone();
            self.tell(Event::Unused {
                sku,
                fence,
                units: ticket.request.units.get(),
            });
        }
    }

    /// The bouncer may wait for a lane, so a lane must not wait for the bouncer: what it
    /// cannot be told now, the next look at PostgreSQL tells it.
    fn tell(&self, event: Event) {
        if let Err(error) = self.events.try_send(event) {
            tracing::debug!(%error, "the bouncer was not told");
        }
    }
}

fn unavailable() -> StrategyError {
    StrategyError::Unavailable {
        store: Store::PostgreSql,
    }
}
