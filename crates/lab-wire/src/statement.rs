//! What is said to a store, and what it is for.

use serde::Serialize;

/// Where a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Store {
    /// The stock row and the orders.
    PostgreSQL,
    /// The gate of hybrid, or of the engine.
    Redis,
}

/// One statement on its way to a store.
///
/// `<uuid>` and `<time>` stand for values that differ each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// Which store it goes to.
    pub store: Store,
    /// The text as it was sent, `$1` for the first parameter.
    pub sql: String,
    /// The parameters.
    pub parameters: Vec<String>,
    /// The same to read, at most 160 characters: no quotes around names, no table before
    /// a column, of a list of columns the first, the parameters in their places.
    pub readable: String,
    /// What it is for, in plain words; null for BEGIN, COMMIT and the like.
    pub purpose: Option<&'static str>,
}

impl Statement {
    pub(crate) fn new(
        store: Store,
        sql: String,
        parameters: Vec<String>,
        readable: String,
    ) -> Self {
        let purpose = Does::of(store, &sql).purpose();
        Self {
            store,
            sql,
            parameters,
            readable,
            purpose,
        }
    }

    /// What it does.
    #[must_use]
    pub fn does(&self) -> Does {
        Does::of(self.store, &self.sql)
    }

    /// Whether it is nothing of the program's own: what a driver sets, or asks about types.
    #[must_use]
    pub fn is_of_driver(&self) -> bool {
        let sql = plain(&self.sql);
        let begins = ["show ", "discard ", "deallocate ", "select 1 "];
        let asks = ["pg_catalog", "pg_type", "select version "];
        sql.is_empty()
            || (sql.starts_with("set ") && !sql.contains("transaction"))
            || begins.iter().any(|it| sql.starts_with(it))
            || asks.iter().any(|it| sql.contains(it))
    }
}

/// What a statement does to the stock and to the orders, whatever its case, white space and
/// quotes, and whether its values are bound or written into it. One statement may do several
/// things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a statement may do several things"
)]
pub struct Does {
    /// Reads the stock row.
    pub reads_stock: bool,
    /// Writes the stock row.
    pub writes_stock: bool,
    /// Writes it only where a condition on the units holds.
    pub is_guarded: bool,
    /// Records an order.
    pub records: bool,
    /// Looks for an order that is there already.
    pub finds_order: bool,
    /// Locks the stock row, or a name that stands for it.
    pub locks: bool,
    /// Lets go of a lock that is not the transaction's.
    pub unlocks: bool,
    /// Ends a transaction, so that others see what it wrote.
    pub commits: bool,
    /// Counts units in Redis, or asks a script that does.
    pub counts: bool,
}

impl Does {
    fn of(store: Store, text: &str) -> Self {
        match store {
            Store::PostgreSQL => Self::sql(&plain(text)),
            Store::Redis => Self::command(&text.to_ascii_lowercase()),
        }
    }

    fn sql(sql: &str) -> Self {
        let selects = sql.starts_with("select ") || sql.contains(" select ");
        let writes_stock = sql.contains("update skus ");
        let records = sql.contains("insert into orders");
        let from = |table: &str| {
            let mut words = ["from", "join"].into_iter();
            words.any(|word| sql.contains(&format!(" {word} {table} ")))
        };
        let mut locks = ["update", "no key update", "share", "key share"].into_iter();
        let locks_rows = locks.any(|it| sql.contains(&format!(" for {it}")));
        let condition = sql.split_once(" where ").map_or("", |it| it.1);
        Self {
            reads_stock: selects && from("skus") && !writes_stock,
            writes_stock,
            is_guarded: writes_stock && condition.contains("available_units"),
            records,
            finds_order: selects && from("orders") && !records,
            locks: (locks_rows && from("skus"))
                || (sql.contains("advisory") && !sql.contains("unlock"))
                || sql.starts_with("lock "),
            unlocks: sql.contains("advisory_unlock"),
            commits: sql.starts_with("commit") || sql.starts_with("end "),
            counts: false,
        }
    }

    fn command(command: &str) -> Self {
        const COUNT: [&str; 7] = [
            "decr", "decrby", "incr", "incrby", "hincrby", "eval", "evalsha",
        ];
        let mut words = command.split_whitespace();
        let name = words.next().unwrap_or_default();
        Self {
            counts: COUNT.contains(&name),
            locks: name == "setnx" || (name == "set" && words.any(|it| it == "nx")),
            unlocks: matches!(name, "del" | "unlink"),
            ..Self::default()
        }
    }

    /// In plain words.
    fn purpose(self) -> Option<&'static str> {
        Some(match self {
            _ if self.writes_stock && self.records => {
                "takes units and records the order"
            }
            _ if self.is_guarded => "takes units if there are enough",
            _ if self.writes_stock => "writes what remains",
            _ if self.records => "records the order",
            _ if self.reads_stock && self.locks => "reads and locks what is available",
            _ if self.reads_stock => "reads what is available",
            _ if self.finds_order => "was this order placed before?",
            _ if self.locks => "takes a lock",
            _ if self.unlocks => "lets go of a lock",
            _ if self.counts => "asks whether a unit may be free",
            _ => return None,
        })
    }
}

/// Lower case, one space between words and one at the end, no quotes around names and no
/// schema before them.
fn plain(sql: &str) -> String {
    let words = sql
        .to_lowercase()
        .replace('"', "")
        .replace("public.", "")
        .replace(['(', ')', ',', ';'], " ");
    let words = words.split_whitespace().map(|word| format!("{word} "));
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_a_purpose_however_it_is_written() {
        const READS: &str = "reads what is available";
        const COUNTS: &str = "asks whether a unit may be free";
        const TAKES: &str = "update skus set available_units=available_units-1 where \
                             sku='tee' and available_units>=1";
        const BOTH: &str = "WITH taken AS (UPDATE skus SET x = 1 RETURNING 1) \
                            INSERT INTO orders SELECT 1 FROM taken";
        const LOCKS: &str = "SELECT a FROM skus WHERE sku = 'tee' for\n no key  update";
        for (text, expected) in [
            ("SELECT \"skus\".\"sku\" FROM \"skus\"", READS),
            ("select available_units\nfrom public.skus", READS),
            (LOCKS, "reads and locks what is available"),
            ("UPDATE skus SET x = 1", "writes what remains"),
            (TAKES, "takes units if there are enough"),
            ("INSERT INTO \"orders\" (\"a\")", "records the order"),
            (BOTH, "takes units and records the order"),
            ("SELECT 1 FROM orders", "was this order placed before?"),
            ("SELECT pg_advisory_lock(7)", "takes a lock"),
            ("SELECT pg_advisory_unlock(7)", "lets go of a lock"),
        ] {
            let does = Does::of(Store::PostgreSQL, text);
            assert_eq!(does.purpose(), Some(expected), "{text}");
        }
        let commit = Does::of(Store::PostgreSQL, "commit;");
        assert!(commit.commits && commit.purpose().is_none());
        for (text, expected) in [
            ("EVALSHA abc 1 tee", Some(COUNTS)),
            ("decrby tee 1", Some(COUNTS)),
            ("SET lock:tee ann NX PX 5000", Some("takes a lock")),
            ("DEL lock:tee", Some("lets go of a lock")),
            ("HGET tee free_units", None),
        ] {
            assert_eq!(Does::of(Store::Redis, text).purpose(), expected, "{text}");
        }
    }
}
