//! What the browser can ask for.

use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{self, InternalError};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::{App, Error, HttpResponse, HttpResponseBuilder, HttpServer, web};
use clap::ValueEnum;
use flash_lab_crowd::{Strategy, sentence};
use flash_lab_interleave::{Finish, Schedule};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::assets::ASSETS;
use crate::board::{Board, Terms};
use crate::judge::Judge;
use crate::plays::Play;

/// A browser loads and calls nothing but this page.
const ONLY_FROM_HERE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A few tabs; the crowd goes to other servers.
const WORKERS: usize = 2;

/// Where what a tab wants goes to.
pub(crate) struct Desk {
    pub(crate) starts: mpsc::Sender<Terms>,
    pub(crate) plays: mpsc::Sender<Play>,
    pub(crate) judge: Judge,
    /// Whether it listens on more than loopback.
    pub(crate) is_open: bool,
}

struct Site {
    board: Arc<Board>,
    desk: Desk,
}

/// Serves the page.
pub(crate) async fn serve(
    listener: TcpListener,
    board: Arc<Board>,
    desk: Desk,
) -> std::io::Result<()> {
    let is_open = desk.is_open;
    let site = web::Data::new(Site { board, desk });
    HttpServer::new(move || {
        let headers = DefaultHeaders::new()
            .add((CONTENT_SECURITY_POLICY, ONLY_FROM_HERE))
            .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .add((CACHE_CONTROL, "no-store"));
        App::new()
            .app_data(site.clone())
            .app_data(json_config())
            .wrap(headers)
            .wrap(from_fn(move |request, next| {
                by_address(is_open, request, next)
            }))
            .configure(routes)
    })
    .workers(WORKERS)
    .disable_signals()
    .listen(listener)?
    .run()
    .await
}

fn routes(config: &mut web::ServiceConfig) {
    for (path, content_type, text) in ASSETS {
        let answer = move || {
            let answer = HttpResponse::Ok().content_type(content_type).body(text);
            std::future::ready(answer)
        };
        config.route(path, web::get().to(answer));
    }
    config
        .route("/state", web::get().to(state))
        .route("/events", web::get().to(events))
        .route("/sales", web::post().to(start))
        .route("/plays", web::post().to(play))
        .route("/judgements", web::get().to(judgement));
}

/// A page elsewhere must not reach this one under a name that it made up.
async fn by_address(
    is_open: bool,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // Not what a proxy says: there is none, and a script could say so too.
    let host = request.headers().get(HOST).and_then(|it| it.to_str().ok());
    if host.is_some_and(|it| is_address(it, is_open)) {
        return next.call(request).await;
    }
    Err(error::ErrorForbidden(
        "this page answers to localhost and to addresses in numbers only",
    ))
}

/// Whether this is `localhost` or a loopback address, with a port or without; where the
/// page is open to others, any address in numbers, which nobody can make up.
fn is_address(host: &str, is_open: bool) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| is_open || address.is_loopback())
}

/// A sentence for whoever asked for what cannot be.
#[derive(Serialize)]
struct Refusal {
    message: String,
}

fn refused(
    mut answer: HttpResponseBuilder,
    message: impl Into<String>,
) -> HttpResponse {
    let message = message.into();
    answer.json(Refusal { message })
}

const ENDING: &str = "The page is ending; start it again.";

fn json_config() -> web::JsonConfig {
    web::JsonConfig::default().error_handler(|error, _request| {
        let message = format!("That was not understood: {error}.");
        let answer = refused(HttpResponse::UnprocessableEntity(), message);
        InternalError::from_response(error, answer).into()
    })
}

async fn state(site: web::Data<Site>) -> HttpResponse {
    HttpResponse::Ok().json(site.board.state())
}

