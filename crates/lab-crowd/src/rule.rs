//! What must hold in every sale.

use serde::{Deserialize, Serialize};
use strum::Display;

/// What must hold, the gravest first.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Deserialize,
    Serialize,
    Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Rule {
    /// Not more units live in orders than were supplied.
    Oversold,
    /// Supply, orders and available units add up.
    Books,
    /// An acknowledged order is there once, under the name that every answer told.
    Acknowledged,
    /// Who was told of an order is not refused with the same key later.
    WinnerRefused,
    /// Who was refused for good gets no order from that key, unless by asking again.
    RefusedButSold,
    /// No buyer has more units than the limit.
    Limit,
    /// "Sold out" is not said while there are enough units.
    FalseSoldOut,
    /// What is left at the end can be bought at once, and then it is sold out.
    Stranded,
    /// An acknowledged restock counts once, an acknowledged cancellation is there.
    Returned,
    /// Every request gets a final answer once everything is healed, and a proper one.
    Unanswered,
}
