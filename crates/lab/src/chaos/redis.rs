//! The few words of Redis' protocol that faults and counters need, over its Unix socket.
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

/// A gate as it was, or that there was none.
pub(crate) type Dump = Option<Vec<u8>>;

/// The key under which phase 3 keeps the gate of a SKU.
fn gate_key(sku: &str) -> String {
    format!("flash:{{{sku}}}:gate")
}

/// Forgets everything.
pub(crate) async fn flush_all(socket: &Path) -> io::Result<()> {
    call(socket, &[b"FLUSHALL"]).await.map(drop)
}

/// Forgets all scripts.
pub(crate) async fn flush_scripts(socket: &Path) -> io::Result<()> {
    call(socket, &[b"SCRIPT", b"FLUSH"]).await.map(drop)
}

/// Has it want a replica, which it does not have, before it takes a write.
pub(crate) async fn refuse_writes(socket: &Path) -> io::Result<()> {
    want_replicas(socket, b"1").await
}

/// Makes it the replica of nobody: it answers what it knows and takes no writes.
pub(crate) async fn demote(socket: &Path) -> io::Result<()> {
    // Nobody listens at this port without being root.
    call(socket, &[b"REPLICAOF", b"127.0.0.1", b"1"])
        .await
        .map(drop)
}

/// Takes [`refuse_writes`] and [`demote`] back.
pub(crate) async fn take_writes(socket: &Path) -> io::Result<()> {
    want_replicas(socket, b"0").await?;
    call(socket, &[b"REPLICAOF", b"NO", b"ONE"]).await.map(drop)
}

async fn want_replicas(socket: &Path, count: &[u8]) -> io::Result<()> {
    call(
        socket,
        &[b"CONFIG", b"SET", b"min-replicas-to-write", count],
    )
    .await
    .map(drop)
}

/// Copies the gate of a SKU.
pub(crate) async fn dump(socket: &Path, sku: &str) -> io::Result<Dump> {
    call(socket, &[b"DUMP", gate_key(sku).as_bytes()]).await
}

/// Makes the gate of a SKU what it was.
pub(crate) async fn restore(socket: &Path, sku: &str, dump: &Dump) -> io::Result<()> {
    let key = gate_key(sku);
    let answer = match dump {
        Some(dump) => {
            call(
                socket,
                &[b"RESTORE", key.as_bytes(), b"0", dump, b"REPLACE"],
            )
            .await
        }
        None => call(socket, &[b"DEL", key.as_bytes()]).await,
    };
    answer.map(drop)
}

/// Asks for a section of what Redis tells about itself.
pub(crate) async fn info(socket: &Path, section: &str) -> io::Result<String> {
    let bulk = call(socket, &[b"INFO", section.as_bytes()]).await?;
    Ok(String::from_utf8_lossy(&bulk.unwrap_or_default()).into_owned())
}

async fn call(socket: &Path, words: &[&[u8]]) -> io::Result<Option<Vec<u8>>> {
    tokio::time::timeout(LIMIT, exchange(socket, words)).await?
}

/// Sends one command; returns what it answers if that is a bulk string.
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
        Some(("+" | ":", _)) => Ok(None),
        Some(("$", "-1")) => Ok(None),
        Some(("$", length)) => {
            let mut bulk = vec![0; length.parse().map_err(io::Error::other)?];
            stream.read_exact(&mut bulk).await?;
            Ok(Some(bulk))
        }
        _ => Err(io::Error::other(format!("redis said {line:?}"))),
    }
}
