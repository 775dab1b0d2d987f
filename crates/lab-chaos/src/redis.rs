//! What is done to Redis and its gates.

use std::path::Path;

use flash_core::Sku;
use flash_lab_crowd::{Seller, Strategy};
use flash_lab_wire::ask;
use redis::{Cmd, FromRedisValue, RedisResult, cmd};

/// A gate as it was, and when it expires, in milliseconds of Unix time; or that there was
/// none. The engine's do not expire.
pub(crate) type Dump = Option<(Vec<u8>, i64)>;

/// Puts a gate ahead of PostgreSQL, with nothing free. Phase 3's has no fence.
const ADVANCE: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then return end
if redis.call('HEXISTS', KEYS[1], 'fence') == 1 then
    redis.call('HINCRBY', KEYS[1], 'fence', 1000000)
    redis.call('HSET', KEYS[1], 'loaded_units', 0)
end
redis.call('HSET', KEYS[1], 'free_units', 0)";

/// When a gate expires, and the names of the requests that have a permit.
const PERMITS: &str = "local names = {}
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
    if fields[i]:find(' ') and fields[i + 1] ~= '0' then
        names[#names + 1] = fields[i]
    end
end
return { redis.call('PEXPIRETIME', KEYS[1]), names }";

/// The key under which a strategy keeps the gate of a SKU.
pub(crate) fn gate_key(seller: &Seller, sku: &str) -> String {
    match seller.strategy() {
        Some(Strategy::Hybrid) => format!("flash:{{{sku}}}:hybrid"),
        _ => flash_engine::gate_key(flash_engine::PREFIX, &Sku::stored(sku)),
    }
}

/// Forgets everything.
pub(crate) async fn flush_all(socket: &Path) -> RedisResult<()> {
    ask(socket, &cmd("FLUSHALL")).await
}

/// Forgets all scripts.
pub(crate) async fn flush_scripts(socket: &Path) -> RedisResult<()> {
    ask(socket, cmd("SCRIPT").arg("FLUSH")).await
}

/// Has it want a replica, which it does not have, before it takes a write.
pub(crate) async fn refuse_writes(socket: &Path) -> RedisResult<()> {
    ask(socket, &want_replicas(1)).await
}

/// Makes it the replica of nobody: it answers what it knows and takes no writes.
pub(crate) async fn demote(socket: &Path) -> RedisResult<()> {
    // Nobody listens at this port without being root.
    ask(socket, cmd("REPLICAOF").arg("127.0.0.1").arg(1)).await
}

/// Takes [`refuse_writes`] and [`demote`] back.
pub(crate) async fn take_writes(socket: &Path) -> RedisResult<()> {
    let () = ask(socket, &want_replicas(0)).await?;
    ask(socket, cmd("REPLICAOF").arg("NO").arg("ONE")).await
}

fn want_replicas(count: u8) -> Cmd {
    let mut set = cmd("CONFIG");
    set.arg("SET").arg("min-replicas-to-write").arg(count);
    set
}

/// Copies a gate.
pub(crate) async fn dump(socket: &Path, key: &str) -> RedisResult<Dump> {
    let expires_ms = ask(socket, cmd("PEXPIRETIME").arg(key)).await?;
    let dump: Option<Vec<u8>> = ask(socket, cmd("DUMP").arg(key)).await?;
    Ok(dump.map(|dump| (dump, expires_ms)))
}

/// Makes a gate what it was. One that has expired since is not there.
pub(crate) async fn restore(socket: &Path, key: &str, dump: &Dump) -> RedisResult<()> {
    let Some((dump, expires_ms)) = dump else {
        return ask(socket, cmd("DEL").arg(key)).await;
    };
    let mut restore = cmd("RESTORE");
    // 0 is for ever.
    restore.arg(key).arg(expires_ms.max(&0)).arg(dump);
    ask(socket, restore.arg("REPLACE").arg("ABSTTL")).await
}

/// Puts a gate ahead of PostgreSQL, with nothing free, where it is there.
pub(crate) async fn advance(socket: &Path, key: &str) -> RedisResult<()> {
    eval(socket, ADVANCE, key).await
}

/// When a gate expires, in milliseconds of Unix time, and buyer and key of each permit in
/// it. A time below zero is that of none, or of one that does not expire.
pub(crate) async fn permits(
    socket: &Path,
    key: &str,
) -> RedisResult<(i64, Vec<String>)> {
    eval(socket, PERMITS, key).await
}

/// Runs a script on one key.
pub(crate) async fn eval<T: FromRedisValue>(
    socket: &Path,
    script: &str,
    key: &str,
) -> RedisResult<T> {
    ask(socket, cmd("EVAL").arg(script).arg(1).arg(key)).await
}
