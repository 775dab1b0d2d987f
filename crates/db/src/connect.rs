//! The one way to PostgreSQL: for pools, lanes, the listener, migrations and the lab.
//!
//! A connection leads to a primary, and has the settings that decide what a statement
//! means: roles and databases may have others. Every address has its own time, and one that
//! keeps silent does not keep the next one waiting.
//!
//! # Cancel safety
//!
//! A future that is dropped leaves no connection open; [`risks`] only reads.

use std::time::Duration;

use diesel::dsl::sql;
use diesel::sql_types::Text as SqlText;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::DbError;
use crate::tls::Tls;
use crate::url::Target;

/// How long opening one connection may take, where the URL has no `connect_timeout`. Local
/// ones take milliseconds; a server that accepts and then says nothing must not hold buyers
/// for long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an address is tried alone. A round trip around the world takes less.
///
/// # Source
///
/// RFC 8305, section 5: "Connection Attempt Delay", 250 ms.
const HEAD_START: Duration = Duration::from_millis(250);

/// How long a machine may be gone before a connection to it ends, where the URL has no
/// `tcp_user_timeout`: the default of the system is a quarter of an hour, and for an idle
/// connection two hours.
const LOSS_LIMIT: Duration = Duration::from_secs(10);

/// What PostgreSQL speaks to a client over: as it is, or in TLS.
pub type Wire = tokio_postgres::Connection<
    Socket,
    <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream,
>;

/// Opens a connection.
///
/// # Errors
///
/// [`DbError::Connect`], [`DbError::Silent`] or [`DbError::Standby`] says why there is none.
pub async fn connect(url: &str) -> Result<AsyncPgConnection, DbError> {
    connect_bounded(url, Duration::ZERO).await
}

/// Opens a connection as [`connect`] does, whose statements wait for a row for `lock_wait`
/// at most. A transaction on it whose owner stops for 10 s is ended by PostgreSQL, so that no
/// row stays locked for ever. Zero is no bound.
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_bounded(
    url: &str,
    lock_wait: Duration,
) -> Result<AsyncPgConnection, DbError> {
    let (client, wire) = open(url, lock_wait).await?;
    let preparing = AsyncPgConnection::try_from_client_and_connection(client, wire);
    let prepared = tokio::time::timeout(CONNECT_TIMEOUT, preparing).await;
    Ok(prepared.map_err(|_elapsed| DbError::Silent)??)
}

/// Opens a connection for who drives it: it does nothing until its [`Wire`] is polled.
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_driven(url: &str) -> Result<(Client, Wire), DbError> {
    open(url, Duration::ZERO).await
}

/// How to speak to whoever is found at an address.
struct Way {
    tls: Tls,
    connector: MakeRustlsConnect,
    /// What is said first to a primary; its last answer tells whether it is one.
    greeting: Option<String>,
}

/// Opens a connection as [`connect_driven`] does, to a standby, too, and leaves all settings
/// as they are: for who asks what there is, not for who sells.
///
/// # Errors
///
/// As [`connect`], without [`DbError::Standby`].
pub async fn connect_anywhere(url: &str) -> Result<(Client, Wire), DbError> {
    greet(url, None).await
}

async fn open(url: &str, lock_wait: Duration) -> Result<(Client, Wire), DbError> {
    greet(url, Some(settings(lock_wait))).await
}

/// Tries all that the URL names in its order until one is what is wanted.
async fn greet(url: &str, greeting: Option<String>) -> Result<(Client, Wire), DbError> {
    let Target { config, tls } = url.parse()?;
    let way = Way {
        connector: tls.connector()?,
        tls,
        greeting,
    };
    let (hosts, numbers) = (config.get_hosts(), config.get_hostaddrs());
    let places = 0..hosts.len().max(numbers.len());
    first(places.map(|index| open_place(&config, index, &way))).await
}

