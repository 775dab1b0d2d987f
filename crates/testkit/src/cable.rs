//! A connection to a store that can be pulled out and put back.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, UnixStream};
use tokio::task::JoinSet;

/// Forwards a loopback port to a Unix socket as long as it is plugged in.
pub struct Cable {
    address: SocketAddr,
    target: PathBuf,
    forwarding: JoinSet<()>,
}

impl Cable {
    /// Plugs in, at a free port.
    pub async fn plug_in(target: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let mut cable = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            target: target.into(),
            forwarding: JoinSet::new(),
        };
        cable.put_back().await?;
        Ok(cable)
    }

    /// The address to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts all connections and refuses new ones.
    pub async fn pull_out(&mut self) {
        self.forwarding.shutdown().await;
    }

    /// Accepts connections again, at the same address.
    pub async fn put_back(&mut self) -> anyhow::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(128)?;
        self.address = listener.local_addr()?;
        self.forwarding
            .spawn(forward(listener, self.target.clone()));
        Ok(())
    }
}

/// Ends, with all its connections, when it is dropped.
async fn forward(listener: TcpListener, target: PathBuf) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        let target = target.clone();
        connections.spawn(async move {
            if let Ok(mut far) = UnixStream::connect(target).await {
                // Either side may end it; there is nobody to tell.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
