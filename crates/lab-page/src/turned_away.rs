//! Who turned buyers away, by the engine's own count.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use flash_engine::{REFUSED_BY, REFUSED_TOTAL};
use flash_lab_crowd::{Client, Method, json_request};
use serde::Serialize;

/// Reading the metrics while a crowd is served.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// Refusals by the room that gave them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TurnedAway {
    /// Without any I/O: PostgreSQL had said that nothing is left.
    pub(crate) latch: u64,
    /// Redis did not admit them, and nothing came back while they waited.
    pub(crate) redis: u64,
    /// Redis admitted them, and PostgreSQL had nothing left.
    pub(crate) postgresql: u64,
}

impl TurnedAway {
    /// Asks a server for all since it was started.
    pub(crate) async fn read(address: SocketAddr) -> anyhow::Result<Self> {
        let request = json_request(Method::GET, address, "/metrics", None, &())?;
        let reply = Client::connect(address)
            .await?
            .send(request, READ_LIMIT)
            .await
            .context("cannot read the metrics")?;
        ensure!(
            reply.status.is_success(),
            "cannot read the metrics: {}",
            reply.status
        );
        let text = String::from_utf8_lossy(&reply.body);
        let [latch, redis, postgresql] = REFUSED_BY.map(|room| count(&text, room));
        Ok(Self {
            latch,
            redis,
            postgresql,
        })
    }

    /// Those since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            latch: self.latch.saturating_sub(earlier.latch),
            redis: self.redis.saturating_sub(earlier.redis),
            postgresql: self.postgresql.saturating_sub(earlier.postgresql),
        }
    }
}

/// A counter that was never needed is not shown: zero.
fn count(metrics: &str, by: &str) -> u64 {
    let series = format!("{REFUSED_TOTAL}{{by=\"{by}\"}} ");
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(&series)?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_label() {
        let text = "# TYPE flash_refused_total counter\n\
                    flash_refused_total{by=\"bouncer\"} 12\n\
                    flash_refused_total{by=\"latch\"} 888\n";
        assert_eq!(count(text, "latch"), 888);
        assert_eq!(count(text, "bouncer"), 12);
        assert_eq!(count(text, "vault"), 0);
    }
}
