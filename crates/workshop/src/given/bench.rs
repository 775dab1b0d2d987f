//! A run of `./just bench --json`, and what is said about it.

use flash_lab_bench::{Estimate, estimate};
use serde::Deserialize;

/// What was measured.
#[derive(Debug, Clone, Deserialize)]
pub struct Run {
    environment: Environment,
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, Deserialize)]
struct Environment {
    fsync_us: f64,
    settings: Settings,
}

#[derive(Debug, Clone, Deserialize)]
struct Settings {
    fsync: String,
}

/// One load, for a few seconds.
#[derive(Debug, Clone, Deserialize)]
pub struct Block {
    section: String,
    arm: String,
    /// From the first request to the last answer.
    pub seconds: f64,
    answers: Answers,
    books: Option<Books>,
    latency_ms: Latency,
    /// Why this block is not used, if it is not.
    pub void: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Answers {
    accepted: f64,
    sold_out: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct Books {
    orders: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct Latency {
    p50: f64,
    p99: f64,
}

impl Run {
    /// Reads a run.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn read(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// Neighboring blocks of a section, whatever is void; whoever is compared with comes
    /// first. They were measured A, B, B, A.
    #[must_use]
    pub fn pairs(&self, section: &str) -> Vec<[&Block; 2]> {
        let of_section = |it: &&Block| it.section == section;
        let blocks: Vec<_> = self.blocks.iter().filter(of_section).collect();
        let pairs = blocks.as_chunks::<2>().0.iter();
        let first = blocks.first().map(|it| it.arm.as_str());
        pairs
            .map(|[a, b]| match first == Some(a.arm.as_str()) {
                true => [*a, *b],
                false => [*b, *a],
            })
            .collect()
    }

    /// The same run with something else about it.
    pub(crate) fn but(
        mut self,
        change: impl FnOnce(&mut String, &mut [Block]),
    ) -> Self {
        change(&mut self.environment.settings.fsync, &mut self.blocks);
        self
    }

    /// How long the disk takes to keep one page, in microseconds.
    #[must_use]
    pub fn fsync_us(&self) -> f64 {
        self.environment.fsync_us
    }

    /// Whether PostgreSQL waited for the disk.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.environment.settings.fsync == "on"
    }
}

impl Block {
    /// Who was measured.
    #[must_use]
    pub fn arm(&self) -> &str {
        &self.arm
    }

    /// Rows in the table of orders.
    #[must_use]
    pub fn orders(&self) -> f64 {
        self.books.as_ref().map_or(0.0, |it| it.orders)
    }

    /// Answers of any kind.
    #[must_use]
    pub fn answers(&self) -> f64 {
        self.answers.accepted + self.answers.sold_out
    }

    /// Half of the answers came within so many milliseconds.
    #[must_use]
    pub fn p50_ms(&self) -> f64 {
        self.latency_ms.p50
    }

    /// 99 of 100 answers came within so many milliseconds.
    #[must_use]
    pub fn p99_ms(&self) -> f64 {
        self.latency_ms.p99
    }
}

/// What is said of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// A number, and between which two it may lie.
    Says(Estimate),
    /// Nothing, and why.
    Refused(String),
}

impl Claim {
    /// A number and nothing else.
    #[must_use]
    pub fn number(value: f64) -> Self {
        Self::between(value, value, value)
    }

    /// A number, and between which two it may lie.
    #[must_use]
    pub fn between(median: f64, low: f64, high: f64) -> Self {
        Self::Says(Estimate { median, low, high })
    }

    /// The median of these values, with the interval that holds it in 95 of 100 repetitions;
    /// refused where there are none.
    #[must_use]
    pub fn median_of(values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        match estimate(&values) {
            Some(estimate) => Self::Says(estimate),
            None => Self::refused("there is no value"),
        }
    }

    /// Nothing is said.
    #[must_use]
    pub fn refused(reason: &str) -> Self {
        Self::Refused(reason.to_owned())
    }
}
