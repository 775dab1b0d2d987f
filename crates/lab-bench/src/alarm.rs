//! Waking up in time for the next request.
//!
//! The wait of epoll is in whole milliseconds, in which half a hundred requests are due.

use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

/// How often a load looks whether it was called off.
const LOOK: Duration = Duration::from_millis(100);

/// Wakes a poll at a given time.
#[derive(Debug)]
pub(crate) struct Alarm {
    #[cfg(target_os = "linux")]
    timer: nix::sys::timerfd::TimerFd,
}

impl Alarm {
    /// Waits for events, until `due` at the latest.
    pub(crate) fn wait(
        &self,
        poll: &mut Poll,
        events: &mut Events,
        due: Option<Instant>,
    ) -> io::Result<()> {
        let wait =
            due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()));
        let waited = if wait < LOOK && !wait.is_zero() {
            poll.poll(events, Some(self.set(wait)?))
        } else {
            poll.poll(events, Some(wait.min(LOOK)))
        };
        match waited {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            waited => waited,
        }
    }
}

#[cfg(target_os = "linux")]
mod precise {
    use std::io;
    use std::os::fd::{AsFd, AsRawFd};
    use std::time::Duration;

    use mio::unix::SourceFd;
    use mio::{Interest, Poll, Token};
    use nix::sys::time::TimeSpec;
    use nix::sys::timerfd::{
        ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
    };

    use super::{Alarm, LOOK};

    impl Alarm {
        /// Registers a timer, whose events have the token.
        pub(crate) fn new(poll: &Poll, token: Token) -> io::Result<Self> {
            let timer =
                TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
            let fd = timer.as_fd().as_raw_fd();
            poll.registry()
                .register(&mut SourceFd(&fd), token, Interest::READABLE)?;
            Ok(Self { timer })
        }

        /// Sets the timer; returns what the poll may wait for other events.
        pub(crate) fn set(&self, wait: Duration) -> io::Result<Duration> {
            let expiration = Expiration::OneShot(TimeSpec::from_duration(wait));
            self.timer.set(expiration, TimerSetTimeFlags::empty())?;
            Ok(LOOK)
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// The poll of other systems is precise by itself.
    pub(crate) fn new(_poll: &Poll, _token: mio::Token) -> io::Result<Self> {
        Ok(Self {})
    }

    fn set(&self, wait: Duration) -> io::Result<Duration> {
        Ok(wait)
    }
}
