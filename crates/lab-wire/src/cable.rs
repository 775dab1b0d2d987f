//! The way from a server to a store: a loopback port in front of a Unix socket. It reads what
//! is said, can be slow, deaf or silent, breaks, and holds each step until its turn.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::postgres::Postgres;
use crate::protocol::{Protocol, Said};
use crate::redis::Redis;
use crate::statement::{Statement, Store};

/// What is taken from a socket at once.
const PACKET: usize = 64 * 1024;

/// Connections that the kernel keeps for us.
const BACKLOG: u32 = 1024;

/// What becomes of a step whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It goes on.
    Go,
    /// It never arrives. The connection stays open and silent.
    Never,
    /// It goes on, and nobody hears what came of it. The connection stays open and silent.
    Unheard,
    /// It goes on, and its connection breaks before anybody hears what came of it.
    Cut,
    /// It never arrives, and its connection breaks.
    Lost,
}

/// Who says which statements are steps that wait for their turn, and hears what came of
/// each.
pub trait Steps: Send + Sync {
    /// Whether a statement is a step: then it goes on when what is returned is told so, or
    /// when nobody can tell it any more. Orders may have been recorded over its connection,
    /// which the process `pid` of the store serves.
    fn hold(
        &self,
        statement: Statement,
        records_orders: bool,
        pid: Option<i32>,
    ) -> Option<oneshot::Receiver<Turn>>;

    /// The answer to a step that had its turn.
    fn returned(&self, text: &str);
}

/// Where a connection is cut off that sends a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// PostgreSQL never hears of it.
    BeforeCommit,
    /// PostgreSQL has committed, and its answer is lost.
    AfterCommit,
}

/// What becomes of who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    /// Nothing is said before it opens.
    Hangs,
    Shut,
}

/// A port of one's own that leads to a store. All connections end when it is dropped.
pub struct Cable {
    address: SocketAddr,
    way: Arc<Way>,
    accepting: JoinSet<()>,
}

struct Way {
    store: Store,
    socket: PathBuf,
    steps: Option<Arc<dyn Steps>>,
    door: watch::Sender<Door>,
    /// Whether notifications are left out.
    is_deaf: AtomicBool,
    delay_ms: AtomicU64,
    /// COMMITs still to be lost, and COMMITs still to be answered by a broken connection.
    cuts: [AtomicU64; 2],
    /// Whether the next of these is the beginning of an outage.
    outage_follows: AtomicBool,
    /// Its change breaks all connections.
    breaks: watch::Sender<u64>,
}

impl Cable {
    /// Listens at a free port, for the socket of such a store. Where somebody watches, each
    /// step waits for its turn.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub async fn open(
        store: Store,
        socket: impl Into<PathBuf>,
        steps: Option<Arc<dyn Steps>>,
    ) -> anyhow::Result<Self> {
        let mut cable = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            way: Arc::new(Way {
                store,
                socket: socket.into(),
                steps,
                door: watch::Sender::new(Door::Open),
                is_deaf: AtomicBool::default(),
                delay_ms: AtomicU64::default(),
                cuts: [AtomicU64::default(), AtomicU64::default()],
                outage_follows: AtomicBool::default(),
                breaks: watch::Sender::new(0),
            }),
            accepting: JoinSet::new(),
        };
        cable.put_back().await?;
        Ok(cable)
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and nobody listens any more.
    pub async fn pull_out(&mut self) {
        self.accepting.shutdown().await;
    }

    /// Listens again, at the same address.
    ///
    /// # Errors
    ///
    /// The port is taken.
    pub async fn put_back(&mut self) -> anyhow::Result<()> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address).context("no port for a cable")?;
        let listener = socket.listen(BACKLOG)?;
        self.address = listener.local_addr()?;
        self.accepting
            .spawn(accept(listener, Arc::clone(&self.way)));
        Ok(())
    }

    /// Delays each packet; 0 for not at all.
    pub fn delay(&self, delay_ms: u64) {
        self.way.delay_ms.store(delay_ms, Ordering::Relaxed);
    }

    /// Breaks all connections now.
    pub fn cut(&self) {
        self.way.breaks.send_modify(|breaks| *breaks += 1);
    }

    /// Cuts the connections that send the next COMMITs, and no others.
    pub fn cut_commits(&self, cut: Cut, commits: u64) {
        self.way.commits_to(cut).store(commits, Ordering::SeqCst);
    }

    /// Cuts the connection that sends the next COMMIT, and lets nobody connect from then on.
    pub fn cut_commit_and_refuse(&self, cut: Cut) {
        self.way.outage_follows.store(true, Ordering::SeqCst);
        self.cut_commits(cut, 1);
    }

    /// Leaves notifications out, from the next message on.
    pub fn deafen(&self, is_deaf: bool) {
        self.way.is_deaf.store(is_deaf, Ordering::Relaxed);
    }

    /// Says nothing to who connects from now on.
    pub fn hang(&self) {
        self.way.door.send_replace(Door::Hangs);
    }

    /// Is a good cable again.
    pub fn heal(&self) {
        self.delay(0);
        self.deafen(false);
        self.cut_commits(Cut::BeforeCommit, 0);
        self.cut_commits(Cut::AfterCommit, 0);
        self.way.door.send_replace(Door::Open);
    }
}

