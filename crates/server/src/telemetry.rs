//! Logging: what a line looks like, and where it goes.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, IsTerminal, StderrLock, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use nix::libc::PIPE_BUF;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::Subscriber;
use tracing::subscriber::Interest;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Warnings of all and notices of the server. What actix says about a connection is a
/// stranger's to cause: five bytes are enough. What Redis' client says of a cluster it says
/// at each try; the engine says why, once.
const DEFAULT_FILTER: &str = "warn,flash_server=info,actix_http=off,redis=off";

/// Whoever has no room for a connection says so from here, twice a second.
const REPETITIVE: &str = "actix_server::accept";

/// How long that counts as said.
const SAID_FOR: Duration = Duration::from_secs(60);

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Pretty,
    /// For machines, one object per line
    Json,
}

/// Writes log lines to standard error from now on. `RUST_LOG` sets how many there are;
/// without it warnings of all and notices of the server. A line that cannot be written is
/// left out.
pub(crate) fn start_logging(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_colored(
            io::stderr().is_terminal(),
            env::var_os("NO_COLOR"),
        ))
        // It would say what it could not write with a print that panics.
        .log_internal_errors(false)
        .with_writer(|| Stderr);
    match format {
        LogFormat::Pretty => lines.with_target(false).finish().with(seldom()).init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            lines.finish().with(seldom()).init();
        }
    }
}

/// Lets what is said again and again pass once in a while.
fn seldom<S: Subscriber>() -> impl Layer<S> {
    let said = Mutex::new(None::<Instant>);
    dynamic_filter_fn(move |line, _| {
        if line.target() != REPETITIVE {
            return true;
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let again = said.is_some_and(|at| at.elapsed() < SAID_FOR);
        if !again {
            *said = Some(Instant::now());
        }
        !again
    })
    // All other lines are decided once for each place that they come from.
    .with_callsite_filter(|line| match line.target() {
        REPETITIVE => Interest::sometimes(),
        _ => Interest::always(),
    })
}

/// # Source
///
/// <https://no-color.org>: whatever the value, unless it is empty.
fn is_colored(is_terminal: bool, no_color: Option<OsString>) -> bool {
    is_terminal && no_color.is_none_or(|value| value.is_empty())
}

/// Says a sentence on standard error, if anybody can hear it.
pub(crate) fn say(sentence: impl Display) {
    // It does not fail.
    let _ = Stderr.write_all(format!("{sentence}\n").as_bytes());
}

/// Standard error for those who have something else to do: a write neither fails nor waits.
/// What finds no room, because the disk is full or because nobody reads, is left out.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nobody else can take the room between the question and the write.
        let mut stderr = io::stderr().lock();
        // A pipe that has any room has room for this much.
        for piece in bytes.chunks(PIPE_BUF) {
            if !has_room(&stderr) || stderr.write_all(piece).is_err() {
                break;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn has_room(stderr: &StderrLock<'_>) -> bool {
    let mut asked = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    // Whoever cannot tell is asked by writing.
    !matches!(poll(&mut asked, PollTimeout::ZERO), Ok(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_that_wants_colors_has_them() {
        assert!(is_colored(true, None));
        assert!(is_colored(true, Some("".into())));
        assert!(!is_colored(true, Some("0".into())));
        assert!(!is_colored(false, None));
    }
}
