//! What a load has brought.

use std::time::Duration;

use anyhow::Context;
use flash_lab_crowd::Latency;
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::statistics::number;
use crate::wire::Kind;

/// The longest latency that is told apart, in microseconds: two minutes.
const LONGEST_US: u64 = 120_000_000;

/// Three digits are more than the noise leaves.
const DIGITS: u8 = 3;

/// Quantiles of the curve, as one part in so many above them: a line that is straight
/// where the tail is exponential.
const ONE_IN: [f64; 16] = [
    1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 33.0, 50.0, 100.0, 200.0, 333.0, 500.0,
    1_000.0, 2_000.0, 10_000.0,
];

/// How many answers of each kind came.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Answers {
    pub(crate) accepted: u64,
    pub(crate) replayed: u64,
    pub(crate) sold_out: u64,
    pub(crate) busy: u64,
    /// Answers of no other kind, and requests without an answer.
    pub(crate) other: u64,
    /// Requests that were due and found no free connection until the end.
    pub(crate) unsent: u64,
}

impl Answers {
    /// All that say something.
    pub(crate) fn telling(&self) -> u64 {
        self.accepted + self.replayed + self.sold_out + self.busy
    }
}

/// Answers by kind, and when they came.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) answers: Answers,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    /// Processor time of the generator.
    pub(crate) cpu: Duration,
    /// From the time a request was due to its answer, in microseconds.
    latency_us: Histogram<u64>,
    /// When each order was accepted; only where each buyer asks once.
    pub(crate) accepted_at: Vec<Duration>,
    /// The last answer of the first connection, as it came.
    pub(crate) last_answer: Vec<u8>,
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
            last_answer: Vec::new(),
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

    /// How long so large a part of the requests waited at most, in milliseconds.
    fn quantile_ms(&self, quantile: f64) -> f64 {
        number(self.latency_us.value_at_quantile(quantile)) / 1e3
    }

    /// Latencies in milliseconds; all zero where nothing was measured.
    pub(crate) fn latency(&self) -> Latency {
        Latency {
            p999: Some(self.quantile_ms(0.999)),
            max: number(self.latency_us.max()) / 1e3,
            ..Latency::at(|percent| self.quantile_ms(f64::from(percent) / 1e2))
        }
    }

    /// Pairs of "one in so many waits longer" and milliseconds, as far as there are enough
    /// answers to say so.
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        let answers = number(self.latency_us.len());
        ONE_IN
            .into_iter()
            .filter(|one_in| one_in * 2.0 <= answers)
            .map(|one_in| (one_in, self.quantile_ms(1.0 - 1.0 / one_in)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_in_milliseconds_and_nothing_measured_is_no_curve() {
        let mut tally = Tally::new().expect("a histogram");
        assert!(tally.curve().is_empty());
        assert_eq!(tally.latency().max, 0.0);
        for tenth in 1..=1_000 {
            tally.add(Kind::Busy, Duration::from_micros(tenth * 100));
        }
        let latency = tally.latency();
        assert!((latency.p50 - 50.0).abs() < 0.1, "{latency:?}");
        assert!((latency.p99 - 99.0).abs() < 0.1, "{latency:?}");
        let curve = tally.curve();
        assert_eq!(curve.last().map(|(one_in, _)| *one_in), Some(500.0));
    }
}
