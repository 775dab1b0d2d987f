//! What keeps latches true: PostgreSQL is asked whether they hold, and tells of added units,
//! in whatever process they were added.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flash_core::{Sku, reason};
use tokio_postgres::AsyncMessage;

use crate::latch::Latches;
use crate::stock::{CHANNEL, StockRoom};

/// How long to wait before listening again.
const RETRY: Duration = Duration::from_millis(200);

/// Confirms all latches well within their lease, as long as the strategy lives.
pub(crate) async fn confirm(stock: StockRoom, pause: Duration) {
    let mut unsure = false;
    loop {
        let begun = Instant::now();
        match stock.confirm().await {
            Ok(()) => {
                if std::mem::take(&mut unsure) {
                    tracing::warn!("latches are confirmed again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut unsure, true) {
                    let reason = reason(&error);
                    tracing::warn!(
                        reason,
                        "latches cannot be confirmed, and do not count"
                    );
                }
            }
        }
        // Many latches must not keep PostgreSQL busy.
        tokio::time::sleep(pause.max(2 * begun.elapsed())).await;
    }
}

/// Listens as long as the strategy lives.
pub(crate) async fn listen(database_url: String, latch: Arc<Latches>) {
    let mut deaf = false;
    loop {
        let Err(error) = hear(&database_url, &latch, &mut deaf).await;
        if !deaf {
            let reason = reason(&*error);
            tracing::warn!(reason, "added units are not heard of, only looked for");
            deaf = true;
        }
        tokio::time::sleep(RETRY).await;
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn hear(
    database_url: &str,
    latch: &Latches,
    deaf: &mut bool,
) -> Result<std::convert::Infallible, Failure> {
    let (client, mut connection) = flash_db::connect_driven(database_url).await?;
    let listen = format!("LISTEN {CHANNEL}");
    let read = async {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(heard) = message?
                && let Ok(sku) = Sku::new(heard.payload())
            {
                latch.lift(&sku);
            }
        }
        Err(Failure::from("the connection was closed"))
    };
    let ask = async {
        client.batch_execute(&listen).await?;
        if std::mem::take(deaf) {
            tracing::warn!("added units are heard of again");
        }
        std::future::pending().await
    };
    tokio::select! { ended = read => ended, ended = ask => ended }
}
