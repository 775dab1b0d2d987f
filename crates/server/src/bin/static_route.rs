//! The ceiling of the benchmark, `lab bench`: the server's listener, with its limits and
//! its allocator, that answers the same requests with the same bytes and does nothing else.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::System;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Context;
use clap::Parser;
use flash_server::{CLOCK_LATENESS, KEEP_ALIVE, bind, listen};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Answers every order with the same bytes: the ceiling that `lab bench` measures
#[derive(Parser)]
#[command(name = "static-route", version)]
struct Args {
    /// File with the answer, as it came from a server
    #[arg(long, value_name = "PATH")]
    answer: PathBuf,

    /// How long a buyer may take to send a request, as `server` has it
    #[arg(long, value_name = "MS")]
    client_wait_ms: u64,
}

/// What is always answered.
#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// Serves until a signal ends it.
#[expect(clippy::print_stdout, reason = "the line is this program's output")]
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let answer = Answer::read(&args.answer)?;
    let client_wait = Duration::from_millis(args.client_wait_ms);
    // Workers of an actix system, as the server's are.
    System::new().block_on(async {
        let socket = bind("127.0.0.1:0").context("cannot listen")?;
        let listener = listen(socket).context("cannot listen")?;
        println!("listening on http://{}", listener.local_addr()?);
        Ok(serve(listener, answer, client_wait)?.await?)
    })
}

/// Serves as `flash_server::serve` does.
fn serve(
    listener: TcpListener,
    answer: Answer,
    client_wait: Duration,
) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(answer.clone()))
            .service(web::resource("/v1/skus/{sku}/orders").route(web::post().to(say)))
    })
    .workers(available_parallelism().map_or(2, usize::from))
    .keep_alive(KEEP_ALIVE)
    .h1_allow_half_closed(false)
    .client_request_timeout(client_wait + CLOCK_LATENESS)
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
