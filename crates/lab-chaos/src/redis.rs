//! What is done to Redis and its gates.

use std::path::Path;

use flash_lab_wire::ask;
use redis::{Cmd, FromRedisValue, RedisResult, cmd};

/// A gate as it was, and when it expires, in milliseconds of Unix time; or that there was
/// none. The engine's do not expire.
pub(crate) type Dump = Option<(Vec<u8>, i64)>;

/// Has it want a replica, which it does not have, before it takes a write.
pub(crate) const REFUSE_WRITES: &str = "CONFIG SET min-replicas-to-write 1";

/// Makes it the replica of nobody: it answers what it knows and takes no writes. Nobody
/// listens at this port without being root.
pub(crate) const DEMOTE: &str = "REPLICAOF 127.0.0.1 1";

/// Take these back.
const TAKE_WRITES: [&str; 2] =
    ["CONFIG SET min-replicas-to-write 0", "REPLICAOF NO ONE"];

/// Puts a gate ahead of PostgreSQL, with nothing free, where it is there. Phase 3's has no
/// fence.
pub(crate) const ADVANCE: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then return end
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

/// Says words that need no quotes.
pub(crate) async fn say(socket: &Path, words: &str) -> RedisResult<()> {
    let mut command = Cmd::new();
    command.arg(words.split(' ').collect::<Vec<_>>());
    ask(socket, &command).await
}

/// Takes [`REFUSE_WRITES`] and [`DEMOTE`] back.
pub(crate) async fn take_writes(socket: &Path) -> RedisResult<()> {
    for words in TAKE_WRITES {
        say(socket, words).await?;
    }
    Ok(())
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
