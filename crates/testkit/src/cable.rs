//! A connection to a store that can be pulled out, put back, and cut at a COMMIT.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinSet;

/// Where the next COMMIT is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// PostgreSQL never hears of it.
    BeforeCommit,
    /// PostgreSQL has committed, and its answer is lost.
    AfterCommit,
}

const NO_CUT: u8 = 0;
const CUT_BEFORE: u8 = 1;
const CUT_AFTER: u8 = 2;

/// What is to happen to the connections.
#[derive(Default)]
struct Plan {
    cut: AtomicU8,
    /// Whether the next cut is the beginning of an outage.
    outage_follows: AtomicBool,
    refuses: AtomicBool,
}

impl Plan {
    /// Takes the cut that is to be made at this COMMIT.
    fn take_cut(&self) -> u8 {
        let cut = self.cut.swap(NO_CUT, Ordering::SeqCst);
        if cut != NO_CUT && self.outage_follows.swap(false, Ordering::SeqCst) {
            self.refuses.store(true, Ordering::SeqCst);
        }
        cut
    }
}

/// Forwards a loopback port to a Unix socket as long as it is plugged in.
pub struct Cable {
    address: SocketAddr,
    target: PathBuf,
    plan: Arc<Plan>,
    forwarding: JoinSet<()>,
}

impl Cable {
    /// Plugs in, at a free port.
    pub async fn plug_in(target: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let mut cable = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            target: target.into(),
            plan: Arc::default(),
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
        self.forwarding.spawn(forward(
            listener,
            self.target.clone(),
            self.plan.clone(),
        ));
        Ok(())
    }

    /// Cuts the connection that sends the next COMMIT, and no other.
    pub fn cut_next_commit(&self, cut: Cut) {
        let cut = match cut {
            Cut::BeforeCommit => CUT_BEFORE,
            Cut::AfterCommit => CUT_AFTER,
        };
        self.plan.cut.store(cut, Ordering::SeqCst);
    }

    /// Does the same, and lets nobody connect from then on.
    pub fn cut_next_commit_and_refuse(&self, cut: Cut) {
        self.plan.outage_follows.store(true, Ordering::SeqCst);
        self.cut_next_commit(cut);
    }

    /// Lets everybody connect again.
    pub fn accept_again(&self) {
        self.plan.refuses.store(false, Ordering::SeqCst);
    }
}

/// Ends, with all its connections, when it is dropped.
async fn forward(listener: TcpListener, target: PathBuf, plan: Arc<Plan>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        if plan.refuses.load(Ordering::SeqCst) {
            continue;
        }
        let (target, plan) = (target.clone(), Arc::clone(&plan));
        connections.spawn(async move {
            if let Ok(far) = UnixStream::connect(target).await {
                // Either side may end it; there is nobody to tell.
                let _ = carry(near, far, &plan).await;
            }
        });
    }
}

async fn carry(
    mut near: TcpStream,
    mut far: UnixStream,
    plan: &Plan,
) -> std::io::Result<()> {
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            count = near.read(&mut up) => {
                let sent = &up[..count?];
                let is_commit = sent.windows(6).any(|bytes| bytes == b"COMMIT");
                let cut = if is_commit { plan.take_cut() } else { NO_CUT };
                if sent.is_empty() || cut == CUT_BEFORE {
                    return Ok(());
                }
                far.write_all(sent).await?;
                if cut == CUT_AFTER {
                    // PostgreSQL answers when it has committed.
                    return far.readable().await;
                }
            }
            count = far.read(&mut down) => {
                let received = &down[..count?];
                if received.is_empty() {
                    return Ok(());
                }
                near.write_all(received).await?;
            }
        }
    }
}
