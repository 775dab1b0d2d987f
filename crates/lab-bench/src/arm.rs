//! Who is measured, and at what.

use std::fmt;

use flash_lab_crowd::Strategy;
use serde::Serialize;

/// Who is measured. In reports it has its name from here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arm {
    /// The same listener with nothing behind it.
    #[default]
    Static,
    Naive,
    Pessimistic,
    Hybrid,
    Engine,
    /// The engine whose Redis has gone.
    EngineRedisDown,
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
    /// Whether a wrong book is a broken promise.
    pub(crate) fn is_exact(self) -> bool {
        !matches!(self, Self::Static | Self::Naive | Self::Own)
    }

    /// What our server sells with.
    pub(crate) fn strategy(self) -> Option<Strategy> {
        match self {
            Self::Naive => Some(Strategy::Naive),
            Self::Pessimistic => Some(Strategy::Pessimistic),
            Self::Hybrid => Some(Strategy::Hybrid),
            Self::Engine | Self::EngineRedisDown => Some(Strategy::Engine),
            Self::Static | Self::Own | Self::Pgbench => None,
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// What is asked of an arm in a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Work {
    /// Nothing is left.
    Refusals,
    /// More than enough is there, of one SKU.
    #[default]
    Orders,
    /// The same of many SKUs.
    OrdersManySkus,
    /// Everybody wants one unit at the same moment, and there are fewer.
    Burst,
    /// Requests come at a rate of their own, whatever the answers do.
    Steady,
    /// The same at more than can be done.
    Overload,
}

/// Units of the burst.
pub(crate) const BURST_UNITS: u32 = 100;

impl Work {
    /// How many SKUs are on sale.
    pub(crate) fn skus(self) -> u16 {
        match self {
            Self::OrdersManySkus => 1_000,
            _ => 1,
        }
    }

    /// Units of each SKU at the start.
    pub(crate) fn units(self) -> u32 {
        match self {
            Self::Refusals => 1,
            Self::Burst => BURST_UNITS,
            // No block sells this many, and no sum of them is out of range.
            _ => 1_000_000_000,
        }
    }
}

/// An arm at its work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Setup {
    pub(crate) arm: Arm,
    pub(crate) work: Work,
    /// Connections, or clients of pgbench.
    pub(crate) buyers: u16,
    /// Requests due per second, whatever the answers do; none where answers decide when
    /// the next one is sent. A plan has it as a share of the engine's capacity, which is
    /// not known yet.
    #[serde(rename = "offered_per_second")]
    pub(crate) rate: Option<f64>,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.arm)?;
        self.work.serialize(&mut *f)?;
        write!(f, ", {} connections", self.buyers)
    }
}
