//! The vault, where PostgreSQL decides. One batch, one transaction: what phase 2 does for one buyer, for all of them at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_core::{BuyerId, Order, Placement, PurchaseRequest, Sku, StrategyError};
use flash_db::{DbError, expect_rows, failed_commit, orders};
use tokio::sync::oneshot;

use crate::gate::Permit;
use crate::purchase::{Answer, Purchase};
use crate::sql::{self, Column, Key, Statement};

/// A request that waits for PostgreSQL, with its permit unless Redis was passed by.
pub(crate) struct Ticket {
    pub(crate) purchase: Arc<Purchase>,
    pub(crate) permit: Option<Permit>,
}

/// A request and the order that it becomes if it is accepted. The order is made once, so
/// that running the batch again writes the identical rows.
pub(crate) struct Entry {
    pub(crate) ticket: Ticket,
    pub(crate) reply: oneshot::Sender<Answer>,
    order: Order,
    /// The fence under which the batch was first run.
    fence: OnceLock<i64>,
}

impl Entry {
    pub(crate) fn new(ticket: Ticket, reply: oneshot::Sender<Answer>) -> Self {
        let order = orders::order_for(&ticket.purchase.request);
        Self {
            ticket,
            reply,
            order,
            fence: OnceLock::new(),
        }
    }

    pub(crate) fn request(&self) -> &PurchaseRequest {
        &self.ticket.purchase.request
    }
}

/// What becomes of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Its own order was written.
    Accept,
    /// An order with its key was there before.
    Replay(Order),
    SoldOut {
        available_units: i64,
    },
    LimitReached,
    KeyReused,
    UnknownSku,
    /// Nobody waits for it any more, or units were added since the batch was first run. The
    /// buyer may have asked elsewhere and been refused for good, so it must not be sold.
    TooLate,
}

/// A batch whose transaction has ended.
pub(crate) struct Outcome {
    pub(crate) decisions: Vec<Decision>,
    /// SKUs of which something was sold.
    pub(crate) sold: Vec<Sku>,
    /// SKUs of the batch with nothing left.
    pub(crate) sold_out: Vec<Sku>,
}

impl Outcome {
    /// How many requests it decided.
    pub(crate) fn size(&self) -> f64 {
        u32::try_from(self.decisions.len()).map_or(f64::INFINITY, f64::from)
    }
}

impl Decision {
    pub(crate) fn answer(self, own: Order) -> Answer {
        match self {
            Self::Accept => Ok(Placement::Accepted {
                order: own,
                replayed: false,
            }),
            Self::Replay(order) if order.order_id == own.order_id => {
                // An earlier run of this batch wrote it, and its answer got lost.
                Ok(Placement::Accepted {
                    order,
                    replayed: false,
                })
            }
            Self::Replay(order) => Ok(Placement::Accepted {
                order,
                replayed: true,
            }),
            Self::SoldOut { available_units } => Ok(Placement::SoldOut {
                available_units: Some(available_units),
            }),
            Self::LimitReached => Ok(Placement::LimitReached),
            Self::KeyReused => Err(StrategyError::KeyReused),
            Self::UnknownSku => Err(StrategyError::UnknownSku),
            Self::TooLate => Err(StrategyError::Busy),
        }
    }
}

impl Entry {
    pub(crate) fn answer(self, decision: Decision) {
        let answer = decision.answer(self.order);
        // It gives itself back where nothing was sold for it.
        if let Some(permit) = self.ticket.permit
            && let Ok(Placement::Accepted { replayed, .. }) = &answer
            && !replayed
        {
            permit.spend();
        }
        // A buyer who has left hears nothing; the same key tells them later.
        drop(self.reply.send(answer));
    }
}