/// The whole state, now and whenever it changes; a tab that is slow misses what is
/// outdated. Ends when the board closes.
async fn events(site: web::Data<Site>) -> HttpResponse {
    let events = stream::unfold(site.board.events(), async |mut events| {
        events.changed().await.ok()?;
        let event = events.borrow_and_update().clone();
        (!event.is_empty()).then_some((Ok::<_, Infallible>(event), events))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(events)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    units: u32,
    buyers: u32,
    /// Who sells; all where nobody is named.
    #[serde(default)]
    strategies: Vec<String>,
    /// Whether what others have sold on the same terms stays.
    #[serde(default)]
    keep: bool,
}

async fn start(site: web::Data<Site>, wanted: web::Json<Wanted>) -> HttpResponse {
    let wanted = wanted.into_inner();
    let Wanted { units, buyers, .. } = wanted;
    let buyers_max = site.board.state().buyers_max;
    if !(1..=1_000_000).contains(&units) {
        let message = "Units: a number from 1 to 1000000.";
        return refused(HttpResponse::UnprocessableEntity(), message);
    }
    if !(1..=buyers_max).contains(&buyers) {
        let message = format!("Buyers: a number from 1 to {buyers_max}.");
        return refused(HttpResponse::UnprocessableEntity(), message);
    }
    let terms = Terms { units, buyers };
    let sells = |name: &str| {
        wanted.strategies.is_empty() || wanted.strategies.iter().any(|it| it == name)
    };
    if !site.board.names().iter().any(|name| sells(name)) {
        let message = "Nobody of that name sells here.";
        return refused(HttpResponse::UnprocessableEntity(), message);
    }
    if let Err(running) = site.board.begin(terms, wanted.keep, sells) {
        let message = format!(
            "A sale is running: {} units, {} buyers. Start again when it has ended.",
            running.units, running.buyers
        );
        return refused(HttpResponse::Conflict(), message);
    }
    if site.desk.starts.send(terms).await.is_err() {
        site.board.end();
        return refused(HttpResponse::ServiceUnavailable(), ENDING);
    }
    HttpResponse::Accepted().json(terms)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedPlay {
    strategy: String,
    /// Turns, such as `1221`; none at all before the first choice.
    schedule: String,
    /// Whether to go on until both buyers have answers.
    finish: bool,
}

impl WantedPlay {
    fn read(&self, shown: &[String]) -> Result<(String, Schedule, Finish), String> {
        let strategy = self.strategy.clone();
        if !shown.contains(&strategy) {
            Strategy::from_str(&strategy, false)
                .map_err(|error| format!("No such strategy: {error}."))?;
        }
        let schedule = match self.schedule.as_str() {
            "" => Schedule::default(),
            turns => turns.parse()?,
        };
        let finish = if self.finish {
            Finish::Both
        } else {
            Finish::Here
        };
        Ok((strategy, schedule, finish))
    }
}

async fn play(site: web::Data<Site>, wanted: web::Json<WantedPlay>) -> HttpResponse {
    let (strategy, schedule, finish) = match wanted.read(&site.board.names()) {
        Ok(read) => read,
        Err(message) => return refused(HttpResponse::UnprocessableEntity(), message),
    };
    let (answer, played) = oneshot::channel();
    let play = Play {
        strategy,
        schedule,
        finish,
        answer,
    };
    let _queued = site.desk.plays.send(play).await;
    match played.await {
        Ok(Ok(transcript)) => HttpResponse::Ok().json(transcript),
        Ok(Err(error)) => {
            refused(HttpResponse::InternalServerError(), sentence(&error))
        }
        Err(_ending) => refused(HttpResponse::ServiceUnavailable(), ENDING),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedJudgement {
    strategy: String,
}

async fn judgement(
    site: web::Data<Site>,
    wanted: web::Query<WantedJudgement>,
) -> HttpResponse {
    match site.desk.judge.ask(&wanted.strategy).await {
        Ok(judgement) => HttpResponse::Ok().json(judgement),
        Err(error) => refused(HttpResponse::InternalServerError(), sentence(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["localhost:8090", "127.0.0.1:1", "127.0.0.1", "[::1]:8090"] {
            assert!(is_address(host, false), "{host}");
        }
        for host in ["example.org:8090", "127.0.0.1.example.org", ""] {
            assert!(!is_address(host, false), "{host}");
            assert!(!is_address(host, true), "{host}");
        }
        assert!(!is_address("10.0.0.1:8090", false));
        assert!(is_address("10.0.0.1:8090", true));
    }
}
