//! What two buyers want of one SKU.

use std::borrow::Cow;
use std::str::FromStr;

use serde::Deserialize;

use crate::schedule::Buyer;

/// One purchase request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ask {
    /// Who asks.
    pub buyer: Cow<'static, str>,
    /// How many units are wanted.
    pub units: u32,
    /// The idempotency key. On its way the name of the SKU is added.
    pub key: Cow<'static, str>,
}

impl Ask {
    /// A purchase request.
    #[must_use]
    pub const fn new(buyer: &'static str, units: u32, key: &'static str) -> Self {
        let (buyer, key) = (Cow::Borrowed(buyer), Cow::Borrowed(key));
        Self { buyer, units, key }
    }
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

const ANN: Ask = Ask::new("ann", 1, "ann");
const BOB: Ask = Ask::new("bob", 1, "bob");
const K1: Ask = Ask::new("ann", 1, "k1");
const K2: Ask = Ask::new("ann", 1, "k2");

impl Scenario {
    /// One unit for two buyers: the sale of `lab interleave`.
    pub const LAST_UNIT: Self = Self {
        id: "last-unit",
        what: "two buyers, one unit",
        units: 1,
        limit: None,
        asks: [&[ANN], &[BOB]],
    };

    /// All of them, in the order in which they are judged.
    pub const ALL: [Self; 6] = [
        Self::LAST_UNIT,
        Self {
            id: "one-each",
            what: "two buyers, ten units",
            units: 10,
            ..Self::LAST_UNIT
        },
        Self {
            id: "too-much-and-one",
            what: "one unit; ann wants two, bob wants one",
            asks: [&[Ask::new("ann", 2, "ann")], &[BOB]],
            ..Self::LAST_UNIT
        },
        Self {
            id: "two-keys",
            what: "one unit for each buyer; ann asks twice, with two keys",
            units: 10,
            limit: Some(1),
            asks: [&[K1], &[K2]],
        },
        Self {
            id: "same-key",
            what: "ann asks twice at once, with the same key",
            asks: [&[K1], &[K1]],
            ..Self::LAST_UNIT
        },
        Self {
            id: "lost-and-again",
            what: "ann asks, and asks again with the same key; bob wants the unit too",
            asks: [&[K1, K1], &[BOB]],
            ..Self::LAST_UNIT
        },
    ];

    /// What is asked at the server of this side.
    #[must_use]
    pub fn asks(&self, side: Buyer) -> &'static [Ask] {
        self.asks[side.index()]
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(id: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.id == id);
        found.ok_or_else(|| {
            format!("there are {}", Self::ALL.map(|it| it.id).join(", "))
        })
    }
}
