//! The way from a server to a store: a loopback port in front of a Unix socket. It reads what
//! is said, can be slow, deaf or silent, breaks, and holds each step until its turn.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::postgres::Postgres;
use crate::protocol::Protocol;
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
    trouble: Mutex<Trouble>,
    /// Its change breaks all connections.
    breaks: watch::Sender<u64>,
}

/// What a good cable does not have.
#[derive(Default)]
struct Trouble {
    delay: Duration,
    /// Whether notifications are left out.
    is_deaf: bool,
    /// What becomes of the next COMMITs.
    commits: VecDeque<Turn>,
    /// Whether the next of these is the beginning of an outage.
    outage_follows: bool,
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
                trouble: Mutex::default(),
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
        self.way.trouble().delay = Duration::from_millis(delay_ms);
    }

    /// Breaks all connections now.
    pub fn cut(&self) {
        self.way.breaks.send_modify(|breaks| *breaks += 1);
    }

    /// Cuts the connections that send the next COMMITs, and no others.
    pub fn cut_commits(&self, cut: Cut, commits: u64) {
        let turn = match cut {
            Cut::BeforeCommit => Turn::Lost,
            Cut::AfterCommit => Turn::Cut,
        };
        let turns = (0..commits).map(|_| turn);
        self.way.trouble().commits.extend(turns);
    }

    /// Cuts the connection that sends the next COMMIT, and lets nobody connect from then on.
    pub fn cut_commit_and_refuse(&self, cut: Cut) {
        self.way.trouble().outage_follows = true;
        self.cut_commits(cut, 1);
    }

    /// Leaves notifications out, from the next message on.
    pub fn deafen(&self, is_deaf: bool) {
        self.way.trouble().is_deaf = is_deaf;
    }

    /// Says nothing to who connects from now on.
    pub fn hang(&self) {
        self.way.door.send_replace(Door::Hangs);
    }

    /// Is a good cable again.
    pub fn heal(&self) {
        *self.way.trouble() = Trouble::default();
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

async fn connect(near: TcpStream, way: &Way) -> io::Result<()> {
    let mut door = way.door.subscribe();
    // The sender ends after all connections.
    let door = door.wait_for(|it| *it != Door::Hangs).await;
    if !door.is_ok_and(|it| *it == Door::Open) {
        return Ok(());
    }
    near.set_nodelay(true)?;
    let mut connection = Connection {
        way,
        protocol: match way.store {
            Store::PostgreSQL => Box::<Postgres>::default(),
            Store::Redis => Box::<Redis>::default(),
        },
        near,
        up: BytesMut::new(),
        far: UnixStream::connect(&way.socket).await?,
        down: BytesMut::new(),
        records_orders: false,
        step: None,
        turn: Turn::Go,
    };
    connection.carry().await
}

impl Way {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of a statement that is to be cut off.
    fn cut(&self, statement: &Statement) -> Option<Turn> {
        if !statement.does().commits {
            return None;
        }
        let mut trouble = self.trouble();
        let turn = trouble.commits.pop_front()?;
        if std::mem::take(&mut trouble.outage_follows) {
            self.door.send_replace(Door::Shut);
        }
        Some(turn)
    }

    async fn delay(&self) {
        let delay = self.trouble().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

struct Connection<'a> {
    way: &'a Way,
    protocol: Box<dyn Protocol>,
    near: TcpStream,
    /// What has come from the near side, and is not passed up yet.
    up: BytesMut,
    far: UnixStream,
    down: BytesMut,
    /// Whether an order was recorded over this connection: then it is the buyers'.
    records_orders: bool,
    /// The step that has gone on and is not answered.
    step: Option<u64>,
    /// What has become of the last step. After anything but [`Turn::Go`] the near side is
    /// told nothing any more, and only what belongs to that step goes on.
    turn: Turn,
}

impl Connection<'_> {
    async fn carry(&mut self) -> io::Result<()> {
        loop {
            self.up.reserve(PACKET);
            tokio::select! {
                count = self.near.read_buf(&mut self.up) => {
                    if count? == 0 {
                        return Ok(());
                    }
                    self.way.delay().await;
                    self.pass_up().await?;
                }
                down = read_down(&mut self.far, &mut self.down) => {
                    down?;
                    self.pass_down().await?;
                }
            }
            let is_over = match self.turn {
                Turn::Lost => true,
                Turn::Cut => self.step.is_none(),
                Turn::Go | Turn::Never | Turn::Unheard => false,
            };
            if is_over {
                return Ok(());
            }
        }
    }

    async fn pass_up(&mut self) -> io::Result<()> {
        while let Some(said) = self.protocol.said(&mut self.up) {
            // Statements may be sent together: one is answered before the next is held.
            let is_next = said.statement.is_some() && self.turn == Turn::Go;
            while is_next && self.step.is_some() {
                read_down(&mut self.far, &mut self.down).await?;
                self.pass_down().await?;
            }
            if let Some(answer) = said.answer {
                self.near.write_all(answer).await?;
                continue;
            }
            if let Some(statement) = said.statement
                && is_next
            {
                self.take_turn(statement, said.number).await;
            }
            if self.turn == Turn::Go || self.step.is_some() {
                self.far.write_all(&said.bytes).await?;
            }
        }
        Ok(())
    }

    async fn pass_down(&mut self) -> io::Result<()> {
        self.way.delay().await;
        while let Some(heard) = self.protocol.heard(&mut self.down) {
            // Told before it is passed on: what follows from it comes later.
            if let Some((number, text)) = heard.returned
                && self.step == Some(number)
            {
                self.step = None;
                if let Some(steps) = &self.way.steps {
                    steps.returned(&text);
                }
            }
            let is_left_out = heard.is_news && self.way.trouble().is_deaf;
            if self.turn == Turn::Go && !is_left_out {
                self.near.write_all(&heard.bytes).await?;
            }
        }
        Ok(())
    }

    /// Finds out what becomes of a statement.
    async fn take_turn(&mut self, statement: Statement, number: u64) {
        self.records_orders |= statement.does().records;
        let turn = match self.way.cut(&statement) {
            Some(turn) => Some(turn),
            None => self.turn_as_step(statement).await,
        };
        self.turn = turn.unwrap_or(Turn::Go);
        let goes_on = !matches!(self.turn, Turn::Never | Turn::Lost);
        self.step = turn.filter(|_| goes_on).map(|_| number);
    }

    /// What becomes of a step. Whoever does not watch any more lets it go on.
    async fn turn_as_step(&self, statement: Statement) -> Option<Turn> {
        let steps = self.way.steps.as_ref()?;
        let pid = self.protocol.pid();
        steps.hold(statement, self.records_orders, pid)?.await.ok()
    }
}

async fn read_down(far: &mut UnixStream, down: &mut BytesMut) -> io::Result<()> {
    down.reserve(PACKET);
    match far.read_buf(down).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;
    use tokio::sync::mpsc;

    use super::*;

    const COMMIT: &[u8] = b"Q\x00\x00\x00\x0bCOMMIT\x00";

    const READY: &[u8] = b"Z\x00\x00\x00\x05I";
    const START: &[u8] = b"\x00\x00\x00\x08\x00\x03\x00\x00";

    /// Answers each packet that it is ready, and tells what it has received.
    async fn store(listener: UnixListener, told: mpsc::Sender<usize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 64];
            while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                told.send(count).await.expect("a test");
                stream.write_all(READY).await.expect("a peer");
            }
        }
    }

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
        let (tell, mut told) = mpsc::channel(10);
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
