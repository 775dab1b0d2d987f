//! Who is measured, and at what.

use std::fmt;

use flash_lab_crowd::Strategy;
use serde::Serialize;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arm {
    /// The same listener with nothing behind it.
    Static,
    Naive,
    Pessimistic,
    Hybrid,
    Engine,
    /// The engine whose Redis has gone.
    #[serde(rename = "engine-redis-down")]
    RedisDown,
    /// A program of somebody's own.
    Own,
    /// PostgreSQL alone, without HTTP.
    Pgbench,
}

/// Who is measured at all sizes of the crowd.
pub(crate) const SERIES: [Arm; 5] = [
    Arm::Static,
    Arm::Naive,
    Arm::Pessimistic,
    Arm::Hybrid,
    Arm::Engine,
];

impl Arm {
    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Naive => "naive",
            Self::Pessimistic => "pessimistic",
            Self::Hybrid => "hybrid",
            Self::Engine => "engine",
            Self::RedisDown => "engine-redis-down",
            Self::Own => "own",
            Self::Pgbench => "pgbench",
        }
    }

    /// The name of its database.
    pub(crate) fn database(self) -> String {
        format!("bench_{}", self.name().replace('-', "_"))
    }

    /// What its server runs; none where it is not our server.
    pub(crate) fn strategy(self) -> Option<Strategy> {
        match self {
            Self::Static | Self::Pgbench | Self::Own => None,
            Self::Naive => Some(Strategy::Naive),
            Self::Pessimistic => Some(Strategy::Pessimistic),
            Self::Hybrid => Some(Strategy::Hybrid),
            Self::Engine | Self::RedisDown => Some(Strategy::Engine),
        }
    }

    /// Whether a wrong book is a broken promise.
    pub(crate) fn is_exact(self) -> bool {
        !matches!(self, Self::Static | Self::Naive | Self::Own)
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is asked of an arm in a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Work {
    /// Nothing is left.
    Refusals,
    /// More than enough is there, of this many SKUs.
    Orders { skus: u64 },
    /// Everybody wants one unit at the same moment, and there are fewer.
    Burst { units: u64 },
    /// Requests come at this rate, whatever the answers do.
    Steady { per_second: f64 },
    /// The same at more than can be done.
    Overload { per_second: f64 },
}

impl Work {
    /// Orders with ample stock of one SKU.
    pub(crate) const ORDERS: Self = Self::Orders { skus: 1 };

    /// The name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refusals => "refusals",
            Self::Orders { skus: 0 | 1 } => "orders",
            Self::Orders { .. } => "orders-many-skus",
            Self::Burst { .. } => "burst",
            Self::Steady { .. } => "steady",
            Self::Overload { .. } => "overload",
        }
    }

    /// How many SKUs are on sale.
    pub(crate) fn skus(self) -> u64 {
        match self {
            Self::Orders { skus } => skus,
            _ => 1,
        }
    }

    /// Units of each SKU at the start.
    pub(crate) fn units(self) -> u64 {
        match self {
            Self::Refusals => 1,
            Self::Burst { units } => units,
            // No block sells this many, and no sum of them is out of range.
            _ => 1_000_000_000,
        }
    }

    /// Requests per second that are due, where answers do not decide it.
    pub(crate) fn offered_per_second(self) -> Option<f64> {
        match self {
            Self::Steady { per_second } | Self::Overload { per_second } => {
                Some(per_second)
            }
            _ => None,
        }
    }
}

/// An arm at its work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setup {
    pub(crate) arm: Arm,
    pub(crate) work: Work,
    /// Connections, or clients of pgbench.
    pub(crate) buyers: usize,
}

impl Setup {
    pub(crate) fn new(arm: Arm, work: Work, buyers: usize) -> Self {
        Self { arm, work, buyers }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arm, work, buyers } = self;
        write!(f, "{arm}: {}, {buyers} connections", work.name())
    }
}
