//! Ports behind which each step waits for its turn.

use std::path::PathBuf;
use std::sync::Arc;

use crate::port::Port;
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::wire::{self, Steps};

/// Forwards a free port to the socket of a PostgreSQL.
///
/// # Errors
///
/// There is no free port.
pub async fn hold_postgres(
    socket: PathBuf,
    steps: Arc<dyn Steps>,
) -> anyhow::Result<Port> {
    wire::open::<Postgres>(socket, steps).await
}

/// Forwards a free port to the socket of a Redis.
///
/// # Errors
///
/// There is no free port.
pub async fn hold_redis(
    socket: PathBuf,
    steps: Arc<dyn Steps>,
) -> anyhow::Result<Port> {
    wire::open::<Redis>(socket, steps).await
}
