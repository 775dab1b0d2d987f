//! The generator of load: many kept connections, one thread, no work that could be done
//! before the clock starts. Who may send sends, who has an answer is counted.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use mio::{Events, Interest, Poll, Token};
use nix::time::{ClockId, clock_gettime};

use crate::alarm::Alarm;
use crate::connection::{Connection, LONGEST_ANSWER};
use crate::tally::Tally;
use crate::wire::{Kind, Template};

/// What it is, for a report.
pub(crate) const WHAT: &str =
    "one thread, closed or open loop, connections opened before the clock starts";

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each buyer asks again as soon as there is an answer.
    Closed { lasting: Duration },
    /// Each buyer asks once, all at the same moment.
    Once,
    /// Requests are due at random times, whatever the answers do.
    Open { per_second: f64, lasting: Duration },
}

/// Who asks for what.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    /// The SKUs are called this, a dash, and four digits from 0000 on.
    pub(crate) prefix: String,
    pub(crate) skus: u64,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    /// Number of the first buyer; no number is used twice.
    pub(crate) first_buyer: u64,
}

/// How long answers may be outstanding after the last request.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// Events that are taken from the kernel at once.
const EVENTS: usize = 1_024;

/// Stands for no connection, but for the clock.
const CLOCK: Token = Token(usize::MAX - 1);

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
    let called_off = CallOff::default();
    let flag = Arc::clone(&called_off.0);
    tokio::task::spawn_blocking(move || drive(&load, &flag))
        .await
        .context("the generator of load was lost")?
}

/// Calls the load off when it is dropped.
#[derive(Default)]
struct CallOff(Arc<AtomicBool>);

impl Drop for CallOff {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Applies a load until it is over or called off.
fn drive(load: &Load, called_off: &AtomicBool) -> anyhow::Result<Tally> {
    let mut poll = Poll::new()?;
    let alarm = Alarm::new(&poll, CLOCK)?;
    let mut connections = Vec::with_capacity(load.connections);
    for number in 0..load.connections {
        let mut connection = Connection::open(load.address)
            .with_context(|| format!("cannot open connection {number}"))?;
        poll.registry().register(
            &mut connection.stream,
            Token(number),
            Interest::READABLE,
        )?;
        connections.push(connection);
    }
    let start = Instant::now();
    let mut crowd = Crowd {
        free: (0..connections.len()).collect(),
        connections,
        template: Template::new(load.address, &load.prefix, load.skus),
        next_buyer: load.first_buyer,
        under_way: 0,
        pace: load.pace,
        start,
        schedule: Schedule::new(load.pace, start, load.first_buyer),
        tally: Tally::new()?,
    };
    let cpu_before = cpu_time()?;
    crowd.run(&mut poll, &alarm, called_off)?;
    crowd.tally.cpu = cpu_time()?.saturating_sub(cpu_before);
    Ok(crowd.tally)
}

fn cpu_time() -> anyhow::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .context("cannot read the clock of this thread")?
        .into())
}

struct Crowd {
    connections: Vec<Connection>,
    /// Those without a request under way, the one that waited longest first.
    free: VecDeque<usize>,
    template: Template,
    next_buyer: u64,
    under_way: usize,
    pace: Pace,
    start: Instant,
    schedule: Schedule,
    tally: Tally,
}

impl Crowd {
    fn run(
        &mut self,
        poll: &mut Poll,
        alarm: &Alarm,
        called_off: &AtomicBool,
    ) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; LONGEST_ANSWER];
        let end = match self.pace {
            Pace::Closed { lasting } | Pace::Open { lasting, .. } => lasting,
            Pace::Once => Duration::ZERO,
        };
        let end = self.start + end;
        self.begin();
        loop {
            self.schedule.pass(Instant::now());
            while !self.free.is_empty()
                && let Some(due) = self.schedule.waiting.pop_front()
            {
                self.send(due);
            }
            let now = Instant::now();
            if now >= end {
                self.tally.answers.unsent += self.schedule.close();
                if self.under_way == 0 {
                    break;
                }
            }
            if called_off.load(Ordering::Relaxed) {
                bail!("the load was called off");
            }
            if now >= end + DRAIN_LIMIT {
                self.tally.answers.other += u64::try_from(self.under_way)?;
                break;
            }
            let due = self.schedule.next.filter(|_| !self.free.is_empty());
            alarm.wait(poll, &mut events, due)?;
            for event in events.iter().filter(|event| event.token() != CLOCK) {
                self.receive(event.token().0, &mut buffer, end);
            }
        }
        self.tally.elapsed = self.start.elapsed();
        Ok(())
    }

    /// Where nothing is scheduled, everybody asks now.
    fn begin(&mut self) {
        if matches!(self.pace, Pace::Open { .. }) {
            return;
        }
        for _ in 0..self.connections.len() {
            let due = match self.pace {
                Pace::Once => self.start,
                _ => Instant::now(),
            };
            self.send(due);
        }
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

    fn receive(&mut self, number: usize, buffer: &mut [u8], end: Instant) {
        let Some(connection) = self.connections.get_mut(number) else {
            return;
        };
        let received = connection.receive(buffer);
        let (Ok(Some(_)) | Err(_), Some(due)) = (&received, connection.due) else {
            return;
        };
        connection.due = None;
        self.under_way -= 1;
        match received {
            Ok(Some(kind)) => self.answered(number, kind, due, end),
            // A connection that is lost is not used again.
            _ => self.tally.answers.other += 1,
        }
    }

    fn answered(&mut self, number: usize, kind: Kind, due: Instant, end: Instant) {
        let now = Instant::now();
        self.tally.add(kind, now.saturating_duration_since(due));
        self.free.push_back(number);
        match self.pace {
            Pace::Closed { .. } if now < end => self.send(now),
            Pace::Once if kind == Kind::Accepted => {
                self.tally.accepted_at.push(now - self.start);
            }
            _ => {}
        }
    }
}

/// When requests are due, where that does not depend on answers.
struct Schedule {
    next: Option<Instant>,
    /// Due and not sent yet, the oldest first.
    waiting: VecDeque<Instant>,
    per_second: f64,
    random: fastrand::Rng,
}

impl Schedule {
    fn new(pace: Pace, start: Instant, seed: u64) -> Self {
        let per_second = match pace {
            Pace::Open { per_second, .. } if per_second > 0.0 => Some(per_second),
            _ => None,
        };
        Self {
            next: per_second.map(|_| start),
            waiting: VecDeque::new(),
            per_second: per_second.unwrap_or(1.0),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Lets time pass until `now`. Buyers know nothing of each other: the times between
    /// them are distributed exponentially.
    fn pass(&mut self, now: Instant) {
        while let Some(due) = self.next.filter(|due| *due <= now) {
            self.waiting.push_back(due);
            let gap = -(1.0 - self.random.f64()).ln() / self.per_second;
            self.next = Some(due + Duration::from_secs_f64(gap));
        }
    }

    /// Nothing is due any more; returns how many were not sent.
    fn close(&mut self) -> u64 {
        self.next = None;
        let unsent = self.waiting.drain(..).count();
        u64::try_from(unsent).unwrap_or(u64::MAX)
    }
}
