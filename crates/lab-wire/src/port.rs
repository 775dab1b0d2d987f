//! A loopback port of a proxy.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Hands each connection to a future of its own. All end when it is dropped.
#[derive(Debug)]
pub struct Port {
    /// Where to connect to.
    pub address: SocketAddr,
    _accepting: JoinSet<()>,
}

impl Port {
    /// Listens at a free port.
    ///
    /// # Errors
    ///
    /// There is none.
    pub async fn open<F>(
        connect: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("no port for a proxy")?;
        let address = listener.local_addr()?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, connect));
        Ok(Self {
            address,
            _accepting: accepting,
        })
    }
}

async fn accept<F>(listener: TcpListener, connect: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((near, _)) = listener.accept() => drop(connections.spawn(connect(near))),
            Some(_ended) = connections.join_next() => {}
            else => return,
        }
    }
}
