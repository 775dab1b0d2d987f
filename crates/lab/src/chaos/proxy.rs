//! A cable between a server and a store, which can be slow or break.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

use crate::port::Port;

/// How long the answer to a COMMIT is waited for that will not be passed on.
const COMMIT_LIMIT: Duration = Duration::from_secs(1);

/// A simple query with the one word that this proxy understands.
///
/// # Source
///
/// PostgreSQL 16 manual, section 55.7, Query.
const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\x00";

/// Forwards a loopback port to a Unix socket.
#[derive(Debug)]
pub(crate) struct Link {
    port: Port,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    delay_ms: AtomicU64,
    /// COMMITs still to be answered by a broken connection.
    cut_after: AtomicU64,
    /// COMMITs still to be lost.
    cut_before: AtomicU64,
    /// Its change breaks all connections.
    cuts: watch::Sender<u64>,
}

/// Whether a connection breaks at a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    No,
    Before,
    After,
}

impl Link {
    /// Listens at a free port.
    pub(crate) async fn open(target: PathBuf) -> anyhow::Result<Self> {
        let state = Arc::new(State {
            delay_ms: AtomicU64::new(0),
            cut_after: AtomicU64::new(0),
            cut_before: AtomicU64::new(0),
            cuts: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        let port = Port::open(move |near| {
            let (target, state) = (target.clone(), Arc::clone(&shared));
            async move {
                let mut cuts = state.cuts.subscribe();
                tokio::select! {
                    // Either side may end it; there is nobody to tell.
                    _ended = connect(near, target, &state) => {}
                    _cut = cuts.changed() => {}
                }
            }
        })
        .await?;
        Ok(Self { port, state })
    }

    /// Where to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// Delays each packet; 0 for not at all.
    pub(crate) fn delay(&self, delay_ms: u64) {
        self.state.delay_ms.store(delay_ms, Ordering::Relaxed);
    }

    /// Breaks all connections now.
    pub(crate) fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Loses the answers to the next COMMITs, with their connections.
    pub(crate) fn cut_after_commit(&self, commits: u64) {
        self.state.cut_after.store(commits, Ordering::Relaxed);
    }

    /// Loses the next COMMITs, with their connections.
    pub(crate) fn cut_before_commit(&self, commits: u64) {
        self.state.cut_before.store(commits, Ordering::Relaxed);
    }

    /// Is a good cable again.
    pub(crate) fn heal(&self) {
        self.delay(0);
        self.cut_after_commit(0);
        self.cut_before_commit(0);
    }
}

impl State {
    fn cut(&self, packet: &[u8]) -> Cut {
        if !packet.windows(COMMIT.len()).any(|bytes| bytes == COMMIT) {
            return Cut::No;
        }
        let take = |count: &AtomicU64| {
            count
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok()
        };
        if take(&self.cut_before) {
            Cut::Before
        } else if take(&self.cut_after) {
            Cut::After
        } else {
            Cut::No
        }
    }

    async fn delay(&self) {
        let delay_ms = self.delay_ms.load(Ordering::Relaxed);
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
    }
}

async fn connect(
    near: TcpStream,
    target: PathBuf,
    state: &State,
) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    let far = UnixStream::connect(target).await?;
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let cut = tokio::select! {
        cut = pump(&mut near_read, &mut far_write, state, true) => cut?,
        cut = pump(&mut far_read, &mut near_write, state, false) => cut?,
    };
    if cut == Cut::After {
        // The answer is not passed on, but it is given.
        let mut answer = [0; 1024];
        let read = far_read.read(&mut answer);
        let _answered = tokio::time::timeout(COMMIT_LIMIT, read).await;
    }
    Ok(())
}

/// Forwards until one side ends it, or a COMMIT is cut.
async fn pump(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    state: &State,
    may_cut: bool,
) -> std::io::Result<Cut> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        let packet = buffer.get(..count).unwrap_or_default();
        if packet.is_empty() {
            return Ok(Cut::No);
        }
        state.delay().await;
        let cut = if may_cut { state.cut(packet) } else { Cut::No };
        if cut == Cut::Before {
            return Ok(cut);
        }
        to.write_all(packet).await?;
        if cut == Cut::After {
            return Ok(cut);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    /// Answers each packet with its length, and tells what it has received.
    async fn store(listener: UnixListener, told: tokio::sync::mpsc::Sender<usize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                told.send(count).await.expect("a test");
                stream.write_all(b"ok").await.expect("a peer");
            }
        }
    }

    /// What a client hears that sends this packet over a new connection.
    async fn send(link: &Link, packet: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(link.address()).await.expect("a link");
        stream.write_all(packet).await.expect("a link");
        let mut answer = vec![0; 2];
        match stream.read_exact(&mut answer).await {
            Ok(_) => answer,
            Err(_) => Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_commit_is_cut_before_or_after_it_arrives() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (tell, mut told) = tokio::sync::mpsc::channel(10);
        tokio::spawn(store(listener, tell));
        let link = Link::open(socket).await.expect("a link");

        link.cut_before_commit(1);
        link.cut_after_commit(1);
        assert_eq!(send(&link, b"SELECT").await, b"ok");
        assert_eq!(told.recv().await, Some(6));
        // It did not arrive.
        assert_eq!(send(&link, COMMIT).await, b"");
        assert!(told.try_recv().is_err());
        // It arrived, and nobody heard of it.
        assert_eq!(send(&link, COMMIT).await, b"");
        assert_eq!(told.recv().await, Some(COMMIT.len()));
        // That was all.
        assert_eq!(send(&link, COMMIT).await, b"ok");
    }
}
