//! The pipe to the browser: JSON messages, each with a zero byte at its end.
//!
//! # Source
//!
//! `--remote-debugging-pipe`: Chromium reads from descriptor 3 and writes to 4, and ends
//! when 3 does.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long anything may take that takes milliseconds or seconds. It only bounds how long
/// a broken run takes; no result depends on it.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// A wait in the page ends before this.
const ANSWER_LIMIT: Duration = LIMIT.saturating_add(Duration::from_secs(60));

/// Its stdin and stdout become the descriptors that it talks over.
const REDIRECT: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

pub(super) struct Pipe {
    browser: Child,
    /// None once it was told to end.
    to: Option<ChildStdin>,
    from: Receiver<Value>,
    calls: u64,
    events: Vec<Value>,
}

impl Pipe {
    pub(super) fn open<'a>(
        program: &Path,
        flags: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let mut browser = Command::new("/bin/sh")
            .args(["-c", REDIRECT, "browser"])
            .arg(program)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the browser does not start")?;
        let to = browser.stdin.take();
        let stdout = browser.stdout.take().context("no pipe")?;
        let (message, from) = channel();
        thread::spawn(move || {
            for bytes in BufReader::new(stdout).split(0) {
                let Ok(Ok(value)) = bytes.map(|it| serde_json::from_slice(&it)) else {
                    return;
                };
                if message.send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            browser,
            to,
            from,
            calls: 0,
            events: Vec::new(),
        })
    }

    /// Calls a method and waits for its answer; events that come first are kept.
    pub(super) fn call(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: &Value,
    ) -> Result<Value> {
        self.calls += 1;
        let mut message =
            json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let to = self.to.as_mut().context("the browser has ended")?;
        to.write_all(format!("{message}\0").as_bytes())
            .with_context(|| format!("{method}: the browser has ended"))?;
        let end = Instant::now() + ANSWER_LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut answer = self
                .from
                .recv_timeout(left)
                .with_context(|| format!("{method}: no answer from the browser"))?;
            if answer["id"] != self.calls {
                self.events.push(answer);
            } else if answer["error"].is_null() {
                return Ok(answer["result"].take());
            } else {
                bail!("{method}: {}", answer["error"]["message"]);
            }
        }
    }

    /// All events so far.
    pub(super) fn events(&mut self) -> &[Value] {
        self.events.extend(self.from.try_iter());
        &self.events
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // The browser ends when its pipe does, and its other processes with it.
        drop(self.to.take());
        let end = Instant::now() + Duration::from_secs(5);
        while self
            .from
            .recv_timeout(end.saturating_duration_since(Instant::now()))
            .is_ok()
        {}
        // If it hangs; otherwise there is nobody to kill.
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
