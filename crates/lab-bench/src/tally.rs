//! What a load has brought.

use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;

use crate::books::Answers;
use crate::wire::Kind;

/// The longest latency that is told apart, in microseconds: two minutes.
const LONGEST_US: u64 = 120_000_000;

/// Three digits are more than the noise leaves.
const DIGITS: u8 = 3;

/// Answers by kind, and when they came.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) answers: Answers,
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
            answers: Answers::default(),
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            latency_us: Histogram::new_with_max(LONGEST_US, DIGITS)
                .context("cannot make a histogram")?,
            accepted_at: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, kind: Kind, latency: Duration) {
        let answers = &mut self.answers;
        *match kind {
            Kind::Accepted => &mut answers.accepted,
            Kind::Replayed => &mut answers.replayed,
            Kind::SoldOut => &mut answers.sold_out,
            Kind::Busy => &mut answers.busy,
            Kind::Other => &mut answers.other,
        } += 1;
        let micros = latency.as_micros().try_into().unwrap_or(LONGEST_US);
        self.latency_us.saturating_record(micros);
    }
}
