//! The generator of load: many kept connections, one thread, no work that could be done
//! before the clock starts. Who may send sends, who has an answer is counted.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

use crate::tally::Tally;
use crate::wire::{Kind, Template, parse};

/// Who asks for what.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// The SKUs are called this, a dash, and four digits from 0000 on.
    pub(crate) prefix: String,
    pub(crate) skus: u16,
    pub(crate) connections: u16,
    /// Requests that are due at random times, whatever the answers do; where there is no
    /// such rate, all buyers ask at the same moment, and again as soon as they have an
    /// answer.
    pub(crate) per_second: Option<f64>,
    /// After this time nobody asks again: where it is zero, each buyer asks once.
    pub(crate) lasting: Duration,
    /// Number of the first buyer; no number is used twice.
    pub(crate) first_buyer: u64,
}

/// How long answers may be outstanding after the last request.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// Events that are taken from the kernel at once.
const EVENTS: usize = 1_024;

/// No answer is longer.
const LONGEST_ANSWER: usize = 8_192;

/// How often a load looks whether it was called off.
const LOOK: Duration = Duration::from_millis(100);

/// Applies a load in a thread of its own and counts the answers.
///
/// # Errors
///
/// Connections that cannot be opened. What the server does is counted.
///
/// # Cancel safety
///
/// A dropped future ends the load within a tenth of a second.
pub(crate) async fn apply(load: Load) -> anyhow::Result<Tally> {
    let (caller, waiting) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let tally = drive(&load, || caller.is_closed());
        // Whoever called it off does not want to know.
        drop(caller.send(tally));
    });
    waiting.await.context("the generator of load was lost")?
}

/// Applies a load until it is over or called off.
fn drive(load: &Load, is_called_off: impl Fn() -> bool) -> anyhow::Result<Tally> {
    let mut poll = Poll::new()?;
    let open = |number| {
        Connection::open(load.address, &poll, Token(number))
            .with_context(|| format!("cannot open connection {number}"))
    };
    let numbers = 0..usize::from(load.connections);
    let connections: Vec<_> = numbers.map(open).collect::<Result<_, _>>()?;
    let start = Instant::now();
    let mut crowd = Crowd {
        free: (0..connections.len()).collect(),
        connections,
        template: Template::new(load.address, &load.prefix, load.skus),
        next_buyer: load.first_buyer,
        under_way: 0,
        per_second: load.per_second,
        start,
        end: start + load.lasting,
        tally: Tally::new()?,
    };
    let cpu_before = cpu_time()?;
    crowd.run(&mut poll, is_called_off)?;
    crowd.tally.cpu = cpu_time()?.saturating_sub(cpu_before);
    if let Some(connection) = crowd.connections.first_mut() {
        crowd.tally.last_answer = std::mem::take(&mut connection.answer);
    }
    Ok(crowd.tally)
}

/// Waits for events, until `due` at the latest.
fn wait(poll: &mut Poll, events: &mut Events, due: Option<Instant>) -> io::Result<()> {
    let limit = match due.map(|due| due.saturating_duration_since(Instant::now())) {
        Some(wait) if wait < LOOK && !wait.is_zero() => wait_precisely(poll, wait)?,
        wait => wait.unwrap_or(LOOK).min(LOOK),
    };
    match poll.poll(events, Some(limit)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        waited => waited,
    }
}

/// Waits for a while or for the first event; returns how long the poll may wait yet. The
/// wait of epoll is in whole milliseconds, in which half a hundred requests are due.
#[cfg(target_os = "linux")]
fn wait_precisely(poll: &Poll, wait: Duration) -> io::Result<Duration> {
    use std::os::fd::AsFd;

    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, ppoll};

    let any_event = PollFd::new(poll.registry().as_fd(), PollFlags::POLLIN);
    match ppoll(&mut [any_event], Some(wait.into()), None) {
        Ok(_) | Err(Errno::EINTR) => Ok(Duration::ZERO),
        Err(error) => Err(error.into()),
    }
}

/// The poll of other systems is precise by itself.
#[cfg(not(target_os = "linux"))]
fn wait_precisely(_poll: &Poll, wait: Duration) -> io::Result<Duration> {
    Ok(wait)
}

fn cpu_time() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .context("cannot read the clock of this thread")?
        .into())
}

