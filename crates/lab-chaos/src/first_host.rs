//! The first of the two hosts in a database URL, at which PostgreSQL never was.

use std::net::SocketAddr;

use flash_lab_wire::Port;
use tokio::sync::watch;

/// A loopback port that ends each connection at once, or says nothing for a while.
#[derive(Debug)]
pub(crate) struct FirstHost {
    port: Port,
    hangs: watch::Sender<bool>,
}

impl FirstHost {
    /// Listens at a free port.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let hangs = watch::Sender::new(false);
        let shared = hangs.clone();
        let port = Port::open(move |near| {
            let mut hangs = shared.subscribe();
            async move {
                // It is the sender that ends last, so that this is no error.
                let _over = hangs.wait_for(|hangs| !hangs).await;
                drop(near);
            }
        })
        .await?;
        Ok(Self { port, hangs })
    }

    /// Where to connect to in vain.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// Says nothing from now on, or ends all connections.
    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }
}
