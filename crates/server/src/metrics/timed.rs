//! How long answers take, by route.

use std::cell::OnceCell;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{Resource, web};
use prometheus::{Histogram, HistogramVec};

use super::collectors::Collectors;

/// What stands for all paths that have no route.
const NO_ROUTE: &str = "none";

/// What stands for all methods that no route has.
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "other"];

const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The histograms of one route in one worker, each resolved when it is first needed.
pub(crate) struct Route {
    pattern: &'static str,
    durations: &'static HistogramVec,
    resolved: [[OnceCell<Histogram>; STATUSES.len()]; METHODS.len()],
}

impl Route {
    /// For the answers to paths that have no route.
    pub(crate) fn none(collectors: &'static Collectors) -> Self {
        Self::new(NO_ROUTE, collectors)
    }

    fn new(pattern: &'static str, collectors: &'static Collectors) -> Self {
        Self {
            pattern,
            durations: &collectors.durations,
            resolved: Default::default(),
        }
    }

    pub(crate) fn observe(
        &self,
        method: &Method,
        status: StatusCode,
        elapsed: Duration,
    ) {
        let method = match *method {
            // The same work, and less to send.
            Method::GET | Method::HEAD => 0,
            Method::POST => 1,
            Method::PUT => 2,
            _ => 3,
        };
        // A status has three digits; one of 600 and more is nobody's.
        let status = usize::from(status.as_u16() / 100).clamp(1, STATUSES.len()) - 1;
        let histogram = self.resolved[method][status].get_or_init(|| {
            let labels = [METHODS[method], self.pattern, STATUSES[status]];
            self.durations.with_label_values(&labels)
        });
        histogram.observe(elapsed.as_secs_f64());
    }
}

/// A resource whose answers are timed under its pattern.
pub(crate) fn resource(
    pattern: &'static str,
    collectors: &'static Collectors,
) -> Resource {
    web::resource(pattern).app_data(Route::new(pattern, collectors))
}