/// One buyer: an open connection with at most one request under way.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// When the request under way was due.
    due: Option<Instant>,
    /// What has come of its last answer.
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, poll: &Poll, token: Token) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let registry = poll.registry();
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self {
            stream,
            due: None,
            answer: Vec::new(),
        })
    }

    /// Sends a request that was due at a time. It always fits into the buffer of the
    /// kernel, because nothing else is under way.
    fn send(&mut self, request: &[u8], due: Instant) -> io::Result<()> {
        let written = self.stream.write(request)?;
        if written < request.len() {
            return Err(ErrorKind::WriteZero.into());
        }
        self.due = Some(due);
        self.answer.clear();
        Ok(())
    }

    /// Reads what has come; none while the answer is not complete.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<Kind>> {
        let length = match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        self.answer
            .extend_from_slice(buffer.get(..length).unwrap_or_default());
        match parse(&self.answer)? {
            Some((kind, end)) if end == self.answer.len() => Ok(Some(kind)),
            None if self.answer.len() < LONGEST_ANSWER => Ok(None),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }
}

struct Crowd {
    connections: Vec<Connection>,
    /// Those without a request under way, the one that waited longest first.
    free: VecDeque<usize>,
    template: Template,
    next_buyer: u64,
    under_way: usize,
    per_second: Option<f64>,
    start: Instant,
    /// Nothing is sent any more.
    end: Instant,
    tally: Tally,
}

impl Crowd {
    fn run(
        &mut self,
        poll: &mut Poll,
        is_called_off: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; LONGEST_ANSWER];
        let mut schedule = self.schedule().peekable();
        loop {
            let now = Instant::now();
            while !self.free.is_empty()
                && let Some(due) = schedule.next_if(|due| *due <= now)
            {
                self.send(due);
            }
            if now >= self.end {
                let unsent = schedule.by_ref().count();
                self.tally.answers.unsent += u64::try_from(unsent)?;
                if self.under_way == 0 {
                    break;
                }
            }
            if is_called_off() {
                bail!("the load was called off");
            }
            if now >= self.end + DRAIN_LIMIT {
                self.tally.answers.other += u64::try_from(self.under_way)?;
                break;
            }
            let due = schedule.peek().filter(|_| !self.free.is_empty());
            wait(poll, &mut events, due.copied())?;
            for event in &events {
                self.receive(event.token().0, &mut buffer);
            }
        }
        self.tally.elapsed = self.start.elapsed();
        Ok(())
    }

    /// When requests are due: all at once, or at random times, whatever the answers do.
    /// Buyers know nothing of each other: the times between them are distributed
    /// exponentially.
    fn schedule(&self) -> impl Iterator<Item = Instant> + use<> {
        let at_once = self.per_second.map_or(self.free.len(), |_| 0);
        let per_second = self.per_second.unwrap_or_default();
        let first = (per_second > 0.0).then_some(self.start);
        let mut random = fastrand::Rng::with_seed(self.next_buyer);
        let at_random = std::iter::successors(first, move |due| {
            let gap = -(1.0 - random.f64()).ln() / per_second;
            Some(*due + Duration::from_secs_f64(gap))
        });
        let end = self.end;
        std::iter::repeat_n(self.start, at_once)
            .chain(at_random.take_while(move |due| *due < end))
    }

    fn send(&mut self, due: Instant) {
        let Some(number) = self.free.pop_front() else {
            return;
        };
        let request = self.template.of_buyer(self.next_buyer);
        self.next_buyer += 1;
        match self.connections[number].send(request, due) {
            Ok(()) => self.under_way += 1,
            // A connection that is lost is not used again.
            Err(_lost) => self.tally.answers.other += 1,
        }
    }

    fn receive(&mut self, number: usize, buffer: &mut [u8]) {
        let connection = &mut self.connections[number];
        let received = connection.receive(buffer).transpose();
        let (Some(received), Some(due)) = (received, connection.due) else {
            return;
        };
        connection.due = None;
        self.under_way -= 1;
        let Ok(kind) = received else {
            // A connection that is lost is not used again.
            self.tally.answers.other += 1;
            return;
        };
        let now = Instant::now();
        self.tally.add(kind, now.saturating_duration_since(due));
        self.free.push_back(number);
        if self.start == self.end && kind == Kind::Accepted {
            self.tally.accepted_at.push(now - self.start);
        }
        if self.per_second.is_none() && now < self.end {
            self.send(now);
        }
    }
}
