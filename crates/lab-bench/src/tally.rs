//! What a load has brought.

use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;

use crate::wire::Kind;

/// The longest latency that is told apart, in microseconds: two minutes.
const LONGEST_US: u64 = 120_000_000;

/// Three digits are more than the noise leaves.
const DIGITS: u8 = 3;

/// Answers by kind, and when they came.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) accepted: u64,
    pub(crate) replayed: u64,
    pub(crate) sold_out: u64,
    pub(crate) busy: u64,
    /// Answers of no other kind, and requests without an answer.
    pub(crate) other: u64,
    /// Requests that were due and found no free connection until the end.
    pub(crate) unsent: u64,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Processor time of the generator.
    pub(crate) cpu: Duration,
    /// From the time a request was due to its answer, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
    /// When each order was accepted; only where each buyer asks once.
    pub(crate) accepted_at: Vec<Duration>,
}

impl Tally {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            accepted: 0,
            replayed: 0,
            sold_out: 0,
            busy: 0,
            other: 0,
            unsent: 0,
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            latency_us: Histogram::new_with_max(LONGEST_US, DIGITS)
                .context("cannot make a histogram")?,
            accepted_at: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, kind: Kind, latency: Duration) {
        match kind {
            Kind::Accepted => self.accepted += 1,
            Kind::Replayed => self.replayed += 1,
            Kind::SoldOut => self.sold_out += 1,
            Kind::Busy => self.busy += 1,
            Kind::Other => self.other += 1,
        }
        let micros = latency.as_micros().try_into().unwrap_or(LONGEST_US);
        self.latency_us.saturating_record(micros);
    }

    /// All answers that say something.
    pub(crate) fn answers(&self) -> u64 {
        self.accepted + self.replayed + self.sold_out + self.busy
    }
}
