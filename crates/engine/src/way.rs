//! The ways to Redis: what a URL can say, and the connection that it leads to.
//!
//! | URL | leads to |
//! |---|---|
//! | `redis://[USER:PASSWORD@]HOST[:PORT][/DB]` | one Redis |
//! | `redis+unix:///PATH[?db=DB&user=USER&pass=PASSWORD]`, `unix://…` | one Redis, by its socket |
//! | `redis-cluster://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…` | a Redis Cluster, by some of its nodes |
//! | `redis-sentinel://[USER:PASSWORD@]HOST[:PORT],…[/DB]#NAME` | the primary that sentinels call NAME |
//!
//! `rediss://`, `rediss-cluster://`, `rediss-sentinel://` are the same over TLS, where
//! `?sslrootcert=FILE` names the authorities to trust instead of the system's. Certificates
//! and host names are always checked. Sentinels that want a password of their own get
//! `?sentinel_user=USER&sentinel_password=PASSWORD`.
//!
//! # Source
//!
//! The list of sentinels with `#NAME` is that of Lettuce's `RedisURI`; `sslrootcert` is that
//! of libpq.

use std::collections::HashMap;
use std::time::Duration;
use std::{fs, io};

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, RedisConnectionInfo,
    RedisError, RedisResult, ServerErrorKind, TlsCertificates, TlsMode, Value, cmd,
    from_redis_value, parse_redis_url,
};
use tokio::sync::Mutex;

/// How long it may take to open a connection that takes more than one round trip: TLS, asking
/// sentinels, asking a cluster who has what.
pub(crate) const OPENING: Duration = Duration::from_secs(2);

/// How long one node of a cluster may take to let us in; with one that is lost the others are
/// found well within [`OPENING`].
const NODE: Duration = Duration::from_millis(500);

/// Hash tags that spread over the slots of a cluster, one in each of sixteen equal parts: a
/// node with an eighth of the slots in one piece has one of them.
const SPREAD: [u8; 16] = [
    18, 3, 61, 58, 19, 2, 60, 141, 106, 1, 67, 49, 107, 0, 66, 48,
];

/// Where Redis is, and how it is run.
pub(crate) struct Way {
    /// What the URL names, each as a Redis of its own.
    nodes: Vec<Client>,
    run_as: RunAs,
}

enum RunAs {
    One,
    Cluster(Box<ClusterClient>),
    Sentinel(Box<Mutex<SentinelClient>>),
}

