//! What every answer gets: the id of its request, its place in the histogram, a line in
//! the log; and its problem document if it is one.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use actix_web::Error;
use actix_web::dev::{
    Service, ServiceRequest, ServiceResponse, Transform, forward_ready,
};
use actix_web::http::ConnectionType;
use actix_web::http::header::HeaderName;
use flash_core::reason;
use pin_project_lite::pin_project;
use prometheus::IntGauge;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use crate::api_error::ApiError;
use crate::metrics::{Collectors, Route};
use crate::request_id::RequestId;
use crate::troubles;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware that finishes answers.
pub(crate) struct Answers {
    collectors: &'static Collectors,
    draining: Arc<AtomicBool>,
}

impl Answers {
    pub(crate) fn new(
        collectors: &'static Collectors,
        draining: &Arc<AtomicBool>,
    ) -> Self {
        let draining = Arc::clone(draining);
        Self {
            collectors,
            draining,
        }
    }
}

impl<S> Transform<S, ServiceRequest> for Answers
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = AnswersService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(AnswersService {
            service,
            in_flight: &self.collectors.in_flight,
            worker: Rc::new(Worker {
                no_route: Route::none(self.collectors),
                draining: Arc::clone(&self.draining),
            }),
        }))
    }
}

pub(crate) struct AnswersService<S> {
    service: S,
    in_flight: &'static IntGauge,
    worker: Rc<Worker>,
}

/// What the answers of one worker share.
struct Worker {
    no_route: Route,
    draining: Arc<AtomicBool>,
}

impl<S> Service<ServiceRequest> for AnswersService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = AnswerFuture<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let id = RequestId::of(request.headers().get(X_REQUEST_ID));
        let span = tracing::debug_span!(
            "request",
            id = id.as_str(),
            method = %request.method(),
            path = request.path(),
        );
        AnswerFuture {
            id,
            in_flight: InFlight::begin(self.in_flight),
            started: Instant::now(),
            worker: Rc::clone(&self.worker),
            answer: self.service.call(request).instrument(span),
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
    pub(crate) struct AnswerFuture<F> {
        id: RequestId,
        in_flight: InFlight,
        started: Instant,
        worker: Rc<Worker>,
        #[pin]
        answer: Instrumented<F>,
    }
}

impl<F> Future for AnswerFuture<F>
where
    F: Future<Output = Result<ServiceResponse, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.project();
        let response = ready!(answer.answer.poll(context))?;
        let request = response.request();
        let route = request.app_data().unwrap_or(&answer.worker.no_route);
        route.observe(
            request.method(),
            response.status(),
            answer.started.elapsed(),
        );
        let mut response = finish(response, answer.id);
        if answer.worker.draining.load(Ordering::Relaxed) {
            // Nobody sends the next request to a connection that is about to end.
            let head = response.response_mut().head_mut();
            head.set_connection_type(ConnectionType::Close);
        }
        Poll::Ready(Ok(response))
    }
}

fn finish(mut response: ServiceResponse, id: &RequestId) -> ServiceResponse {
    let header = id.header();
    let id = id.as_str();
    let (method, path) = (response.request().method(), response.request().path());
    tracing::debug!(id, %method, path, status = response.status().as_u16(), "answered");
    let error = response.response().error();
    let problem = error.and_then(Error::as_error::<ApiError>).map(|error| {
        if let Some(cause) = error.cause() {
            troubles::tell(&reason(cause));
        }
        error.problem(id)
    });
    if let Some(problem) = problem {
        response = ServiceResponse::new(response.into_parts().0, problem);
    }
    response.headers_mut().insert(X_REQUEST_ID, header);
    response
}
