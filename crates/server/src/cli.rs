//! The command line, without the flag that picks a strategy.
#![expect(clippy::doc_markdown, reason = "these comments are the text of --help")]

use std::convert::Infallible;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::telemetry::LogFormat;

/// What a server program does instead of selling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Bring the schema of --database-url up to date, and end
    Migrate,
}

/// What is done about the schema before anybody sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Migrations {
    /// Bring it up to date
    Run,
    /// Refuse to start where it is older than this program
    Check,
    /// Take it as it is
    Off,
}

/// What every server program can be told.
#[derive(Debug, Args)]
pub struct Settings {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: String,

    /// PostgreSQL to sell from, postgres://user:password@host/database, see below; without
    /// it a private one is started and removed at the end
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL",
          global = true, value_parser = trimmed)]
    pub database_url: Option<String>,

    /// The schema at start; a role that may only SELECT, INSERT and UPDATE can sell, and
    /// change nothing
    #[arg(long, env = "MIGRATE", value_enum, default_value_t = Migrations::Run,
          value_name = "WHAT")]
    pub migrate: Migrations,

    /// Redis for hybrid and engine, redis://user:password@host:6379/0, and more forms below;
    /// without it a private one is started
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL",
          value_parser = trimmed)]
    pub redis_url: Option<String>,

    /// What all keys in Redis begin with: another for each shop that shares it
    #[arg(long, env = "REDIS_PREFIX", default_value = flash_engine::PREFIX,
          value_name = "TEXT", value_parser = prefix)]
    pub redis_prefix: String,

    /// Token for admin calls (Authorization: Bearer …); without it they work only while
    /// listening on loopback, sent directly to localhost
    #[arg(long, env = "ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN",
          value_parser = trimmed)]
    pub admin_token: Option<String>,

    /// Connections to PostgreSQL that serve buyers; four more serve admin calls
    #[arg(long, env = "POOL_SIZE", default_value_t = 32, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub pool_size: u16,

    /// The engine's: requests that may wait for Redis, and again for PostgreSQL; one more is
    /// told "busy"
    #[arg(long, env = "QUEUE_MAX", default_value_t = 20_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub queue_max: u32,

    /// The engine's: requests in one transaction at most
    #[arg(long, env = "BATCH_MAX", default_value_t = 1_024, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub batch_max: u16,

    /// The engine's: transactions under way at once, each on a connection of its own
    #[arg(long, env = "LANES", default_value_t = 2, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub lanes: u16,

    /// Hybrid's: how long a gate in Redis lives, in milliseconds; what a crash took comes
    /// back after it
    #[arg(long = "gate-lifetime-ms", env = "GATE_LIFETIME_MS", default_value = "5000",
          value_name = "MS", value_parser = millis)]
    pub gate_lifetime: Duration,

    /// Wait for a free connection in milliseconds; after it a buyer is told "busy"
    #[arg(long = "pool-wait-ms", env = "POOL_WAIT_MS", default_value = "10000",
          value_name = "MS", value_parser = millis)]
    pub pool_wait: Duration,

    /// Wait for a row lock in milliseconds; after it a buyer is told "busy"
    #[arg(long = "lock-wait-ms", env = "LOCK_WAIT_MS", default_value = "5000",
          value_name = "MS", value_parser = millis)]
    pub lock_wait: Duration,

    /// Whole time of a request in milliseconds; after it the outcome is unknown and the
    /// buyer is told to retry with the same key
    #[arg(long = "request-timeout-ms", env = "REQUEST_TIMEOUT_MS", default_value = "30000",
          value_name = "MS", value_parser = millis)]
    pub request_timeout: Duration,

    /// Wait for the head of a request in milliseconds, again for its body, and for a client
    /// that takes nothing of its answers
    #[arg(long = "client-wait-ms", env = "CLIENT_WAIT_MS", default_value = "5000",
          value_name = "MS", value_parser = millis)]
    pub client_wait: Duration,

    /// Wait for the stores and for a migration at start in milliseconds
    #[arg(long = "start-wait-ms", env = "START_WAIT_MS", default_value = "10000",
          value_name = "MS", global = true, value_parser = millis)]
    pub start_wait: Duration,

    /// After SIGTERM, how long /readyz is red before the listener closes, in milliseconds:
    /// by default longer than a proxy that asks every two seconds takes to believe the
    /// third answer; Ctrl-C does not wait
    #[arg(long = "drain-delay-ms", env = "DRAIN_DELAY_MS", default_value = "7000",
          value_name = "MS", value_parser = millis_or_none)]
    pub drain_delay: Duration,

    /// Wait for requests in flight at the end in milliseconds
    #[arg(long = "drain-wait-ms", env = "DRAIN_WAIT_MS", default_value = "30000",
          value_name = "MS", value_parser = millis)]
    pub drain_wait: Duration,

    /// Threads that serve connections, 25,000 each at most [default: one per core]
    #[arg(long, env = "WORKERS", value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,

    /// Show the page /docs/ elsewhere than on loopback, too
    #[arg(long, env = "DOCS")]
    pub docs: bool,

    /// Let the private stores listen on loopback TCP too, for graphical clients
    #[arg(long, env = "SANDBOX_TCP")]
    pub sandbox_tcp: bool,

    /// How log lines look; RUST_LOG sets how many there are, NO_COLOR leaves colors out
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty,
          global = true)]
    pub log_format: LogFormat,
}

