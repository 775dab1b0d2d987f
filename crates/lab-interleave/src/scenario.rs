//! What two buyers want of one SKU.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use flash_lab_crowd::Rule;
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
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Scenario {
    /// Its name on the command line.
    pub id: String,
    /// What it is about, to read.
    pub what: String,
    /// What is on sale.
    pub units: u32,
    /// The most that one buyer may have.
    pub limit: Option<u32>,
    /// What is asked at each server, one after the other.
    pub asks: [Vec<Ask>; 2],
    /// What it is there for.
    pub rules: Vec<Rule>,
}

static SCENARIOS: LazyLock<BTreeMap<String, Vec<Scenario>>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "each test that plays anything reads it")]
    toml::from_str(include_str!("scenarios.toml")).expect("scenarios.toml")
});

impl Scenario {
    /// All of them, in the order in which they are judged.
    pub fn all() -> &'static [Self] {
        &SCENARIOS["sale"]
    }

    /// One unit for two buyers: the sale of `lab interleave`.
    #[must_use]
    pub fn last_unit() -> &'static Self {
        &Self::all()[0]
    }

    /// Finds a sale by its name.
    ///
    /// # Errors
    ///
    /// The names that there are.
    pub fn named(id: &str) -> Result<&'static Self, String> {
        let found = Self::all().iter().find(|it| it.id == id);
        let ids = || Self::all().iter().map(|it| &*it.id).collect::<Vec<_>>();
        found.ok_or_else(|| format!("there are {}", ids().join(", ")))
    }

    /// What is asked at the server of this side.
    #[must_use]
    pub fn asks(&self, side: Buyer) -> &[Ask] {
        &self.asks[side.index()]
    }
}