async fn accept(listener: TcpListener, way: Arc<Way>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((near, _)) = listener.accept() => {
                let way = Arc::clone(&way);
                connections.spawn(async move {
                    let mut breaks = way.breaks.subscribe();
                    tokio::select! {
                        // Either side may end it; there is nobody to tell.
                        _ended = connect(near, &way) => {}
                        _cut = breaks.changed() => {}
                    }
                });
            }
            Some(_ended) = connections.join_next() => {}
            else => return,
        }
    }
}

async fn connect(near: TcpStream, way: &Way) -> std::io::Result<()> {
    let mut door = way.door.subscribe();
    // The sender ends after all connections.
    let door = door.wait_for(|it| *it != Door::Hangs).await;
    if !door.is_ok_and(|it| *it == Door::Open) {
        return Ok(());
    }
    near.set_nodelay(true)?;
    let far = UnixStream::connect(&way.socket).await?;
    let protocol: Box<dyn Protocol> = match way.store {
        Store::PostgreSQL => Box::<Postgres>::default(),
        Store::Redis => Box::<Redis>::default(),
    };
    let mut connection = Connection {
        protocol,
        way,
        records_orders: false,
        step: None,
    };
    connection.carry(near, far).await
}

impl Way {
    fn commits_to(&self, cut: Cut) -> &AtomicU64 {
        let [before, after] = &self.cuts;
        match cut {
            Cut::BeforeCommit => before,
            Cut::AfterCommit => after,
        }
    }

    /// What becomes of a statement that is to be cut off.
    fn cut(&self, statement: &Statement) -> Option<Turn> {
        if !statement.does().commits {
            return None;
        }
        let take = |cut| {
            let left = self.commits_to(cut);
            let less = |left: u64| left.checked_sub(1);
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
                .is_ok()
        };
        let turn = if take(Cut::BeforeCommit) {
            Turn::Lost
        } else if take(Cut::AfterCommit) {
            Turn::Cut
        } else {
            return None;
        };
        if self.outage_follows.swap(false, Ordering::SeqCst) {
            self.door.send_replace(Door::Shut);
        }
        Some(turn)
    }

    async fn delay(&self) {
        let delay_ms = self.delay_ms.load(Ordering::Relaxed);
        if delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        }
    }
}

struct Connection<'a> {
    protocol: Box<dyn Protocol>,
    way: &'a Way,
    /// Whether an order was recorded over this connection: then it is the buyers'.
    records_orders: bool,
    /// The step that is not answered.
    step: Option<u64>,
}

