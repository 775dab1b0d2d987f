//! Hears of added units, in whatever process they were added.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flash_core::{Sku, reason};
use tokio_postgres::AsyncMessage;

use crate::latch::Latches;
use crate::supply::CHANNEL;

/// How often the listener shows that it hears; well within the lease of a latch.
const BEAT: Duration = Duration::from_millis(50);

/// How long PostgreSQL may take to answer a beat before the connection is given up.
const BEAT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait before listening again.
const RETRY: Duration = Duration::from_millis(200);

/// Listens as long as the strategy lives. Latches count only while it hears.
pub(crate) async fn listen(database_url: String, latches: Arc<Latches>) {
    let mut deaf = false;
    loop {
        let Err(error) = hear(&database_url, &latches, &mut deaf).await;
        if !deaf {
            let reason = reason(&*error);
            tracing::warn!(reason, "cannot hear of added units; latches are off");
            deaf = true;
        }
        tokio::time::sleep(RETRY).await;
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn hear(
    database_url: &str,
    latches: &Latches,
    deaf: &mut bool,
) -> Result<std::convert::Infallible, Failure> {
    let (client, mut connection) = flash_db::connect_driven(database_url).await?;

    let read = async {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(heard) = message?
                && let Ok(sku) = Sku::new(heard.payload())
            {
                latches.lift(&sku);
            }
        }
        Err(Failure::from("the connection was closed"))
    };
    let beat = async {
        let listen = format!("LISTEN {CHANNEL}");
        tokio::time::timeout(BEAT_TIMEOUT, client.batch_execute(&listen)).await??;
        // What was said before is lost: no latch from before counts.
        latches.lift_all();
        if std::mem::take(deaf) {
            tracing::warn!("added units are heard of again; latches are on");
        }
        loop {
            // An empty round trip: PostgreSQL delivers what it has before it answers.
            let sent = Instant::now();
            tokio::time::timeout(BEAT_TIMEOUT, client.check_connection()).await??;
            latches.heard_at(sent);
            tokio::time::sleep(BEAT).await;
        }
    };
    tokio::select! { ended = read => ended, ended = beat => ended }
}
