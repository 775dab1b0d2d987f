//! Who turned buyers away, by the engine's own count.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use flash_engine::{REFUSED_BY, REFUSED_TOTAL};
use flash_lab_crowd::{Client, Method, json_request};

/// Reading the metrics while a crowd is served.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// What the page calls the rooms of [`REFUSED_BY`]: PostgreSQL had said before that nothing
/// is left; Redis did not admit them, and nothing came back while they waited; Redis
/// admitted them, and PostgreSQL had nothing left.
const ROOMS: [&str; 3] = ["latch", "redis", "postgresql"];

/// Refusals by the room that gave them.
pub(crate) type TurnedAway = BTreeMap<&'static str, u64>;

/// Asks a server for all since an earlier reading.
pub(crate) async fn read(
    address: SocketAddr,
    earlier: &TurnedAway,
) -> anyhow::Result<TurnedAway> {
    let request = json_request(Method::GET, address, "/metrics", None, &())?;
    let mut client = Client::connect(address).await?;
    let reply = client.send(request, READ_LIMIT).await;
    let reply = reply.context("cannot read the metrics")?;
    let status = reply.status;
    ensure!(status.is_success(), "cannot read the metrics: {status}");
    let metrics = String::from_utf8_lossy(&reply.body);
    let since = |room: &str, by: &str| {
        count(&metrics, by).saturating_sub(earlier.get(room).copied().unwrap_or(0))
    };
    let rooms = ROOMS.into_iter().zip(REFUSED_BY);
    Ok(rooms.map(|(room, by)| (room, since(room, by))).collect())
}

/// A counter that was never needed is not shown: zero.
fn count(metrics: &str, by: &str) -> u64 {
    let series = format!("{REFUSED_TOTAL}{{by=\"{by}\"}} ");
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(&series)?.trim().parse().ok())
        .unwrap_or(0)
}