/// Runs a batch in one transaction. `committing` is set just before COMMIT is sent: with it
/// an error means that nobody knows, without it that nothing was done.
pub(crate) async fn run(
    mut conn: &AsyncPgConnection,
    entries: &[Entry],
    committing: &mut bool,
) -> Result<Outcome, DbError> {
    match sell(conn, entries).await {
        Ok(outcome) if outcome.decisions.contains(&Decision::Accept) => {
            *committing = true;
            match conn.batch_execute("COMMIT").await {
                Ok(()) => Ok(outcome),
                Err(error) => {
                    let error = failed_commit(conn, error).await;
                    *committing = matches!(error, DbError::Commit(_));
                    Err(error)
                }
            }
        }
        // Nothing was written: what was read under the lock is true without a commit, and
        // refusals need no disk flush.
        Ok(outcome) => {
            conn.batch_execute("ROLLBACK").await?;
            Ok(outcome)
        }
        Err(error) => {
            // What stopped the batch says more than what stopped the rollback.
            drop(conn.batch_execute("ROLLBACK").await);
            Err(error)
        }
    }
}

async fn sell(conn: &AsyncPgConnection, entries: &[Entry]) -> Result<Outcome, DbError> {
    // 1. Read what is available.
    let requests = || entries.iter().map(Entry::request);
    let reading = begin_and_lock_stock(conn, entries);
    // It sees what was there when the rows were locked: PostgreSQL runs it after that.
    let finding = sql::find_by_keys(conn, requests());
    let (mut stock, known) = tokio::try_join!(biased; reading, finding)?;

    // 2. Decide.
    let owned = if stock.values().any(|row| row.per_buyer_limit.is_some()) {
        sql::owned_units(conn, requests()).await?
    } else {
        HashMap::new()
    };
    let decisions = decide(entries, &mut stock, known, owned);
    let accepted: Vec<_> = entries
        .iter()
        .zip(&decisions)
        .filter(|(_, decision)| **decision == Decision::Accept)
        .map(|(entry, _)| (entry.request(), &entry.order))
        .collect();

    let sold = names(accepted.iter().map(|(request, _)| *request));

    if !accepted.is_empty() {
        // 3. Write what remains.
        let units = sold.iter().filter_map(|name| stock.get(*name));
        let units = units.map(|row| row.available_units).collect();
        let writing = write_units(conn, sold.clone(), units);

        // 4. Record the order.
        let recording = sql::insert_all(conn, &accepted);

        // Neither waits for the other's answer.
        tokio::try_join!(biased; writing, recording)?;
    }

    let sold = sold.into_iter().map(Sku::new).collect::<Result<_, _>>()?;
    let sold_out = stock.into_values().filter(|row| row.available_units == 0);
    let sold_out = sold_out
        .map(|row| Sku::new(row.sku))
        .collect::<Result<_, _>>()?;
    Ok(Outcome {
        decisions,
        sold,
        sold_out,
    })
}

