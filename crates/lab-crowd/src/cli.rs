//! What several commands are asked for.

use clap::{Args as ClapArgs, ValueEnum, value_parser};
use serde::Serialize;
use strum::{Display, IntoStaticStr};

/// A strategy of the server, by its name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum, Display, IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Strategy {
    /// Read, decide, write: oversells
    Naive,
    /// SELECT … FOR UPDATE: exact, one buyer at a time
    Pessimistic,
    /// Redis counts down first, then FOR UPDATE: exact, and the crowd never reaches the row
    Hybrid,
    /// Hybrid for a real sale: one transaction for all that wait, safe under crashes
    Engine,
}

impl Strategy {
    /// The steps of the lesson, in their order.
    pub const PHASES: [Self; 3] = [Self::Naive, Self::Pessimistic, Self::Hybrid];

    /// The same, and the engine.
    pub const ALL: [Self; 4] =
        [Self::Naive, Self::Pessimistic, Self::Hybrid, Self::Engine];

    /// Whether its server asks Redis.
    #[must_use]
    pub fn uses_redis(self) -> bool {
        matches!(self, Self::Hybrid | Self::Engine)
    }

    /// The name as it stands on the command line of the server.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A hundred units: more than one page of winners, few enough to picture.
pub(crate) const DEFAULT_UNITS: u32 = 100;

/// Ten for each unit.
pub(crate) const DEFAULT_BUYERS: u32 = 1000;

/// As many buyers as can be inside a transaction at once: what makes the race.
pub const DEFAULT_POOL_SIZE: u16 = 32;

/// What each strategy sells, to how many, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ClapArgs)]
pub struct TermArgs {
    /// Units for sale, 1 to 1000000; each buyer wants one
    #[arg(long, default_value_t = DEFAULT_UNITS, value_name = "N",
          allow_negative_numbers = true,
          value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub units: u32,

    /// Buyers, 1 to 10000; each is one TCP connection
    #[arg(long, default_value_t = DEFAULT_BUYERS, value_name = "N",
          allow_negative_numbers = true,
          value_parser = value_parser!(u32).range(1..=10_000))]
    pub buyers: u32,

    /// Connections of a server to PostgreSQL, 1 to 1000
    #[arg(long, default_value_t = DEFAULT_POOL_SIZE, value_name = "N",
          value_parser = value_parser!(u16).range(1..=1000))]
    #[serde(skip)]
    pub pool_size: u16,
}

/// Where the stores are; a command says what it does without.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct StoreArgs {
    /// PostgreSQL
    #[arg(long, value_name = "postgres://USER:PASSWORD@HOST/DATABASE")]
    #[arg(env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Redis, or Valkey; for a socket `redis+unix:///PATH`, for a cluster or sentinels as in
    /// `server --help`
    #[arg(long, value_name = "redis://HOST:PORT")]
    #[arg(env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
}

impl StoreArgs {
    /// A variable that is set to nothing gives no store.
    #[must_use]
    pub fn without_empty(self) -> Self {
        let given = |url: Option<String>| url.filter(|url| !url.trim().is_empty());
        Self {
            database_url: given(self.database_url),
            redis_url: given(self.redis_url),
        }
    }
}
