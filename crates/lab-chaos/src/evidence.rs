//! What is judged: what buyers were told and what the stores say; and what may be found.

use std::collections::BTreeMap;

use anyhow::Result;
use diesel::Queryable;
use diesel::dsl::sql;
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::{Audit, Sku};
use flash_lab_crowd::Rule;
use serde::Serialize;

use crate::buyers::Probe;
use crate::journal::{Ask, Entry, Name, Wish};
use crate::schedule::PlannedSku;

/// Everything that is judged. All times are microseconds since the run began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) skus: Vec<PlannedSku>,
    /// In the order in which they were sent.
    pub(crate) entries: Vec<Entry>,
    pub(crate) audits: Vec<Audit>,
    pub(crate) orders: Vec<OrderRow>,
    pub(crate) restocks: Vec<RestockRow>,
    pub(crate) probes: Vec<Probe>,
    /// How long a gate of phase 3 lives; none where "sold out" is true, but for the second in
    /// which a latch may not have heard.
    ///
    /// For so long a gate may be wrong: it may refuse for units that are held, whose permit
    /// died, or that were added elsewhere, and the owner of an order that it does not know of.
    /// A request that its buyer gave up goes on, so that it may be sold to after the same one
    /// was refused elsewhere. It may do nothing else, and nothing longer.
    pub(crate) gate_lifetime_us: Option<i64>,
    /// From when to when gates were set to nothing.
    pub(crate) emptied_us: Vec<(i64, i64)>,
}

/// An order as PostgreSQL has it, in the order in which it is read.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub(crate) struct OrderRow {
    pub(crate) order_id: String,
    pub(crate) sku: String,
    pub(crate) buyer_id: String,
    pub(crate) idempotency_key: String,
    pub(crate) units: i64,
    pub(crate) status: String,
    pub(crate) created_us: i64,
}

/// A restock as PostgreSQL has it, in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub(crate) struct RestockRow {
    pub(crate) sku: String,
    pub(crate) idempotency_key: String,
    pub(crate) units: i64,
}

impl OrderRow {
    pub(crate) fn name(&self) -> Name<'_> {
        (&self.buyer_id, &self.idempotency_key)
    }
}

/// All that was asked with one key of one buyer, and all orders under it.
pub(crate) struct Purchase<'a> {
    pub(crate) name: Name<'a>,
    pub(crate) attempts: Vec<&'a Entry>,
    pub(crate) orders: Vec<&'a OrderRow>,
}

impl Evidence {
    /// Reads what the stores say, with times since a moment in Unix time.
    ///
    /// # Errors
    ///
    /// PostgreSQL does not answer.
    pub(crate) async fn read(
        &mut self,
        conn: &mut AsyncPgConnection,
        strategy: &str,
        began_unix_us: i64,
    ) -> Result<()> {
        self.audits.clear();
        for planned in &self.skus {
            let sku = Sku::new(&*planned.sku)?;
            let counts = flash_db::audit::count(conn, &sku, None).await?;
            let audit = counts.map(|it| it.judge(Some(strategy)));
            self.audits.extend(audit);
        }
        let query = format!(
            "SELECT order_id::text, sku, buyer_id, idempotency_key, units, status, \
                    (extract(epoch FROM created_at) * 1000000)::bigint - {began_unix_us} \
               FROM orders ORDER BY created_at"
        );
        let orders = sql::<(Text, Text, Text, Text, BigInt, Text, BigInt)>(&query);
        self.orders = orders.load(conn).await?;
        let query = "SELECT sku, idempotency_key, units FROM restocks";
        self.restocks = sql::<(Text, Text, BigInt)>(query).load(conn).await?;
        Ok(())
    }

    /// All purchases, by their names.
    pub(crate) fn purchases(&self) -> Vec<Purchase<'_>> {
        let mut attempts: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for entry in self.entries.iter().filter(|it| it.wish.ask == Ask::Order) {
            attempts.entry(entry.wish.name()).or_default().push(entry);
        }
        let orders = &self.orders;
        let purchases = attempts.into_iter().map(|(name, attempts)| Purchase {
            name,
            attempts,
            orders: orders.iter().filter(|it| it.name() == name).collect(),
        });
        purchases.collect()
    }
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    pub(crate) sku: String,
    /// Whose purchase shows it, where one does.
    pub(crate) buyer: Option<String>,
    pub(crate) key: Option<String>,
    /// One sentence.
    pub(crate) what: String,
    /// What happened around it, in the order of time.
    pub(crate) story: Vec<String>,
}

impl Violation {
    /// Whose purchase shows it, where one does.
    pub(crate) fn name(&self) -> Option<Name<'_>> {
        Some((self.buyer.as_deref()?, self.key.as_deref()?))
    }

    pub(crate) fn of_sku(rule: Rule, sku: &str, what: String) -> Self {
        Self {
            rule,
            sku: sku.to_owned(),
            buyer: None,
            key: None,
            what,
            story: Vec::new(),
        }
    }

    pub(crate) fn of(rule: Rule, wish: &Wish, what: String) -> Self {
        Self {
            buyer: Some(wish.buyer.clone()),
            key: Some(wish.key.clone()),
            ..Self::of_sku(rule, &wish.sku, what)
        }
    }
}