impl Connection<'_> {
    async fn carry(
        &mut self,
        mut near: TcpStream,
        mut far: UnixStream,
    ) -> std::io::Result<()> {
        let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
        loop {
            up.reserve(PACKET);
            down.reserve(PACKET);
            tokio::select! {
                count = near.read_buf(&mut up) => {
                    if count? == 0 {
                        return Ok(());
                    }
                    self.way.delay().await;
                    while let Some(said) = self.protocol.said(&mut up) {
                        // Statements may be sent together: one is answered before the
                        // next is held.
                        while self.step.is_some() && said.statement.is_some() {
                            if far.read_buf(&mut down).await? == 0 {
                                return Ok(());
                            }
                            self.pass_down(&mut down, &mut near).await?;
                        }
                        if let Some(answer) = said.answer {
                            near.write_all(answer).await?;
                            continue;
                        }
                        let bytes = said.bytes.clone();
                        let turn = self.turn(said).await;
                        if !matches!(turn, Turn::Never | Turn::Lost) {
                            far.write_all(&bytes).await?;
                        }
                        if turn != Turn::Go {
                            return self.fall_silent(turn, near, far, up, down).await;
                        }
                    }
                }
                count = far.read_buf(&mut down) => {
                    if count? == 0 {
                        return Ok(());
                    }
                    self.pass_down(&mut down, &mut near).await?;
                }
            }
        }
    }

    async fn pass_down(
        &mut self,
        down: &mut BytesMut,
        near: &mut TcpStream,
    ) -> std::io::Result<()> {
        self.way.delay().await;
        while let Some(heard) = self.protocol.heard(down) {
            // Told before it is passed on: what follows from it comes later.
            self.tell(heard.returned);
            if !(heard.is_news && self.way.is_deaf.load(Ordering::Relaxed)) {
                near.write_all(&heard.bytes).await?;
            }
        }
        Ok(())
    }

    /// What becomes of what is said, once it is known.
    async fn turn(&mut self, said: Said) -> Turn {
        let Some(statement) = said.statement else {
            return Turn::Go;
        };
        self.records_orders |= statement.records_order();
        let turn = match (self.way.cut(&statement), &self.way.steps) {
            (Some(turn), _) => turn,
            (None, None) => return Turn::Go,
            (None, Some(steps)) => {
                let pid = self.protocol.pid();
                let Some(released) = steps.hold(statement, self.records_orders, pid)
                else {
                    return Turn::Go;
                };
                // Whoever drops it does not watch any more, and the statement goes on.
                let Ok(turn) = released.await else {
                    return Turn::Go;
                };
                turn
            }
        };
        self.step = Some(said.number);
        turn
    }

    /// Tells the client nothing any more. A step that goes on is heard to its end.
    async fn fall_silent(
        &mut self,
        turn: Turn,
        mut near: TcpStream,
        mut far: UnixStream,
        mut up: BytesMut,
        mut down: BytesMut,
    ) -> std::io::Result<()> {
        while matches!(turn, Turn::Unheard | Turn::Cut) && self.step.is_some() {
            // What belongs to the step may come behind it.
            while let Some(said) = self.protocol.said(&mut up) {
                far.write_all(&said.bytes).await?;
            }
            let read = tokio::select! {
                count = near.read_buf(&mut up) => count?,
                count = far.read_buf(&mut down) => count?,
            };
            if read == 0 {
                return Ok(());
            }
            while let Some(heard) = self.protocol.heard(&mut down) {
                self.tell(heard.returned);
            }
        }
        let is_over = matches!(turn, Turn::Cut | Turn::Lost);
        while !is_over && near.read_buf(&mut up).await? > 0 {
            up.clear();
        }
        Ok(())
    }

    fn tell(&mut self, returned: Option<(u64, String)>) {
        if let Some((number, text)) = returned
            && self.step == Some(number)
        {
            self.step = None;
            if let Some(steps) = &self.way.steps {
                steps.returned(&text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\x00";

    /// Answers each packet that it is ready, and tells what it has received.
    async fn store(listener: UnixListener, told: tokio::sync::mpsc::Sender<usize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                told.send(count).await.expect("a test");
                stream.write_all(READY).await.expect("a peer");
            }
        }
    }

    const READY: &[u8] = b"Z\x00\x00\x00\x05I";
    const START: &[u8] = b"\x00\x00\x00\x08\x00\x03\x00\x00";

    /// What a client hears that sends this packet over a new connection.
    async fn send(cable: &Cable, packet: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(cable.address()).await.expect("a cable");
        let mut answer = vec![0; READY.len()];
        for said in [START, packet] {
            stream.write_all(said).await.expect("a cable");
            if stream.read_exact(&mut answer).await.is_err() {
                return Vec::new();
            }
        }
        answer
    }

    #[tokio::test]
    async fn a_commit_is_cut_before_or_after_it_arrives() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("socket");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (tell, mut told) = tokio::sync::mpsc::channel(10);
        tokio::spawn(store(listener, tell));
        let cable = Cable::open(Store::PostgreSQL, socket, None).await;
        let cable = cable.expect("a cable");

        cable.cut_commits(Cut::BeforeCommit, 1);
        cable.cut_commits(Cut::AfterCommit, 1);
        let select = b"Q\x00\x00\x00\x0bSELECT\x00";
        assert_eq!(send(&cable, select).await, READY);
        assert_eq!(told.recv().await, Some(START.len()));
        assert_eq!(told.recv().await, Some(select.len()));
        // It did not arrive.
        assert_eq!(send(&cable, COMMIT).await, b"");
        assert_eq!(told.recv().await, Some(START.len()));
        assert!(told.try_recv().is_err());
        // It arrived, and nobody heard of it.
        assert_eq!(send(&cable, COMMIT).await, b"");
        assert_eq!(told.recv().await, Some(START.len()));
        assert_eq!(told.recv().await, Some(COMMIT.len()));
        // That was all.
        assert_eq!(send(&cable, COMMIT).await, READY);
    }
}
