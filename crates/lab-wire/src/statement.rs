//! What is said to a store.

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