/// Makes attempts one after the other, each with a head start before the next, until one
/// succeeds.
async fn first<A>(attempts: impl Iterator<Item = A>) -> Result<(Client, Wire), DbError>
where
    A: Future<Output = Result<(Client, Wire), DbError>>,
{
    let mut attempts = attempts.fuse();
    let mut trying = FuturesUnordered::new();
    let mut failure = None;
    loop {
        let next = attempts.next();
        let is_last = next.is_none();
        trying.extend(next);
        let ended = if is_last {
            trying.next().await
        } else {
            let ended = tokio::time::timeout(HEAD_START, trying.next()).await;
            let Ok(ended) = ended else { continue };
            ended
        };
        match ended {
            Some(Ok(opened)) => return Ok(opened),
            // What PostgreSQL says itself tells more than that nobody answers.
            Some(Err(error)) if error.tells_more_than(failure.as_ref()) => {
                failure = Some(error);
            }
            None if is_last => return Err(failure.unwrap_or(DbError::NoAddress)),
            Some(Err(_)) | None => {}
        }
    }
}

/// Tries the addresses of one of the places that a URL names.
async fn open_place(
    config: &Config,
    index: usize,
    way: &Way,
) -> Result<(Client, Wire), DbError> {
    let limit = config.get_connect_timeout().copied();
    let limit = limit.unwrap_or(CONNECT_TIMEOUT);
    let looking = tokio::time::timeout(limit, addresses(config, index, &way.tls)).await;
    let addresses = looking.unwrap_or(Err(DbError::Silent))?;
    let attempts = addresses.into_iter().map(async |address| {
        let opening = tokio::time::timeout(limit, open_one(address, way));
        opening.await.unwrap_or(Err(DbError::Silent))
    });
    first(attempts).await
}

async fn open_one(mut address: Config, way: &Way) -> Result<(Client, Wire), DbError> {
    match speak(&address, way).await {
        // What is only preferred is given up where it does not work, as libpq does.
        Err(error)
            if address.get_ssl_mode() == SslMode::Prefer && error.is_refusal() =>
        {
            address.ssl_mode(SslMode::Disable);
            speak(&address, way).await.or(Err(error))
        }
        spoken => spoken,
    }
}

async fn speak(address: &Config, way: &Way) -> Result<(Client, Wire), DbError> {
    let connected = address.connect(way.connector.clone()).await;
    let (client, mut wire) = connected.map_err(|error| {
        let host = match address.get_hosts().first() {
            Some(Host::Tcp(name)) => name,
            _ => "this host",
        };
        let explained = way.tls.explain(&error, host);
        explained.map_or(DbError::Connect(error), DbError::Tls)
    })?;
    let Some(greeting) = &way.greeting else {
        return Ok((client, wire));
    };
    let answers = tokio::select! {
        answers = client.simple_query(greeting) => answers.map_err(DbError::Connect)?,
        ended = &mut wire => {
            ended.map_err(DbError::Connect)?;
            return Err(DbError::Silent);
        }
    };
    let in_recovery = answers.iter().rev().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    if in_recovery == Some("f") {
        Ok((client, wire))
    } else {
        Err(DbError::Standby)
    }
}

/// Sets what we rely on, whatever role, database and server have, as far as this version of
/// PostgreSQL knows it; then asks whether this is a standby. A commit that is to wait for
/// even more than the local disk (`remote_apply`) may.
fn settings(lock_wait: Duration) -> String {
    let idle_wait = if lock_wait.is_zero() { "0" } else { "10s" };
    format!(
        "SELECT set_config(name, value, false)
           FROM (VALUES ('default_transaction_isolation', 'read committed'),
                        ('default_transaction_read_only', 'off'),
                        ('synchronous_commit', 'on'),
                        ('statement_timeout', '0'),
                        ('transaction_timeout', '0'),
                        ('idle_session_timeout', '0'),
                        ('idle_in_transaction_session_timeout', '{idle_wait}'),
                        ('lock_timeout', '{}')) AS ours (name, value)
          WHERE current_setting(name, true) <> 'remote_apply';
         SELECT pg_is_in_recovery()",
        lock_wait.as_millis()
    )
}

