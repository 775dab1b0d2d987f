//! The few words of Redis' protocol that a client needs, over its Unix socket.
//!
//! # Source
//!
//! Redis serialization protocol specification, RESP2.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// A Redis that is stopped does not answer.
const LIMIT: Duration = Duration::from_millis(500);

/// Asks for a section of what Redis tells about itself.
///
/// # Errors
///
/// Redis does not tell in time.
pub async fn info(socket: &Path, section: &str) -> io::Result<String> {
    let bulk = ask(socket, &[b"INFO", section.as_bytes()]).await?;
    Ok(String::from_utf8_lossy(&bulk.unwrap_or_default()).into_owned())
}

/// Sends one command over a connection of its own; returns what Redis answers, if that is a
/// bulk string or a number.
///
/// # Errors
///
/// Redis refuses, or does not answer in time.
pub async fn ask(socket: &Path, words: &[&[u8]]) -> io::Result<Option<Vec<u8>>> {
    tokio::time::timeout(LIMIT, exchange(socket, words)).await?
}

async fn exchange(socket: &Path, words: &[&[u8]]) -> io::Result<Option<Vec<u8>>> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        command.extend_from_slice(word);
        command.extend_from_slice(b"\r\n");
    }
    stream.write_all(&command).await?;

    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let line = line.trim_end();
    match line.split_at_checked(1) {
        Some(("+", _)) => Ok(None),
        Some((":", number)) => Ok(Some(number.as_bytes().to_vec())),
        Some(("$", "-1")) => Ok(None),
        Some(("$", length)) => {
            let mut bulk = vec![0; length.parse().map_err(io::Error::other)?];
            stream.read_exact(&mut bulk).await?;
            Ok(Some(bulk))
        }
        _ => Err(io::Error::other(format!("redis said {line:?}"))),
    }
}