impl Settings {
    /// Threads that serve connections.
    #[must_use]
    pub fn workers(&self) -> usize {
        let cores = || available_parallelism().map_or(2, usize::from);
        self.workers.map_or_else(cores, usize::from)
    }
}

/// Parses what is likely to come from a file, with a newline at its end.
fn trimmed(text: &str) -> Result<String, Infallible> {
    Ok(text.trim().to_owned())
}

/// Parses what keys begin with; braces would decide which node of a cluster has them.
fn prefix(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":._-".contains(c);
    if text.len() > 64 || !text.chars().all(fits) {
        return Err("give at most 64 letters, digits and : . _ -".to_owned());
    }
    Ok(text.to_owned())
}

/// The longest wait that can be asked for: ten minutes.
const MAX_WAIT_MS: u64 = 600_000;

/// Parses a wait of the command line.
fn millis(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms) if (1..=MAX_WAIT_MS).contains(&ms) => Ok(Duration::from_millis(ms)),
        _ => Err(format!("give 1 to {MAX_WAIT_MS} milliseconds")),
    }
}

/// Parses a wait that there need not be.
fn millis_or_none(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms) if ms <= MAX_WAIT_MS => Ok(Duration::from_millis(ms)),
        _ => Err(format!("give 0 to {MAX_WAIT_MS} milliseconds")),
    }
}

/// What `--help` says last.
pub const EXAMPLES: &str = "\
Examples:
  server --strategy engine                      private stores, nothing to set up
  server --strategy pessimistic --listen 127.0.0.1:0
  ADMIN_TOKEN=… server --strategy engine --listen 0.0.0.0:8080 \\
      --database-url postgres://shop@db/shop --redis-url redis://cache:6379
  server migrate --database-url postgres://owner@db/shop

URLs of PostgreSQL, as libpq documents them (docs/OPERATIONS.md has the details):
  postgres://user:password@host:port/database     or postgresql://…
  postgres://user@host1,host2:port2/database      whichever is the primary
  postgres://user@%2Frun%2Fpostgresql/database    or ///database?host=/run/postgresql
  host=db port=5432 dbname=shop user=shop password='…'
  ?sslmode=disable|prefer|require|verify-ca|verify-full  &sslrootcert=FILE|system
  &sslcert=FILE&sslkey=FILE  &channel_binding=require  &sslnegotiation=direct
  &connect_timeout=S  &tcp_user_timeout=MS  &keepalives_idle=S  &application_name=NAME
  PgBouncer: pool_mode = session

Try it:
  curl -X PUT localhost:8080/v1/skus/tee -H 'content-type: application/json' \\
      -d '{\"initial_units\":100}'
  curl localhost:8080/v1/skus/tee/orders -H 'content-type: application/json' \\
      -H 'idempotency-key: k1' -d '{\"buyer_id\":\"ann\",\"units\":1}'

Watch it:
  http://localhost:8080/docs/      every call, to read and to try (loopback, or --docs)
  http://localhost:8080/metrics    for Prometheus

Redis (--redis-url):
  redis://[user:password@]host[:6379][/db]    one; over TLS: rediss://
  redis+unix:///path[?db=n&user=u&pass=p]     one, by its socket; also unix://
  redis-cluster://[user:password@]host[:6379],host…              some nodes of a cluster
  redis-sentinel://[user:password@]host[:26379],host…[/db]#name  the primary of that name,
      also after a fail-over; ?sentinel_user=u&sentinel_password=p where sentinels want one
  rediss-cluster:// and rediss-sentinel:// are these over TLS. Certificates and host names
  are always checked, against the system's authorities (SSL_CERT_FILE sets others) or
  ?sslrootcert=file. Hybrid speaks with one Redis, and does not know sslrootcert.

Bounds without a flag:
  as many connections as the limit of open files allows beside the stores (ulimit -n);
  4,096 that wait to be accepted; 4,096 bytes of a body
  of hybrid: 250 ms for Redis, to connect and to answer
  of the engine: 250 ms for Redis to connect (2 s with TLS, a cluster or sentinels; no buyer
  waits for it), and again to answer; 10 ms for requests that
  gather for a transaction; 10,000 SKUs known to be sold out, 100,000 fences, 1,000 SKUs
  whose gates are compared

Exit codes: 0 ended as asked, 1 error, 2 usage, 69 a needed program is missing";
