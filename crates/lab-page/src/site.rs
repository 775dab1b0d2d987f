//! What the browser can ask for.

use std::future::ready;
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Weak};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{self, InternalError};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::uri::Authority;
use actix_web::middleware::{DefaultHeaders, Next, from_fn};
use actix_web::web::{self, Bytes, Data, Json, Query};
use actix_web::{App, Error, HttpResponse, HttpServer};
use flash_lab_crowd::{Seller, sentence};
use flash_lab_interleave::{Finish, Schedule};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::assets::ASSETS;
use crate::board::{Board, State, Wanted};
use crate::judge::{Judge, Judgement};
use crate::plays::{Played, Stages};

/// A browser loads and calls nothing but this page.
const ONLY_FROM_HERE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// A few tabs; the crowd goes to other servers.
const WORKERS: usize = 2;

/// Where what a tab wants goes to.
pub(crate) struct Site {
    pub(crate) board: Arc<Board>,
    /// Who can play: those who are shown, and all strategies of ours.
    pub(crate) sellers: Vec<Seller>,
    /// They are there for as long as the page is.
    pub(crate) stages: Weak<Mutex<Stages>>,
    /// Where they play: a tab that is closed meanwhile breaks nothing off.
    pub(crate) runtime: Handle,
    /// One after the other; a tab that is closed before its turn does not play.
    pub(crate) turn: Arc<Mutex<()>>,
    pub(crate) judge: Judge,
    /// Whether it listens on more than loopback.
    pub(crate) is_open: bool,
}

impl Site {
    fn seller(&self, name: &str) -> Result<Seller, Error> {
        let named = self.sellers.iter().find(|it| it.name == name);
        let nobody = || misunderstood(format!("No such strategy: {name}."));
        named.cloned().ok_or_else(nobody)
    }
}

/// Serves the page.
pub(crate) async fn serve(listener: TcpListener, site: Site) -> std::io::Result<()> {
    let site = Data::new(site);
    HttpServer::new(move || {
        let headers = DefaultHeaders::new()
            .add((CONTENT_SECURITY_POLICY, ONLY_FROM_HERE))
            .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .add((CACHE_CONTROL, "no-store"));
        let json = web::JsonConfig::default().error_handler(|error, _request| {
            misunderstood(format!("That was not understood: {error}."))
        });
        App::new()
            .app_data(site.clone())
            .app_data(json)
            .wrap(headers)
            .wrap(from_fn(by_address))
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
        let answer =
            move || ready(HttpResponse::Ok().content_type(content_type).body(text));
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
    site: Data<Site>,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // Not what a proxy says: there is none, and a script could say so too.
    let host = request.headers().get(HOST).and_then(|it| it.to_str().ok());
    if host.is_some_and(|it| is_address(it, site.is_open)) {
        return next.call(request).await;
    }
    Err(error::ErrorForbidden(
        "this page answers to localhost and to addresses in numbers only",
    ))
}

/// Whether this is `localhost` or a loopback address, with a port or without; where the
/// page is open to others, any address in numbers, which nobody can make up.
fn is_address(host: &str, is_open: bool) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    let address = name.parse::<IpAddr>();
    name == "localhost" || address.is_ok_and(|it| is_open || it.is_loopback())
}

/// A sentence for whoever asked for what cannot be.
fn refused(status: StatusCode, message: String) -> Error {
    let answer = HttpResponse::build(status).json(json!({ "message": message }));
    InternalError::from_response(message, answer).into()
}

fn misunderstood(message: String) -> Error {
    refused(StatusCode::UNPROCESSABLE_ENTITY, message)
}

/// Something broke.
fn broken(error: anyhow::Error) -> Error {
    refused(StatusCode::INTERNAL_SERVER_ERROR, sentence(&error))
}

fn ending() -> Error {
    let message = "The page is ending; start it again.".to_owned();
    refused(StatusCode::SERVICE_UNAVAILABLE, message)
}

async fn state(site: Data<Site>) -> HttpResponse {
    HttpResponse::Ok().json(&*site.board.borrow())
}

/// The whole state, now and whenever it changes; a tab that is slow misses what is
/// outdated.
async fn events(site: Data<Site>) -> HttpResponse {
    let mut changes = site.board.subscribe();
    changes.mark_changed();
    let events = stream::unfold(changes, async |mut changes| {
        changes.changed().await.ok()?;
        let event = event(&changes.borrow_and_update());
        Some((event, changes))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .streaming(events)
}

/// A server-sent event; JSON has no line breaks of its own.
fn event(state: &State) -> serde_json::Result<Bytes> {
    let json = serde_json::to_string(state)?;
    Ok(format!("data: {json}\n\n").into())
}

async fn start(site: Data<Site>, wanted: Json<Wanted>) -> Result<HttpResponse, Error> {
    site.stages.upgrade().ok_or_else(ending)?;
    let mut begun = None;
    site.board
        .send_if_modified(|state| begun.insert(state.begin(&wanted)).is_ok());
    let terms = begun
        .transpose()
        .map_err(|(status, why)| refused(status, why))?;
    Ok(HttpResponse::Accepted().json(terms))
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

async fn play(
    site: Data<Site>,
    wanted: Json<WantedPlay>,
) -> Result<Json<Played>, Error> {
    let seller = site.seller(&wanted.strategy)?;
    let schedule = match wanted.schedule.as_str() {
        "" => Schedule::default(),
        turns => turns.parse().map_err(misunderstood)?,
    };
    let finish = match wanted.finish {
        true => Finish::Both,
        false => Finish::Here,
    };
    let turn = Arc::clone(&site.turn).lock_owned().await;
    let stages = site.stages.upgrade().ok_or_else(ending)?;
    let played = site.runtime.spawn(async move {
        let _turn = turn;
        let mut stages = stages.lock().await;
        stages.play(&seller, &schedule, finish).await
    });
    match played.await {
        Ok(played) => played.map(Json).map_err(broken),
        Err(_ended) => Err(ending()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedJudgement {
    strategy: String,
}

async fn judgement(
    site: Data<Site>,
    wanted: Query<WantedJudgement>,
) -> Result<Json<Judgement>, Error> {
    let seller = site.seller(&wanted.strategy)?;
    site.judge.ask(&seller).await.map(Json).map_err(broken)
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
