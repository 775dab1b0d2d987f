//! `lab static-route`: the ceiling of the benchmark. The same listener, with the same
//! limits, that answers the same requests with the same bytes and does nothing else.

use std::net::TcpListener;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::System;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Context;
use flash_server::{CLOCK_LATENESS, KEEP_ALIVE};
use tokio::task::spawn_blocking;

use crate::cli::StaticRouteArgs;
use crate::crowd::PATIENCE;

/// What is always answered.
#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// Runs `lab static-route`, until a signal ends it.
///
/// # Errors
///
/// An answer that is not one, or what keeps it from listening.
///
/// # Cancel safety
///
/// A dropped future leaves the listener running until the runtime stops.
#[expect(clippy::print_stdout, reason = "the line is this command's output")]
pub async fn run(args: StaticRouteArgs) -> anyhow::Result<()> {
    let answer = Answer::read(&args.answer)?;
    let socket = flash_server::bind("127.0.0.1:0").context("cannot listen")?;
    let listener = flash_server::listen(socket).context("cannot listen")?;
    println!("listening on http://{}", listener.local_addr()?);
    // Workers of an actix system, as the server's are.
    let serving = spawn_blocking(|| {
        System::new().block_on(async { serve(listener, answer)?.await })
    });
    Ok(serving.await??)
}

/// Serves as `flash_server::serve` does.
fn serve(listener: TcpListener, answer: Answer) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(answer.clone()))
            .service(web::resource("/v1/skus/{sku}/orders").route(web::post().to(say)))
    })
    .workers(available_parallelism().map_or(2, usize::from))
    .keep_alive(KEEP_ALIVE)
    .h1_allow_half_closed(false)
    .client_request_timeout(PATIENCE + CLOCK_LATENESS)
    .client_disconnect_timeout(Duration::from_secs(1))
    .listen(listener)?
    .run();
    Ok(server)
}

/// Takes the body, as an order does, before it answers.
async fn say(_body: Bytes, answer: web::Data<Answer>) -> HttpResponse {
    let mut response = HttpResponse::build(answer.status);
    for (name, value) in &answer.headers {
        response.insert_header((name, value));
    }
    response.body(answer.body.clone())
}

impl Answer {
    /// Reads an answer as it came from a server. The server adds its own date and length.
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("no answer in {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let (head, body) = text.split_once("\r\n\r\n").context("it has no end")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(": ").context("no header")?;
            if ["date", "content-length"].contains(&&*name.to_ascii_lowercase()) {
                continue;
            }
            headers.push((name.parse()?, value.parse()?));
        }
        Ok(Self {
            status: status.context("it has no status")?.parse()?,
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_all_that_a_server_does_not_add_itself() {
        let text = "HTTP/1.1 409 Conflict\r\ncontent-length: 2\r\ndate: now\r\n\
                    x-request-id: 7\r\ncontent-type: application/json\r\n\r\n{}";
        let answer = Answer::parse(text).expect("an answer");
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.body, "{}");
        let names: Vec<_> = answer
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(names, ["x-request-id", "content-type"]);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        assert!(Answer::parse("").is_err());
        assert!(Answer::parse("HTTP/1.1\r\n\r\n").is_err());
        assert!(Answer::parse("HTTP/1.1 200 OK\r\nheader\r\n\r\n").is_err());
    }
}
