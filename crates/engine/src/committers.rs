//! Who works in the vault: each committer takes what waits and commits it together.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use flash_core::{Store, StrategyError, reason};
use flash_db::{DbError, connect_bounded};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::batcher::{Asked, Taker};
use crate::metrics::METRICS;
use crate::presence::Presence;
use crate::purchase::Answer;
use crate::stock::StockRoom;
use crate::vault::{self, Decision, Entry, Outcome, Ticket};

/// How often to try again while PostgreSQL is away.
const RETRY: Duration = Duration::from_millis(100);

/// How long one run of a batch may take beyond its wait for the rows: far more than a
/// healthy PostgreSQL needs, and the end of waiting for one that has stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a batch is run that is known not to have been committed. The second run
/// covers a connection that broke or is out of date, and a key that was taken meanwhile.
const RUNS_MAX: u32 = 2;

/// How long a batch may take before its lane counts as stuck: a healthy one takes
/// milliseconds.
const STUCK: Duration = Duration::from_secs(2);

/// A lane: one connection, one batch at a time. While its commit is in flight the next
/// batch gathers at the gate, so batches are small when it is quiet and grow under
/// load.
pub(crate) struct Committer {
    /// Which one it is, from 0 on.
    pub(crate) number: usize,
    pub(crate) database_url: String,
    pub(crate) lock_wait: Duration,
    pub(crate) batch_max: usize,
    pub(crate) queue: Taker<Ticket, Answer>,
    pub(crate) stock: StockRoom,
    pub(crate) presence: Arc<Presence>,
}

impl Committer {
    /// Opens its connection, says how that went, and works until the queue is closed.
    pub(crate) async fn work(self, opened: oneshot::Sender<Result<(), DbError>>) {
        let first = self.connect().await;
        let (first, told) = match first {
            Ok(conn) => (Some(conn), Ok(())),
            Err(error) => (None, Err(error)),
        };
        // Nobody has to wait for it.
        let _ = opened.send(told);
        let mut conn = match first {
            Some(conn) => Some(conn),
            None => Some(self.recover(None).await),
        };
        let mut tickets = Vec::new();
        loop {
            // Some may be left that wait for other rows than those that stayed locked.
            if tickets.is_empty()
                && self.queue.take(&mut tickets, self.batch_max).await == 0
            {
                return;
            }
            let mut entries = Vec::with_capacity(tickets.len());
            for (ticket, reply) in tickets.drain(..) {
                if ticket.purchase.is_abandoned() {
                    refuse(ticket, reply, StrategyError::Busy);
                } else {
                    entries.push(Entry::new(ticket, reply));
                }
            }
            if !entries.is_empty() {
                METRICS.lanes_busy.inc();
                tickets = self.commit(&mut conn, entries).await;
                METRICS.lanes_busy.dec();
            }
        }
    }