/// The SKUs of these requests, each once, in the order of their keys.
fn names<'a>(requests: impl Iterator<Item = &'a PurchaseRequest>) -> Vec<&'a str> {
    let mut names: Vec<_> = requests.map(|request| request.sku.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[derive(QueryableByName)]
struct StockRow {
    #[diesel(sql_type = Text)]
    sku: String,
    #[diesel(sql_type = BigInt)]
    available_units: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    per_buyer_limit: Option<i64>,
    #[diesel(sql_type = BigInt)]
    fence: i64,
}

/// Begins a transaction, then reads and locks the stock rows of a batch, in the order of
/// their keys: two batches that share rows wait for each other and never for each other's
/// first.
async fn begin_and_lock_stock(
    conn: &AsyncPgConnection,
    entries: &[Entry],
) -> Result<BTreeMap<String, StockRow>, DbError> {
    let statement = Statement::new(
        "SELECT sku, available_units, per_buyer_limit, fence FROM skus
          WHERE sku = ANY ($) ORDER BY sku FOR NO KEY UPDATE",
        [Column::Text(names(entries.iter().map(Entry::request)))],
    );
    // Sent in this order, and answered together.
    let (mut first, mut second) = (conn, conn);
    let begin = first.batch_execute("BEGIN");
    let read = statement.load::<StockRow>(&mut second);
    let ((), rows) = tokio::try_join!(biased; begin, read)?;
    Ok(rows.into_iter().map(|row| (row.sku.clone(), row)).collect())
}

/// Writes what it finds to a row that nobody locks, if there is one.
pub(crate) async fn rehearse(mut conn: &AsyncPgConnection) -> Result<(), DbError> {
    let row = diesel::sql_query(
        "SELECT sku, available_units, per_buyer_limit, fence FROM skus
          LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
    );
    let rows = row.load::<StockRow>(&mut conn).await?;
    let (names, units): (Vec<_>, Vec<_>) = rows
        .iter()
        .map(|row| (row.sku.as_str(), row.available_units))
        .unzip();
    write_units(conn, names, units).await
}

/// Which of these SKUs have rows that somebody keeps locked.
pub(crate) async fn locked(
    mut conn: &AsyncPgConnection,
    skus: &HashSet<Sku>,
) -> Result<HashSet<Sku>, DbError> {
    let names: Vec<_> = skus.iter().map(Sku::as_str).collect();
    let statement = Statement::new(
        "SELECT sku, available_units, per_buyer_limit, fence FROM skus
          WHERE sku = ANY ($) FOR NO KEY UPDATE SKIP LOCKED",
        [Column::Text(names)],
    );
    let free = statement.load::<StockRow>(&mut conn).await?;
    let is_free = |sku: &&Sku| free.iter().any(|row| row.sku == sku.as_str());
    Ok(skus.iter().filter(|sku| !is_free(sku)).cloned().collect())
}

/// Decides in the order of arrival, and takes what is sold from `stock`.
fn decide(
    entries: &[Entry],
    stock: &mut BTreeMap<String, StockRow>,
    mut known: HashMap<Key, Order>,
    mut owned: HashMap<(Sku, BuyerId), i64>,
) -> Vec<Decision> {
    entries
        .iter()
        .map(|entry| decide_one(entry, stock, &mut known, &mut owned))
        .collect()
}

fn decide_one(
    entry: &Entry,
    stock: &mut BTreeMap<String, StockRow>,
    known: &mut HashMap<Key, Order>,
    owned: &mut HashMap<(Sku, BuyerId), i64>,
) -> Decision {
    let request = entry.request();
    let Some(row) = stock.get_mut(request.sku.as_str()) else {
        return Decision::UnknownSku;
    };
    let key = (request.buyer_id.clone(), request.idempotency_key.clone());
    if let Some(order) = known.get(&key) {
        return if order.sku == request.sku && order.units == request.units {
            Decision::Replay(order.clone())
        } else {
            Decision::KeyReused
        };
    }
    let first_fence = *entry.fence.get_or_init(|| row.fence);
    if row.fence > first_fence || entry.ticket.purchase.is_abandoned() {
        return Decision::TooLate;
    }
    let units = request.units.get();
    if units > row.available_units {
        let available_units = row.available_units;
        return Decision::SoldOut { available_units };
    }
    if let Some(limit) = row.per_buyer_limit {
        let owner = (request.sku.clone(), request.buyer_id.clone());
        let owned_units = owned.entry(owner).or_default();
        if *owned_units + units > limit {
            return Decision::LimitReached;
        }
        *owned_units += units;
    }

    row.available_units -= units;
    known.insert(key, entry.order.clone());
    Decision::Accept
}

/// Writes the new numbers of these rows.
async fn write_units(
    mut conn: &AsyncPgConnection,
    names: Vec<&str>,
    units: Vec<i64>,
) -> Result<(), DbError> {
    let count = names.len();
    Statement::new(
        "UPDATE skus SET available_units = remaining.units
           FROM unnest($, $) AS remaining (sku, units) WHERE skus.sku = remaining.sku",
        [Column::Text(names), Column::BigInt(units)],
    )
    .execute(&mut conn)
    .await
    .map_err(DbError::from)
    .and_then(|written| expect_rows(count, written))
}

#[cfg(test)]
mod tests;
