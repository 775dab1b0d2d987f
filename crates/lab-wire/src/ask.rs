//! Questions to a Redis, each over a connection of its own.

use std::path::Path;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisResult};
use redis::{ConnectionInfo, IntoConnectionInfo};

/// A Redis that is stopped does not answer.
const LIMIT: Duration = Duration::from_millis(500);

/// Asks for a section of what Redis tells about itself.
///
/// # Errors
///
/// Redis does not tell in time.
pub async fn info(url: &str, section: &str) -> RedisResult<String> {
    exchange(url.into_connection_info()?, redis::cmd("INFO").arg(section)).await
}

/// Sends one command.
///
/// # Errors
///
/// Redis refuses, or does not answer in time.
pub async fn ask<T: FromRedisValue>(socket: &Path, command: &Cmd) -> RedisResult<T> {
    let url = format!("redis+unix://{}", socket.display());
    exchange(url.into_connection_info()?, command).await
}

async fn exchange<T: FromRedisValue>(
    to: ConnectionInfo,
    command: &Cmd,
) -> RedisResult<T> {
    // Nothing is said but what is asked: somebody may count commands.
    let settings = to.redis_settings().clone().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(LIMIT))
        .set_response_timeout(Some(LIMIT));
    let client = Client::open(to.set_redis_settings(settings))?;
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    command.query_async(&mut connection).await
}
