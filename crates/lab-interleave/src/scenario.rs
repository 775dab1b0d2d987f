//! What two buyers want of one SKU.

use crate::schedule::Buyer;

/// One purchase request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// Who asks.
    pub buyer: &'static str,
    /// How many units are wanted.
    pub units: u32,
    /// The idempotency key. On its way the name of the SKU is added.
    pub key: &'static str,
}

/// A sale that is played in many orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// Its name on the command line.
    pub id: &'static str,
    /// What it is about, to read.
    pub what: &'static str,
    /// What is on sale.
    pub units: u32,
    /// The most that one buyer may have.
    pub limit: Option<u32>,
    /// What is asked at each server, one after the other.
    pub asks: [&'static [Ask]; 2],
}

const fn ask(buyer: &'static str, units: u32, key: &'static str) -> Ask {
    Ask { buyer, units, key }
}

impl Scenario {
    /// One unit for two buyers: the sale of `lab interleave`.
    pub const LAST_UNIT: Self = Self {
        id: "last-unit",
        what: "two buyers, one unit",
        units: 1,
        limit: None,
        asks: [&[ask("ann", 1, "ann")], &[ask("bob", 1, "bob")]],
    };

    /// All of them, in the order in which they are judged.
    pub const ALL: [Self; 6] = [
        Self::LAST_UNIT,
        Self {
            id: "one-each",
            what: "two buyers, ten units",
            units: 10,
            limit: None,
            asks: [&[ask("ann", 1, "ann")], &[ask("bob", 1, "bob")]],
        },
        Self {
            id: "too-much-and-one",
            what: "one unit; ann wants two, bob wants one",
            units: 1,
            limit: None,
            asks: [&[ask("ann", 2, "ann")], &[ask("bob", 1, "bob")]],
        },
        Self {
            id: "two-keys",
            what: "one unit for each buyer; ann asks twice, with two keys",
            units: 10,
            limit: Some(1),
            asks: [&[ask("ann", 1, "k1")], &[ask("ann", 1, "k2")]],
        },
        Self {
            id: "same-key",
            what: "ann asks twice at once, with the same key",
            units: 1,
            limit: None,
            asks: [&[ask("ann", 1, "k1")], &[ask("ann", 1, "k1")]],
        },
        Self {
            id: "lost-and-again",
            what: "ann asks, and asks again with the same key; bob wants the unit too",
            units: 1,
            limit: None,
            asks: [
                &[ask("ann", 1, "k1"), ask("ann", 1, "k1")],
                &[ask("bob", 1, "bob")],
            ],
        },
    ];

    /// What is asked at the server of this side.
    #[must_use]
    pub fn asks(&self, side: Buyer) -> &'static [Ask] {
        self.asks[side.index()]
    }
}
