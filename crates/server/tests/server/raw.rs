//! Bytes on a connection, where a client would be too polite.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::running::WAIT;

/// A connection that asks one request after the other.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        Ok(Self(TcpStream::connect(address).await?))
    }

    /// Sends a request and returns the answer to it, head and body.
    pub(crate) async fn ask(&mut self, request: &str) -> Result<String> {
        self.0.write_all(request.as_bytes()).await?;
        let head = self.read_head().await?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .context(head.clone())?;
        let mut body = vec![0; length.parse()?];
        timeout(WAIT, self.0.read_exact(&mut body)).await??;
        Ok(head + std::str::from_utf8(&body)?)
    }

    /// Sends a request and returns the head of the answer to it; no body may follow.
    pub(crate) async fn ask_for_head(&mut self, request: &str) -> Result<String> {
        self.0.write_all(request.as_bytes()).await?;
        self.read_head().await
    }

    async fn read_head(&mut self) -> Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(WAIT, self.0.read_u8()).await??);
        }
        Ok(String::from_utf8(head)?)
    }
}

/// Sends bytes, hangs up in one direction and returns what comes back, if anything does.
pub(crate) async fn send(address: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut connection = TcpStream::connect(address).await?;
    let mut answer = Vec::new();
    // The other end may have had enough before it has read all.
    if connection.write_all(bytes).await.is_ok() && connection.shutdown().await.is_ok()
    {
        let reading = connection.read_to_end(&mut answer);
        drop(timeout(WAIT, reading).await?);
    }
    Ok(answer)
}
