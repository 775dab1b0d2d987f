//! The real server, in a process of its own.

use std::env;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flash_core::Sku;
use flash_sandbox::Supervised;
use serde_json::json;
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::client::{Client, Method, json_request};
use crate::error::Ending;

/// From the start to the line that says where it listens; it waits for its stores and
/// migrates in between.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// From SIGTERM to the end. The buyers have gone by then.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How often to look.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// An admin call while nothing else happens.
const ADMIN_LIMIT: Duration = Duration::from_secs(10);

/// Longer than any lesson: phase 3's gates do not expire in the middle of one.
pub const LESSON_GATE_LIFETIME: Duration = Duration::from_secs(600);

/// What stands before the address in the line that says where it listens.
const LISTENING: &str = "listening on http://";

/// What takes a byte and never has room for it.
pub const FULL: &str = "/dev/full";

/// How long a server is waited for that may not answer yet.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Lines of its log that are shown when it fails.
const LOG_TAIL_LINES: usize = 20;

/// A running server; when this value is dropped, however that happens, it is killed, with
/// SIGKILL, and waited for.
pub struct Server {
    process: Supervised,
    /// None where it cannot be written.
    log: Option<File>,
}

/// Finds the server that was built together with this program.
///
/// # Errors
///
/// It is not there; what builds it.
pub fn find() -> anyhow::Result<PathBuf> {
    find_beside("server")
}

/// Finds a program that was built together with this one.
///
/// # Errors
///
/// It is not there; what builds it.
pub fn find_beside(name: &str) -> anyhow::Result<PathBuf> {
    let lab = env::current_exe().context("cannot find out where this program is")?;
    let found = lab.with_file_name(format!("{name}{}", env::consts::EXE_SUFFIX));
    if !found.is_file() {
        let text = format!("no `{name}` beside `lab`: run `cargo build --bins`");
        return Err(Ending::MissingProgram(text).into());
    }
    Ok(found)
}