/// A connection that all who have it share.
#[derive(Clone)]
pub(crate) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Way {
    /// Reads a URL, and the file of the authorities that it names.
    ///
    /// # Errors
    ///
    /// One sentence, without the URL.
    pub(crate) fn new(url: &str) -> RedisResult<Self> {
        let (run_as, name, urls) = split(url)?;
        let parameters = parameters(&urls[0]);
        let certificates = certificates(&urls[0], parameters.get("sslrootcert"))?;
        let node = |url: &String| match &certificates {
            Some(it) => Client::build_with_tls(&**url, it.clone()),
            None => Client::open(&**url),
        };
        let nodes: Vec<_> = urls.iter().map(node).collect::<RedisResult<_>>()?;
        let infos = nodes.iter().map(|it| it.get_connection_info().clone());
        let settings = nodes[0].get_connection_info().redis_settings();
        let run_as = match run_as {
            "cluster" if settings.db() != 0 || !name.is_empty() => {
                return Err(refuse("a Redis Cluster has neither /DB nor #NAME"));
            }
            "cluster" => {
                // What is sent twice may be done twice: who asks decides what a failure
                // means.
                let mut builder = ClusterClient::builder(infos).retries(0);
                builder = builder.connection_timeout(NODE);
                if let Some(certificates) = certificates {
                    builder = builder.certs(certificates);
                }
                RunAs::Cluster(Box::new(builder.build()?))
            }
            "sentinel" if name.is_empty() => {
                return Err(refuse(
                    "the name of the primary is missing: \
                     redis-sentinel://HOST:26379,HOST:26379/0#NAME",
                ));
            }
            "sentinel" => {
                let sentinels = infos.map(|it| it.addr().clone());
                let client =
                    sentinel(sentinels, name, settings, &parameters, certificates)?;
                RunAs::Sentinel(Box::new(client.into()))
            }
            _ => RunAs::One,
        };
        Ok(Self { nodes, run_as })
    }

    /// Hosts and ports, or the path of a socket, for messages.
    pub(crate) fn address(&self) -> String {
        let addresses = self.nodes.iter().map(|node| address(node).to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Keys of nobody's gates: in a cluster on each of its nodes.
    pub(crate) fn probe_keys(&self, prefix: &str) -> Vec<String> {
        let tagged = |tag| format!("{prefix}probe:{{{tag}}}");
        match self.run_as {
            RunAs::Cluster(_) => SPREAD.map(tagged).into(),
            _ => vec![format!("{prefix}probe")],
        }
    }

    /// Opens a connection, and says so where something else than was meant is there.
    pub(crate) async fn open(&self, patience: Duration) -> RedisResult<Connection> {
        match &self.run_as {
            RunAs::One => open_one(&self.nodes[0], patience).await,
            RunAs::Cluster(client) => match client.get_async_connection().await {
                Ok(open) => Ok(Connection::Cluster(open)),
                Err(error) => Err(self.no_cluster(patience).await.unwrap_or(error)),
            },
            RunAs::Sentinel(client) => {
                let (mut client, config) =
                    (client.lock().await, config(patience, OPENING));
                let opened = client.get_async_connection_with_config(&config).await;
                opened.map(Connection::One)
            }
        }
    }

    /// What the nodes say that should be a cluster's; none where they are.
    async fn no_cluster(&self, patience: Duration) -> Option<RedisError> {
        let mut last = None;
        for node in &self.nodes {
            match reach(node, config(patience, NODE)).await {
                Ok((_, mode)) if ["cluster", ""].contains(&&*mode) => return None,
                Ok((_, mode)) => {
                    let (address, form) = (address(node), form(node, &mode));
                    return Some(refuse(&format!(
                        "{address} is no node of a Redis Cluster: give {form}"
                    )));
                }
                Err(error) => last = Some(error),
            }
        }
        last
    }

    /// Why Redis cannot be used, and what to do about it, in one sentence without a secret.
    pub(crate) fn why(&self, error: &RedisError) -> String {
        let is_sentinel = matches!(self.run_as, RunAs::Sentinel(_));
        let why = match error.kind() {
            ErrorKind::AuthenticationFailed => {
                "it refuses the user or the password of the URL"
            }
            ErrorKind::MasterNameNotFoundBySentinel => {
                "the sentinels know no primary by the #NAME of the URL that is up"
            }
            ErrorKind::InvalidClientConfig if is_sentinel => {
                "no sentinel is there: give the addresses of sentinels \
                 (redis-sentinel://HOST:26379/0#NAME), or redis://HOST:PORT for one Redis"
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                "it is a replica, which takes no writes: give its primary, or \
                 redis-sentinel://HOST:26379/0#NAME to follow it"
            }
            ErrorKind::Server(ServerErrorKind::NoPerm) => {
                let told = error.detail().unwrap_or("NOPERM");
                return format!(
                    "{told}; its user needs +evalsha +script|load +hget +hmget +hset +del \
                     on the keys of --redis-prefix"
                );
            }
            _ if error.code() == Some("NOAUTH") && is_sentinel => {
                "it wants a password: USER:PASSWORD@ is for the primary, \
                 ?sentinel_password=PASSWORD for the sentinels"
            }
            _ if error.code() == Some("NOAUTH") => {
                "it wants a password: give USER:PASSWORD@ before the host"
            }
            _ => return error.to_string(),
        };
        why.to_owned()
    }
}

/// Takes a URL apart: `cluster`, `sentinel` or nothing; the name of the primary; and for each
/// host a URL that Redis' own client reads.
fn split(url: &str) -> RedisResult<(&str, &str, Vec<String>)> {
    if url.ends_with("#insecure") {
        return Err(refuse(
            "certificates are always checked: leave #insecure out, and give \
             ?sslrootcert=FILE for an authority of your own",
        ));
    }
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (scheme, run_as, port) = match scheme.split_once('-') {
        Some((scheme @ ("redis" | "rediss"), "cluster")) => (scheme, "cluster", ""),
        Some((scheme @ ("redis" | "rediss"), "sentinel")) => {
            (scheme, "sentinel", ":26379")
        }
        _ => (scheme, "", ""),
    };
    let is_list = !run_as.is_empty();
    let (rest, name) = match rest.split_once('#') {
        Some(named) if is_list => named,
        _ => (rest, ""),
    };
    let (place, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = place.split_at(place.rfind('@').map_or(0, |at| at + 1));
    let database = tail.split('?').next().unwrap_or_default();
    if is_list && !database.chars().all(|it| it == '/' || it.is_ascii_digit()) {
        return Err(refuse("the /DB of the URL is no number"));
    }
    if !is_list && hosts.contains(',') {
        return Err(refuse(
            "several hosts are redis-cluster://HOST:PORT,HOST:PORT or \
             redis-sentinel://HOST:26379,HOST:26379/0#NAME",
        ));
    }
    let urls = hosts.split(',').map(|host| {
        // An IPv6 address has colons of its own.
        let has_port = host.rsplit(']').next().is_some_and(|it| it.contains(':'));
        let port = if has_port { "" } else { port };
        format!("{scheme}://{user}{host}{port}{tail}")
    });
    Ok((run_as, name, urls.collect()))
}

/// The parameters of a URL, decoded.
fn parameters(url: &str) -> HashMap<String, String> {
    let url = parse_redis_url(url);
    url.map_or_else(HashMap::new, |it| it.query_pairs().into_owned().collect())
}

/// Whom to trust, over TLS: where no file says it, the authorities that the system knows.
fn certificates(
    url: &str,
    file: Option<&String>,
) -> RedisResult<Option<TlsCertificates>> {
    let is_tls = url.starts_with("rediss:");
    let read = |file: &String| {
        if !is_tls {
            return Err(refuse("sslrootcert is for a URL that begins with rediss"));
        }
        fs::read(file).map_err(|error| refuse(&format!("sslrootcert, {file}: {error}")))
    };
    let root_cert = file.map(read).transpose()?;
    let client_tls = None;
    Ok(is_tls.then_some(TlsCertificates {
        client_tls,
        root_cert,
    }))
}

fn sentinel(
    sentinels: impl Iterator<Item = ConnectionAddr>,
    name: &str,
    primary: &RedisConnectionInfo,
    parameters: &HashMap<String, String>,
    certificates: Option<TlsCertificates>,
) -> RedisResult<SentinelClient> {
    let mut builder =
        SentinelClientBuilder::new(sentinels, name, SentinelServerType::Master)?
            .set_client_to_redis_db(primary.db());
    if let Some(user) = primary.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = primary.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(user) = parameters.get("sentinel_user") {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = parameters.get("sentinel_password") {
        builder = builder.set_client_to_sentinel_password(password);
    }
    if let Some(certificates) = certificates {
        // The addresses of the sentinels have them already.
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates);
    }
    builder.build()
}

/// Opens a connection to one node, as it stands for itself, and asks how it is run:
/// `standalone`, `cluster` or `sentinel`; empty where it does not say so, to this user or at
/// all.
///
/// # Source
///
/// Redis 7 manual, HELLO: without arguments it changes nothing.
async fn reach(
    node: &Client,
    config: AsyncConnectionConfig,
) -> RedisResult<(MultiplexedConnection, String)> {
    let info = node.get_connection_info().clone();
    // What is no plain Redis may know no database, and could not say what it is.
    let settings = info.redis_settings().clone().set_db(0);
    let node = Client::open(info.set_redis_settings(settings))?;
    let connecting = node.get_multiplexed_async_connection_with_config(&config);
    let mut conn = connecting.await?;
    let told: RedisResult<HashMap<String, Value>> =
        cmd("HELLO").query_async(&mut conn).await;
    let mode = match told {
        Ok(mut told) => told.remove("mode").and_then(|it| from_redis_value(it).ok()),
        Err(error) if error.is_io_error() => return Err(error),
        Err(_) => None,
    };
    Ok((conn, mode.unwrap_or_default()))
}

async fn open_one(node: &Client, patience: Duration) -> RedisResult<Connection> {
    let info = node.get_connection_info();
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let opening = if is_tls { OPENING } else { patience };
    let (mut conn, mode) = reach(node, config(patience, opening)).await?;
    let form = form(node, &mode);
    match &*mode {
        "cluster" => Err(refuse(&format!(
            "it is a node of a Redis Cluster: give {form}, with more nodes after commas"
        ))),
        "sentinel" => Err(refuse(&format!(
            "it is a sentinel: give {form} with the name of the primary"
        ))),
        _ => {
            if info.redis_settings().db() != 0 {
                let mut select = cmd("SELECT");
                let select = select.arg(info.redis_settings().db());
                select.exec_async(&mut conn).await?;
            }
            Ok(Connection::One(conn))
        }
    }
}

/// How a URL begins that leads to a node that is run so.
fn form(node: &Client, mode: &str) -> String {
    let address = address(node);
    let scheme = match address {
        ConnectionAddr::TcpTls { .. } => "rediss",
        _ => "redis",
    };
    match mode {
        "cluster" => format!("{scheme}-cluster://{address}"),
        "sentinel" => format!("{scheme}-sentinel://{address}/0#NAME"),
        _ => format!("{scheme}://{address}"),
    }
}

fn address(node: &Client) -> &ConnectionAddr {
    node.get_connection_info().addr()
}

fn config(patience: Duration, opening: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(opening))
        .set_response_timeout(Some(patience))
}

/// An error that is one sentence.
fn refuse(why: &str) -> RedisError {
    io::Error::other(why.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_passwords_are_decoded() {
        let url = "redis-sentinel://u:p%40@a/3?sentinel_password=q%23#shop";
        let way = Way::new(url).unwrap();
        let redis = way.nodes[0].get_connection_info().redis_settings();
        let user = (redis.username(), redis.password());
        assert_eq!((user, redis.db()), ((Some("u"), Some("p@")), 3));
        let (_, name, urls) = split(url).unwrap();
        assert_eq!(
            (name, &*parameters(&urls[0])["sentinel_password"]),
            ("shop", "q#")
        );
    }
}
