//! One HTTP/1.1 connection. It never retries and never opens a second one.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpStream;

pub use hyper::{Method, StatusCode};

/// Opening a connection to this very machine takes microseconds, but a crowd shares a
/// queue in the kernel that sends those who do not fit away for seconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// A request with its whole body.
pub type JsonRequest = Request<Full<Bytes>>;

/// An answer with its whole body.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body, whatever its type.
    pub body: Bytes,
}

/// Why there is no answer; what matters is whether the server may have seen the request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// It was not sent.
    #[error("the request was not sent: {0}")]
    NotSent(String),
    /// It was sent, and then nothing came back.
    #[error("no answer came: {0}")]
    NoAnswer(String),
}

/// An open connection.
#[derive(Debug)]
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// What the operating system says, or that it took too long.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let open = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // Its errors come back through the sender. It ends when the sender does.
            tokio::spawn(connection);
            anyhow::Ok(Self { sender })
        };
        tokio::time::timeout(CONNECT_LIMIT, open)
            .await
            .context("it took too long")
            .flatten()
            .with_context(|| format!("cannot connect to {address}"))
    }

    /// Sends a request and waits, at most `limit`, for the whole answer.
    ///
    /// # Errors
    ///
    /// [`SendError`] says whether the server may have seen the request.
    ///
    /// # Cancel safety
    ///
    /// The server may have seen the request of a dropped future.
    pub async fn send(
        &mut self,
        request: JsonRequest,
        limit: Duration,
    ) -> Result<Reply, SendError> {
        let not_sent = |error: hyper::Error| SendError::NotSent(error.to_string());
        let no_answer = |error: hyper::Error| SendError::NoAnswer(error.to_string());
        let exchange = async {
            self.sender.ready().await.map_err(not_sent)?;
            let sent = self.sender.try_send_request(request).await;
            let response = sent.map_err(|failed| {
                let has_request = failed.message().is_some();
                let why = failed.into_error();
                if has_request {
                    not_sent(why)
                } else {
                    no_answer(why)
                }
            })?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(no_answer)?;
            let body = body.to_bytes();
            Ok(Reply { status, body })
        };
        let answer = tokio::time::timeout(limit, exchange).await;
        answer.unwrap_or_else(|late| Err(SendError::NoAnswer(late.to_string())))
    }
}

/// Makes a purchase request.
///
/// # Errors
///
/// A name or a key that HTTP does not allow.
pub fn purchase(
    address: SocketAddr,
    sku: &str,
    (buyer_id, key): (&str, &str),
    units: i64,
) -> anyhow::Result<JsonRequest> {
    let path = format!("/v1/skus/{sku}/orders");
    let body = json!({"buyer_id": buyer_id, "units": units});
    json_request(Method::POST, address, &path, Some(key), &body)
}

/// Makes a request with a JSON body.
///
/// # Errors
///
/// A path or a header that HTTP does not allow.
pub fn json_request(
    method: Method,
    address: SocketAddr,
    path: &str,
    idempotency_key: Option<&str>,
    body: &impl Serialize,
) -> anyhow::Result<JsonRequest> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json");
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let request = request.body(Full::new(serde_json::to_vec(body)?.into()));
    request.with_context(|| format!("no request for {path}"))
}