    /// Runs a batch until its outcome is known, and answers it. Returns tickets that have to
    /// be run next.
    ///
    /// Once COMMIT has been sent and not answered, the identical batch is run again for as
    /// long as it takes: the row locks make it wait for what may still be going on, and
    /// the keys tell it what was written. It is never reported as failed.
    async fn commit(
        &self,
        conn: &mut Option<AsyncPgConnection>,
        entries: Vec<Entry>,
    ) -> Vec<Asked<Ticket, Answer>> {
        let mut unknown = false;
        let mut runs = 0;
        loop {
            runs += 1;
            match self.run(conn, &entries, &mut unknown).await {
                Ok(outcome) => {
                    self.presence.back(self.number);
                    self.answer(entries, outcome);
                    return Vec::new();
                }
                Err(DbError::LockTimeout) if !unknown => {
                    return self.refuse_locked(conn, entries).await;
                }
                Err(error) if !unknown && (runs == RUNS_MAX || conn.is_none()) => {
                    self.refuse(entries, &error);
                    *conn = Some(self.recover(conn.take()).await);
                    return Vec::new();
                }
                Err(error) => {
                    tracing::debug!(reason = reason(&error), unknown, "run again");
                    if unknown {
                        self.presence.tell(&error);
                    }
                    if unknown && conn.is_none() {
                        *conn = Some(self.recover(None).await);
                    } else if unknown {
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        }
    }

    /// Runs a batch once. Leaves no connection behind that is in an unknown state or may be
    /// out of date, unless another could be opened at once.
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
        let begun = Instant::now();
        let mut committing = false;
        let running = vault::run(&open, entries, &mut committing);
        let mut running = Box::pin(timeout(self.lock_wait + PATIENCE, running));
        let result = match timeout(STUCK, &mut running).await {
            Ok(result) => result,
            Err(_elapsed) => {
                let _stuck = self.presence.stuck(self.number);
                running.as_mut().await
            }
        };
        drop(running);
        let result = result
            .unwrap_or(Err(DbError::Silent))
            .map_err(|error| error.after(begun.elapsed(), self.lock_wait));
        timer.observe_duration();
        *unknown |= committing && result.is_err();
        match &result {
            Err(error) if committing || error.may_be_stale() => {
                *conn = self.connect().await.ok();
            }
            _ => *conn = Some(open),
        }
        result
    }

    /// Opens a connection.
    async fn connect(&self) -> Result<AsyncPgConnection, DbError> {
        let opened = connect_bounded(&self.database_url, self.lock_wait).await;
        opened.inspect_err(|error| self.presence.away(self.number, error))
    }

    /// Tries until PostgreSQL lets us in and lets us sell. Those who wait in the queue are
    /// told meanwhile, unless another lane sells: nothing was done for them.
    async fn recover(&self, mut conn: Option<AsyncPgConnection>) -> AsyncPgConnection {
        loop {
            if conn.is_none() {
                conn = self.connect().await.ok();
            }
            if let Some(open) = conn.take() {
                match self.try_out(&open).await {
                    Ok(()) => {
                        self.presence.back(self.number);
                        return open;
                    }
                    Err(error) => self.presence.refused(self.number, &error),
                }
            }
            self.turn_away();
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Rehearses a sale until its end, however long that takes: PostgreSQL keeps a process
    /// for a commit that waits for a standby, and others would pile up behind it.
    async fn try_out(&self, open: &AsyncPgConnection) -> Result<(), DbError> {
        let mut rehearsing = pin!(rehearse(open));
        loop {
            if let Ok(result) = timeout(PATIENCE, &mut rehearsing).await {
                return result;
            }
            self.presence.refused(self.number, &DbError::Silent);
            self.turn_away();
        }
    }

    /// Answers those in the queue whom no lane can serve.
    fn turn_away(&self) {
        if self.presence.is_away() {
            for (ticket, reply) in self.queue.take_now() {
                let store = Store::PostgreSql;
                refuse(ticket, reply, StrategyError::Unavailable { store });
            }
        }
    }

    fn answer(&self, entries: Vec<Entry>, outcome: Outcome) {
        METRICS.batch_requests.observe(outcome.size());
        for sku in &outcome.sold {
            // Before its buyers can ask again.
            self.stock.sold(sku);
        }
        for (entry, decision) in entries.into_iter().zip(outcome.decisions) {
            if matches!(decision, Decision::SoldOut { .. }) {
                METRICS.refused_by_vault.inc();
            }
            entry.answer(decision);
        }
        for sku in outcome.sold_out {
            self.stock.sold_out(&sku);
        }
    }

    /// Answers a batch that was certainly not committed.
    fn refuse(&self, entries: Vec<Entry>, error: &DbError) {
        for entry in entries {
            let failed = StrategyError::Store {
                store: Store::PostgreSql,
                source: reason(error).into(),
            };
            refuse(entry.ticket, entry.reply, failed);
        }
    }

    /// A row of a batch stayed locked: answers who wants what is locked, in the batch and in
    /// the queue, and returns the others.
    async fn refuse_locked(
        &self,
        conn: &Option<AsyncPgConnection>,
        entries: Vec<Entry>,
    ) -> Vec<Asked<Ticket, Answer>> {
        let wanted: HashSet<_> =
            entries.iter().map(|it| it.request().sku.clone()).collect();
        let locked = match conn {
            Some(conn) => match timeout(PATIENCE, vault::locked(conn, &wanted)).await {
                Ok(Ok(locked)) if !locked.is_empty() => locked,
                // It was another lock: whoever waits for that would wait as long again.
                Ok(Ok(_)) => wanted,
                Ok(Err(_)) | Err(_) => wanted,
            },
            None => wanted,
        };
        let mut others = Vec::new();
        let waiting = entries.into_iter().map(|it| (it.ticket, it.reply));
        for (ticket, reply) in waiting.chain(self.queue.take_now()) {
            if locked.contains(&ticket.purchase.request.sku) {
                refuse(ticket, reply, StrategyError::Busy);
            } else {
                others.push((ticket, reply));
            }
        }
        others
    }
}

/// Sells nothing, as far as the commit: whatever keeps a batch from being sold and is not
/// its own doing shows here.
async fn rehearse(mut conn: &AsyncPgConnection) -> Result<(), DbError> {
    conn.batch_execute("BEGIN").await?;
    let probed = async {
        vault::rehearse(conn).await?;
        flash_db::probe(conn).await
    };
    let probed = probed.await;
    let end = if probed.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = conn.batch_execute(end).await;
    probed.and(ended.map_err(DbError::from))
}

/// Nothing was done for it: its permit is back before its buyer is told.
fn refuse(ticket: Ticket, reply: oneshot::Sender<Answer>, error: StrategyError) {
    drop(ticket);
    drop(reply.send(Err(error)));
}
