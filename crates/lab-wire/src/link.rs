//! A cable between a server and a store, which can be slow or break.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
pub struct Link {
    port: Port,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Whether messages of PostgreSQL come back over it.
    is_postgres: bool,
    /// Whether notifications are left out.
    is_deaf: AtomicBool,
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

/// From a server to a store, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// How far the messages of PostgreSQL are read: a letter, a length that counts itself, and
/// the rest.
///
/// # Source
///
/// PostgreSQL 16 manual, section 55.7, `NotificationResponse`.
#[derive(Debug, Default)]
struct Messages {
    /// The beginning of a message, up to its length.
    head: Vec<u8>,
    /// What is to come of a message.
    left: usize,
    is_left_out: bool,
    has_begun: bool,
}

impl Messages {
    /// What of a packet is passed on.
    fn heard(&mut self, packet: &[u8], is_deaf: bool) -> Vec<u8> {
        let has_begun = std::mem::replace(&mut self.has_begun, true);
        if !has_begun && packet.len() == 1 {
            // The answer to a wish for encryption is no message; one may follow it.
            self.has_begun = false;
            return packet.to_vec();
        }
        let mut passed = Vec::with_capacity(packet.len());
        let mut rest = packet;
        while let Some((first, others)) = rest.split_first() {
            if self.left > 0 {
                let (part, after) = rest.split_at(self.left.min(rest.len()));
                self.left -= part.len();
                if !self.is_left_out {
                    passed.extend_from_slice(part);
                }
                rest = after;
                continue;
            }
            self.head.push(*first);
            rest = others;
            if let [letter, length @ ..] = self.head.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(0);
                self.left = length.saturating_sub(4);
                self.is_left_out = is_deaf && *letter == b'A';
                if !self.is_left_out {
                    passed.extend_from_slice(&self.head);
                }
                self.head.clear();
            }
        }
        passed
    }
}

impl Link {
    /// Listens at a free port, for PostgreSQL.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub async fn to_postgres(target: PathBuf) -> anyhow::Result<Self> {
        Self::open(target, true).await
    }

    /// Listens at a free port, for Redis.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub async fn to_redis(target: PathBuf) -> anyhow::Result<Self> {
        Self::open(target, false).await
    }

    async fn open(target: PathBuf, is_postgres: bool) -> anyhow::Result<Self> {
        let state = Arc::new(State {
            is_postgres,
            is_deaf: AtomicBool::new(false),
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
    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// Delays each packet; 0 for not at all.
    pub fn delay(&self, delay_ms: u64) {
        self.state.delay_ms.store(delay_ms, Ordering::Relaxed);
    }

    /// Breaks all connections now.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Loses the answers to the next COMMITs, with their connections.
    pub fn cut_after_commit(&self, commits: u64) {
        self.state.cut_after.store(commits, Ordering::Relaxed);
    }

    /// Loses the next COMMITs, with their connections.
    pub fn cut_before_commit(&self, commits: u64) {
        self.state.cut_before.store(commits, Ordering::Relaxed);
    }

    /// Leaves notifications out, from the next message on.
    pub fn deafen(&self, is_deaf: bool) {
        self.state.is_deaf.store(is_deaf, Ordering::Relaxed);
    }

    /// Is a good cable again.
    pub fn heal(&self) {
        self.delay(0);
        self.deafen(false);
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
        cut = pump(&mut near_read, &mut far_write, state, Way::Up) => cut?,
        cut = pump(&mut far_read, &mut near_write, state, Way::Down) => cut?,
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
    way: Way,
) -> std::io::Result<Cut> {
    let mut buffer = vec![0; 64 * 1024];
    let mut messages = Messages::default();
    loop {
        let count = from.read(&mut buffer).await?;
        let packet = buffer.get(..count).unwrap_or_default();
        if packet.is_empty() {
            return Ok(Cut::No);
        }
        state.delay().await;
        let cut = match way {
            Way::Up => state.cut(packet),
            Way::Down => Cut::No,
        };
        if cut == Cut::Before {
            return Ok(cut);
        }
        if state.is_postgres && way == Way::Down {
            let is_deaf = state.is_deaf.load(Ordering::Relaxed);
            to.write_all(&messages.heard(packet, is_deaf)).await?;
        } else {
            to.write_all(packet).await?;
        }
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

    #[test]
    fn the_deaf_hear_everything_but_notifications_however_the_packets_are_cut() {
        let message = |letter: &[u8], text: &[u8]| {
            let length = u32::try_from(text.len() + 4).expect("a short text");
            [letter, &length.to_be_bytes(), text].concat()
        };
        let (row, news) = (message(b"D", b"A row"), message(b"A", b"from afar"));
        let said = [&row[..], &news, &message(b"Z", b"I"), &news, &row].concat();
        let heard = [&row[..], &message(b"Z", b"I"), &row].concat();
        for size in 2..=said.len() {
            let mut messages = Messages::default();
            let pieces = [&b"N"[..]].into_iter().chain(said.chunks(size));
            let mut hearing = Messages::default();
            let (mut deaf, mut all) = (Vec::new(), Vec::new());
            for piece in pieces {
                deaf.extend(messages.heard(piece, true));
                all.extend(hearing.heard(piece, false));
            }
            assert_eq!(deaf, [b"N", &heard[..]].concat(), "{size}");
            assert_eq!(all, [b"N", &said[..]].concat(), "{size}");
        }
    }

    #[tokio::test]
    async fn a_commit_is_cut_before_or_after_it_arrives() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (tell, mut told) = tokio::sync::mpsc::channel(10);
        tokio::spawn(store(listener, tell));
        let link = Link::to_redis(socket).await.expect("a link");

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
