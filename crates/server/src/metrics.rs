//! `/metrics`: what is counted while it happens, and how all of it is shown.
//!
//! Everything stands in the default registry, so that a phase can add its own. Labels are
//! resolved once for each worker; counting a request is then an addition.

mod books;
mod process;
mod timed;

use std::sync::LazyLock;
use std::{io, iter};

use actix_web::{HttpResponse, web};
use flash_core::{InventoryStrategy, Placement};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, TextEncoder,
};

use crate::api_error::ApiError;
use crate::code::Code;
use crate::serve::Site;

pub(crate) use books::Books;
pub(crate) use timed::{Route, resource};

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
    attempts: IntCounterVec,
    durations: HistogramVec,
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

/// Counts the attempts of one strategy by their outcome.
pub(crate) struct Attempts {
    accepted: IntCounter,
    replayed: IntCounter,
    sold_out: IntCounter,
    limit_reached: IntCounter,
    busy: IntCounter,
    unavailable: IntCounter,
    outcome_unknown: IntCounter,
    key_reused: IntCounter,
    unknown_sku: IntCounter,
    invalid: IntCounter,
}

impl Attempts {
    pub(crate) fn of(strategy: &str, collectors: &Collectors) -> Self {
        let counter =
            |outcome: &str| collectors.attempts.with_label_values(&[strategy, outcome]);
        Self {
            accepted: counter("accepted"),
            replayed: counter("replayed"),
            sold_out: counter(Code::SoldOut.as_str()),
            limit_reached: counter(Code::LimitReached.as_str()),
            busy: counter(Code::Busy.as_str()),
            unavailable: counter(Code::Unavailable.as_str()),
            outcome_unknown: counter(Code::OutcomeUnknown.as_str()),
            key_reused: counter(Code::KeyReused.as_str()),
            unknown_sku: counter(Code::UnknownSku.as_str()),
            invalid: counter("invalid"),
        }
    }

    /// How many orders were accepted.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.get()
    }

    /// How many attempts were answered, be it with a refusal.
    pub(crate) fn answered(&self) -> u64 {
        let answers = [&self.accepted, &self.replayed, &self.sold_out];
        answers.map(IntCounter::get).iter().sum::<u64>() + self.limit_reached.get()
    }

    /// Counts one attempt. One whose buyer hung up before the answer is not counted.
    pub(crate) fn count(&self, outcome: &Result<Placement, ApiError>) {
        let counter = match outcome {
            Ok(Placement::Accepted { replayed, .. }) if *replayed => &self.replayed,
            Ok(Placement::Accepted { .. }) => &self.accepted,
            Ok(Placement::SoldOut { .. }) => &self.sold_out,
            Ok(Placement::LimitReached) => &self.limit_reached,
            Err(error) => match error.code() {
                Code::Busy => &self.busy,
                Code::Unavailable => &self.unavailable,
                Code::OutcomeUnknown => &self.outcome_unknown,
                Code::KeyReused => &self.key_reused,
                Code::UnknownSku => &self.unknown_sku,
                _ => &self.invalid,
            },
        };
        counter.inc();
    }
}

/// Shows all that is registered, and what the stores and pools have now.
pub(crate) async fn show<S: InventoryStrategy>(
    site: web::Data<Site<S>>,
    books: web::Data<Books>,
) -> HttpResponse {
    let shown = books.read(&site).await.and_then(|now| {
        let mut text = String::new();
        let families = iter::chain(prometheus::gather(), now).collect::<Vec<_>>();
        TextEncoder::new().encode_utf8(&families, &mut text)?;
        Ok(text)
    });
    match shown {
        Ok(text) => HttpResponse::Ok()
            .content_type(prometheus::TEXT_FORMAT)
            .body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be shown");
            HttpResponse::InternalServerError().finish()
        }
    }
}
