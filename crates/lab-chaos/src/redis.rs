//! What is done to Redis and its gates.

use std::io;
use std::path::Path;

use flash_core::Sku;
use flash_lab_crowd::cli::Strategy;
use flash_lab_wire::ask;

/// A gate as it was, and when it expires, in milliseconds of Unix time; or that there was
/// none. The engine's do not expire.
pub(crate) type Dump = Option<(Vec<u8>, i64)>;

/// The permits in a gate of phase 3.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Permits {
    /// When the gate expires, in milliseconds of Unix time.
    pub(crate) expires_ms: i64,
    /// Buyer and key of each.
    pub(crate) names: Vec<String>,
}

/// Puts a gate ahead of PostgreSQL, with nothing free. Phase 3's has no fence.
const ADVANCE: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then return end
if redis.call('HEXISTS', KEYS[1], 'fence') == 1 then
    redis.call('HINCRBY', KEYS[1], 'fence', 1000000)
    redis.call('HSET', KEYS[1], 'loaded_units', 0)
end
redis.call('HSET', KEYS[1], 'free_units', 0)";

/// When a gate expires, and a line for each request that has a permit.
const PERMITS: &str = "local lines = { redis.call('PEXPIRETIME', KEYS[1]) }
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
    if fields[i]:find(' ') and fields[i + 1] ~= '0' then
        lines[#lines + 1] = fields[i]
    end
end
return table.concat(lines, '\\n')";

/// The key under which a strategy keeps the gate of a SKU.
pub(crate) fn gate_key(strategy: Strategy, sku: &str) -> String {
    match strategy {
        Strategy::Hybrid => format!("flash:{{{sku}}}:hybrid"),
        _ => flash_engine::gate_key(&Sku::stored(sku)),
    }
}

/// Forgets everything.
pub(crate) async fn flush_all(socket: &Path) -> io::Result<()> {
    ask(socket, &[b"FLUSHALL"]).await.map(drop)
}

/// Forgets all scripts.
pub(crate) async fn flush_scripts(socket: &Path) -> io::Result<()> {
    ask(socket, &[b"SCRIPT", b"FLUSH"]).await.map(drop)
}

/// Has it want a replica, which it does not have, before it takes a write.
pub(crate) async fn refuse_writes(socket: &Path) -> io::Result<()> {
    want_replicas(socket, b"1").await
}

/// Makes it the replica of nobody: it answers what it knows and takes no writes.
pub(crate) async fn demote(socket: &Path) -> io::Result<()> {
    // Nobody listens at this port without being root.
    ask(socket, &[b"REPLICAOF", b"127.0.0.1", b"1"])
        .await
        .map(drop)
}

/// Takes [`refuse_writes`] and [`demote`] back.
pub(crate) async fn take_writes(socket: &Path) -> io::Result<()> {
    want_replicas(socket, b"0").await?;
    ask(socket, &[b"REPLICAOF", b"NO", b"ONE"]).await.map(drop)
}

async fn want_replicas(socket: &Path, count: &[u8]) -> io::Result<()> {
    ask(
        socket,
        &[b"CONFIG", b"SET", b"min-replicas-to-write", count],
    )
    .await
    .map(drop)
}

/// Copies a gate.
pub(crate) async fn dump(socket: &Path, key: &str) -> io::Result<Dump> {
    let expires = ask(socket, &[b"PEXPIRETIME", key.as_bytes()]).await?;
    let dump = ask(socket, &[b"DUMP", key.as_bytes()]).await?;
    Ok(dump.zip(expires.as_deref().and_then(number)))
}

/// Makes a gate what it was. One that has expired since is not there.
pub(crate) async fn restore(socket: &Path, key: &str, dump: &Dump) -> io::Result<()> {
    let key = key.as_bytes();
    let answer = match dump {
        Some((dump, expires_ms)) => {
            // 0 is for ever.
            let expires = expires_ms.max(&0).to_string();
            let expires = expires.as_bytes();
            let words = [b"RESTORE", key, expires, dump, b"REPLACE", b"ABSTTL"];
            ask(socket, &words).await
        }
        None => ask(socket, &[b"DEL", key]).await,
    };
    answer.map(drop)
}

/// Puts a gate ahead of PostgreSQL, with nothing free, where it is there.
pub(crate) async fn advance(socket: &Path, key: &str) -> io::Result<()> {
    eval(socket, ADVANCE, key).await.map(drop)
}

/// Reads the permits in a gate; none where it is not there.
pub(crate) async fn permits(socket: &Path, key: &str) -> io::Result<Option<Permits>> {
    let told = eval(socket, PERMITS, key).await?;
    let told = String::from_utf8_lossy(&told.unwrap_or_default()).into_owned();
    let mut lines = told.lines();
    let expires_ms = lines.next().and_then(|line| number(line.as_bytes()));
    Ok(expires_ms
        .filter(|expires_ms| *expires_ms > 0)
        .map(|expires_ms| Permits {
            expires_ms,
            names: lines.map(str::to_owned).collect(),
        }))
}

/// Runs a script on one key.
pub(crate) async fn eval(
    socket: &Path,
    script: &str,
    key: &str,
) -> io::Result<Option<Vec<u8>>> {
    let words = [b"EVAL", script.as_bytes(), b"1", key.as_bytes()];
    ask(socket, &words).await
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
