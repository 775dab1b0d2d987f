//! What all servers of a process count.

use std::io;
use std::sync::LazyLock;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts};

/// Upper ends of the histogram of answers, in seconds: from a refusal without any I/O to
/// the longest time that a request may take by default.
const BUCKETS_SECONDS: [f64; 15] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 10.0, 30.0,
];

static COLLECTORS: LazyLock<prometheus::Result<Collectors>> =
    LazyLock::new(Collectors::register);

/// What all servers of a process share.
pub(crate) struct Collectors {
    pub(super) attempts: IntCounterVec,
    pub(super) durations: HistogramVec,
    pub(crate) in_flight: IntGauge,
}

impl Collectors {
    /// The collectors of this process; registers them where that was not done yet.
    pub(crate) fn get() -> io::Result<&'static Self> {
        COLLECTORS
            .as_ref()
            .map_err(|error| io::Error::other(error.to_string()))
    }

    fn register() -> prometheus::Result<Self> {
        let attempts = IntCounterVec::new(
            Opts::new("flash_attempts_total", "Attempts to place an order"),
            &["strategy", "outcome"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "flash_http_request_duration_seconds",
                "Time from the head of a request to the head of its answer",
            )
            .buckets(BUCKETS_SECONDS.to_vec()),
            &["method", "route", "status"],
        )?;
        let in_flight = IntGauge::new(
            "flash_http_requests_in_flight",
            "Requests that have no answer yet",
        )?;
        prometheus::register(Box::new(attempts.clone()))?;
        prometheus::register(Box::new(durations.clone()))?;
        prometheus::register(Box::new(in_flight.clone()))?;
        Ok(Self {
            attempts,
            durations,
            in_flight,
        })
    }
}