/// Names the settings of the server that endanger what was committed and that nobody can set
/// for a connection.
///
/// # Errors
///
/// [`DbError::Query`].
pub async fn risks(conn: &mut AsyncPgConnection) -> Result<Vec<&'static str>, DbError> {
    let mut risks = Vec::new();
    for setting in ["fsync", "full_page_writes"] {
        let value = sql::<SqlText>("current_setting(").bind::<SqlText, _>(setting);
        let value: String = diesel::select(value.sql(")")).get_result(conn).await?;
        if value == "off" {
            risks.push(setting);
        }
    }
    Ok(risks)
}

/// The addresses of a place: of a name there may be several.
async fn addresses(
    config: &Config,
    index: usize,
    tls: &Tls,
) -> Result<Vec<Config>, DbError> {
    let mut one = like(config);
    one.ssl_mode(tls.ssl_mode());
    let port = port(config, index);
    one.port(port);
    let number = config.get_hostaddrs().get(index);
    let name = match config.get_hosts().get(index) {
        #[cfg(unix)]
        Some(Host::Unix(directory)) => {
            // Nobody is between us.
            one.host_path(directory).ssl_mode(SslMode::Disable);
            return Ok(vec![one]);
        }
        Some(Host::Tcp(name)) => {
            one.host(name);
            Some(name.as_str())
        }
        None => None,
    };
    if let Some(number) = number {
        if name.is_none() {
            // A certificate can be for a number, too.
            one.host(number.to_string());
        }
        one.hostaddr(*number);
        return Ok(vec![one]);
    }
    let found = tokio::net::lookup_host((name.unwrap_or_default(), port)).await;
    let found = found.map_err(|_unknown| DbError::NoAddress)?;
    Ok(found
        .map(|address| {
            let mut one = one.clone();
            one.hostaddr(address.ip());
            one
        })
        .collect())
}

fn port(config: &Config, index: usize) -> u16 {
    let ports = config.get_ports();
    *ports.get(index).or(ports.first()).unwrap_or(&5432)
}

/// The same without its addresses. What the URL leaves open is set so that a connection to a
/// machine that is gone ends within [`LOSS_LIMIT`].
fn like(config: &Config) -> Config {
    let idle = config.get_keepalives_idle();
    let interval = config.get_keepalives_interval();
    let mut one = Config::new();
    one.ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding())
        .keepalives(config.get_keepalives())
        .keepalives_idle(idle.min(LOSS_LIMIT / 2))
        .keepalives_interval(interval.unwrap_or(LOSS_LIMIT / 10))
        .keepalives_retries(config.get_keepalives_retries().unwrap_or(5))
        .tcp_user_timeout(*config.get_tcp_user_timeout().unwrap_or(&LOSS_LIMIT));
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(dbname) = config.get_dbname() {
        one.dbname(dbname);
    }
    if let Some(options) = config.get_options() {
        one.options(options);
    }
    if let Some(name) = config.get_application_name() {
        one.application_name(name);
    }
    one
}

/// Tells where a connection URL leads, without the secrets that it may hold.
#[must_use]
pub fn address(url: &str) -> String {
    let config = url.parse().map_or(Config::new(), |it: Target| it.config);
    let names = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(directory) => directory.display().to_string(),
    });
    let numbers = config.get_hostaddrs().iter().skip(names.len());
    let hosts = names.chain(numbers.map(ToString::to_string)).enumerate();
    let places: Vec<_> = hosts
        .map(|(index, host)| format!("{host}:{}", port(&config, index)))
        .collect();
    if places.is_empty() {
        return "an unknown address".to_owned();
    }
    places.join(", ")
}
