//! How long answers take, by route.

use std::cell::OnceCell;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::dev::{
    Service, ServiceRequest, ServiceResponse, Transform, forward_ready,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, Resource, web};
use pin_project_lite::pin_project;
use prometheus::{Histogram, HistogramVec, IntGauge};

use super::Collectors;

/// What stands for all paths that have no route.
const NO_ROUTE: &str = "none";

/// What stands for all methods that no route has.
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "other"];

const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The histograms of one route in one worker, each resolved when it is first needed.
struct Route {
    pattern: &'static str,
    durations: &'static HistogramVec,
    resolved: [[OnceCell<Histogram>; STATUSES.len()]; METHODS.len()],
}

impl Route {
    fn new(pattern: &'static str, collectors: &'static Collectors) -> Self {
        Self {
            pattern,
            durations: &collectors.durations,
            resolved: Default::default(),
        }
    }

    fn observe(&self, method: &Method, status: StatusCode, elapsed: Duration) {
        let method = match *method {
            Method::GET => 0,
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

/// Middleware that times answers and counts the requests that wait for one.
pub(crate) struct Timed(pub(crate) &'static Collectors);

impl<S, B> Transform<S, ServiceRequest> for Timed
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = TimedService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(TimedService {
            service,
            in_flight: &self.0.in_flight,
            no_route: Rc::new(Route::new(NO_ROUTE, self.0)),
        }))
    }
}

pub(crate) struct TimedService<S> {
    service: S,
    in_flight: &'static IntGauge,
    no_route: Rc<Route>,
}

impl<S, B> Service<ServiceRequest> for TimedService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = TimedFuture<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        TimedFuture {
            in_flight: InFlight::begin(self.in_flight),
            started: Instant::now(),
            no_route: Rc::clone(&self.no_route),
            answer: self.service.call(request),
        }
    }
}

/// A request that has no answer yet, also if its buyer hangs up.
struct InFlight(&'static IntGauge);

impl InFlight {
    fn begin(gauge: &'static IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pin_project! {
    pub(crate) struct TimedFuture<F> {
        in_flight: InFlight,
        started: Instant,
        no_route: Rc<Route>,
        #[pin]
        answer: F,
    }
}

impl<F, B> Future for TimedFuture<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let timed = self.project();
        let answer = ready!(timed.answer.poll(context));
        if let Ok(response) = &answer {
            let request = response.request();
            let route = request.app_data().unwrap_or(&**timed.no_route);
            route.observe(request.method(), response.status(), timed.started.elapsed());
        }
        Poll::Ready(answer)
    }
}