impl Server {
    /// Starts a server with these arguments and waits until it sells. Where an address is
    /// given, its log cannot be written, and it is waited for until it answers there.
    ///
    /// # Errors
    ///
    /// It ended, or was not ready in time, with the end of its log.
    pub async fn start<V: AsRef<OsStr>>(
        program: &Path,
        arguments: Vec<String>,
        environment: impl IntoIterator<Item = (&'static str, V)>,
        unheard: Option<SocketAddr>,
    ) -> anyhow::Result<(Self, SocketAddr)> {
        let log = match unheard {
            Some(_) => None,
            None => Some(NamedTempFile::new().context("cannot make a file for a log")?),
        };
        let path = log.as_ref().map_or(Path::new(FULL), NamedTempFile::path);
        let process = Supervised::spawn(program, arguments, environment, path)?;
        // Both have it open; without a name it leaves nothing behind.
        let log = log.map(NamedTempFile::into_file);
        let mut server = Self { process, log };
        let address = server.wait_until_ready(unheard).await?;
        Ok((server, address))
    }

    /// Where its log cannot be written, only its answers tell of the server.
    async fn wait_until_ready(
        &mut self,
        unheard: Option<SocketAddr>,
    ) -> anyhow::Result<SocketAddr> {
        let end = Instant::now() + READY_LIMIT;
        loop {
            // In this order: the last words of a server that ends are still read.
            let ended = self.process.wait(Duration::ZERO);
            let listening = match unheard {
                Some(address) => is_alive(address).await.then_some(address),
                None => listening_address(&self.read_log()?),
            };
            let why = match (listening, ended) {
                (Some(address), _) => return Ok(address),
                (_, Some(code)) => {
                    format!("ended with code {code} before it was ready")
                }
                _ if Instant::now() < end => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
                _ => format!("was not ready within {} s", READY_LIMIT.as_secs()),
            };
            bail!("the server {why}{}", self.last_words());
        }
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.process.wait(Duration::ZERO).is_none()
    }

    /// Ends the server and waits until it has; one that hangs is killed.
    ///
    /// # Errors
    ///
    /// It had ended on its own: then its answers are not those of a sale.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(code) = self.process.wait(Duration::ZERO) {
            let words = self.last_words();
            bail!("the server ended during the sale with code {code}{words}");
        }
        self.process.terminate();
        let end = Instant::now() + STOP_LIMIT;
        while self.process.wait(Duration::ZERO).is_none() && Instant::now() < end {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    fn read_log(&self) -> anyhow::Result<String> {
        let Some(mut log) = self.log.as_ref() else {
            bail!("it went to {FULL}");
        };
        let mut bytes = Vec::new();
        log.seek(SeekFrom::Start(0))?;
        log.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The end of its log, to be put behind a sentence.
    pub fn last_words(&self) -> String {
        match self.read_log() {
            Ok(log) if log.trim().is_empty() => "; its log is empty".to_owned(),
            Ok(log) => format!("; the end of its log:{}", tail(&log)),
            Err(error) => format!("; its log cannot be read: {error}"),
        }
    }
}

/// As long as a buyer waits, as an argument.
pub const PATIENCE_MS: u32 = 120_000;

/// What every server of the lab is told: how many connections it has, how long it waits for
/// one and for a row, and how long it works on a request.
pub fn limits(
    pool_size: impl Display,
    wait_ms: impl Display,
    request_ms: impl Display,
) -> String {
    format!(
        "--pool-size {pool_size} --pool-wait-ms {wait_ms} --lock-wait-ms {wait_ms} \
         --request-timeout-ms {request_ms} --log-format pretty"
    )
}

/// Buyers should be told what the strategy says, not that they waited too long: all
/// limits of the server are as long as a buyer waits, or longer than it takes to connect.
pub fn patient(pool_size: u16) -> String {
    let limits = limits(pool_size, PATIENCE_MS, PATIENCE_MS);
    format!("{limits} --client-wait-ms {PATIENCE_MS} --queue-max 20000")
}

/// Whether a server answers there. One that starts listens before it answers.
async fn is_alive(address: SocketAddr) -> bool {
    let asking = async {
        let request = json_request(Method::GET, address, "/livez", None, &())?;
        let mut client = Client::connect(address).await?;
        let reply = client.send(request, ANSWER_LIMIT).await?;
        anyhow::Ok(reply.status.is_success())
    };
    asking.await.unwrap_or(false)
}

fn listening_address(log: &str) -> Option<SocketAddr> {
    let complete = &log[..=log.rfind('\n')?];
    complete
        .lines()
        .find_map(|line| line.strip_prefix(LISTENING)?.trim().parse().ok())
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    let start = lines.len().saturating_sub(LOG_TAIL_LINES);
    let lines = lines.iter().skip(start);
    lines.map(|line| format!("\n    {line}")).collect()
}

/// Puts units on sale, under a name that no earlier sale in a given database has.
///
/// # Errors
///
/// The server does not answer, or refuses.
pub async fn put_on_sale(
    address: SocketAddr,
    seller: &str,
    units: u32,
) -> anyhow::Result<Sku> {
    // The last bytes of a UUID of version 7 are random.
    let id = Uuid::now_v7().simple().to_string();
    let (_, random) = id.split_at(id.len() - 8);
    let sku = Sku::new(format!("demo-{seller}-{random}"))?;
    create_sku(address, &sku, units, None).await?;
    Ok(sku)
}

/// Puts units on sale.
///
/// # Errors
///
/// The server does not answer, or refuses.
pub async fn create_sku(
    address: SocketAddr,
    sku: &Sku,
    units: u32,
    per_buyer_limit: Option<u32>,
) -> anyhow::Result<()> {
    let terms = json!({"initial_units": units, "per_buyer_limit": per_buyer_limit});
    let path = format!("/v1/skus/{sku}");
    let request = json_request(Method::PUT, address, &path, None, &terms)?;
    let mut client = Client::connect(address).await?;
    let reply = client.send(request, ADMIN_LIMIT).await?;
    if !reply.status.is_success() {
        let (status, body) = (reply.status, String::from_utf8_lossy(&reply.body));
        bail!("the server did not create the SKU {sku}: {status} {body}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_its_line_is_complete() {
        let address = "127.0.0.1:41234".parse().ok();
        let log = "INFO migrating\nlistening on http://127.0.0.1:41234\nINFO ready\n";
        assert_eq!(listening_address(log), address);
        assert_eq!(listening_address("listening on http://127.0.0.1:41"), None);
        assert_eq!(listening_address(""), None);
    }

    #[test]
    fn the_tail_is_short_and_indented() {
        let log: String = (0..30).map(|n| format!("line {n}\n")).collect();
        assert!(tail(&log).starts_with("\n    line 10\n"));
        assert!(tail(&log).ends_with("\n    line 29"));
    }
}
