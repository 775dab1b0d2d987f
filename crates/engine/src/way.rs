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

use deadpool_redis::redis::aio::{ConnectionLike, MultiplexedConnection};
use deadpool_redis::redis::cluster::ClusterClient;
use deadpool_redis::redis::cluster_async::ClusterConnection;
use deadpool_redis::redis::sentinel::{
    SentinelClient, SentinelClientBuilder, SentinelServerType,
};
use deadpool_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, RedisError, RedisResult, ServerErrorKind, TlsCertificates,
    TlsMode, Value, cmd, parse_redis_url,
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
pub(crate) enum Way {
    One(Box<Client>),
    Cluster(Box<ClusterClient>, Vec<Client>),
    Sentinel(Box<Mutex<SentinelClient>>, Vec<Client>),
}

/// A connection that all who have it share.
#[derive(Clone)]
pub(crate) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What stands in a URL that lists several hosts.
struct List<'a> {
    is_tls: bool,
    credentials: &'a str,
    hosts: Vec<&'a str>,
    database: i64,
    parameters: HashMap<String, String>,
    name: &'a str,
}

impl Way {
    /// Reads a URL, and the file of the authorities that it names.
    ///
    /// # Errors
    ///
    /// One sentence, without the URL.
    pub(crate) fn new(url: &str) -> RedisResult<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        if url.ends_with("#insecure") {
            return Err(refuse(
                "certificates are always checked: leave #insecure out, and give \
                 ?sslrootcert=FILE for an authority of your own",
            ));
        }
        match scheme {
            "redis-cluster" | "rediss-cluster" => {
                let list = List::read(url)?;
                if list.database != 0 || !list.name.is_empty() {
                    return Err(refuse("a Redis Cluster has neither /DB nor #NAME"));
                }
                Self::cluster(&list)
            }
            "redis-sentinel" | "rediss-sentinel" => {
                let list = List::read(url)?;
                if list.name.is_empty() {
                    return Err(refuse(
                        "the name of the primary is missing: \
                         redis-sentinel://HOST:26379,HOST:26379/0#NAME",
                    ));
                }
                Self::sentinel(&list)
            }
            "redis" | "rediss"
                if rest.split(['/', '?']).next().is_some_and(is_list) =>
            {
                Err(refuse(
                    "several hosts are redis-cluster://HOST:PORT,HOST:PORT or \
                     redis-sentinel://HOST:26379,HOST:26379/0#NAME",
                ))
            }
            _ => {
                let node = url.into_connection_info()?;
                let roots = roots(scheme == "rediss", &parameters(url))?;
                let client = clients(vec![node], roots.as_ref())?.swap_remove(0);
                Ok(Self::One(Box::new(client)))
            }
        }
    }

    fn cluster(list: &List<'_>) -> RedisResult<Self> {
        let nodes = list.nodes(6379, list.credentials)?;
        let mut builder = ClusterClient::builder(nodes.clone())
            // What is sent twice may be done twice: who asks decides what a failure means.
            .retries(0)
            .connection_timeout(NODE);
        let roots = roots(list.is_tls, &list.parameters)?;
        if let Some(roots) = roots.clone() {
            builder = builder.certs(roots);
        }
        let clients = clients(nodes, roots.as_ref())?;
        Ok(Self::Cluster(Box::new(builder.build()?), clients))
    }

    fn sentinel(list: &List<'_>) -> RedisResult<Self> {
        let sentinels = list.nodes(26_379, "")?;
        let one = list.nodes(26_379, list.credentials)?.swap_remove(0);
        let redis = one.redis_settings();
        let mut builder = SentinelClientBuilder::new(
            sentinels.iter().map(|it| it.addr().clone()),
            list.name,
            SentinelServerType::Master,
        )?
        .set_client_to_redis_db(list.database);
        if let Some(user) = redis.username() {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = redis.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(user) = list.parameters.get("sentinel_user") {
            builder = builder.set_client_to_sentinel_username(user);
        }
        if let Some(password) = list.parameters.get("sentinel_password") {
            builder = builder.set_client_to_sentinel_password(password);
        }
        let roots = roots(list.is_tls, &list.parameters)?;
        if list.is_tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(roots) = roots.clone() {
            builder = builder
                .set_client_to_redis_certificates(roots.clone())
                .set_client_to_sentinel_certificates(roots);
        }
        let clients = clients(sentinels, roots.as_ref())?;
        Ok(Self::Sentinel(
            Box::new(Mutex::new(builder.build()?)),
            clients,
        ))
    }

    /// Hosts and ports, or the path of a socket, for messages.
    pub(crate) fn address(&self) -> String {
        let clients = match self {
            Self::One(client) => std::slice::from_ref(&**client),
            Self::Cluster(_, clients) | Self::Sentinel(_, clients) => clients,
        };
        let addresses = clients.iter().map(address);
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Keys of nobody's gates: in a cluster on each of its nodes.
    pub(crate) fn probe_keys(&self, prefix: &str) -> Vec<String> {
        match self {
            Self::Cluster(..) => SPREAD
                .iter()
                .map(|tag| format!("{prefix}probe:{{{tag}}}"))
                .collect(),
            _ => vec![format!("{prefix}probe")],
        }
    }

    /// Opens a connection, and says so where something else than was meant is there.
    pub(crate) async fn open(&self, patience: Duration) -> RedisResult<Connection> {
        match self {
            Self::One(client) => open_one(client, patience).await.map(Connection::One),
            Self::Cluster(client, nodes) => match client.get_async_connection().await {
                Ok(open) => Ok(Connection::Cluster(open)),
                Err(error) => Err(no_cluster(nodes, patience).await.unwrap_or(error)),
            },
            Self::Sentinel(client, _) => {
                let config = config(patience, OPENING);
                let mut client = client.lock().await;
                let opened = client.get_async_connection_with_config(&config).await;
                opened.map(Connection::One)
            }
        }
    }

    /// Why Redis cannot be used, and what to do about it, in one sentence without a secret.
    pub(crate) fn why(&self, error: &RedisError) -> String {
        let is_sentinel = matches!(self, Self::Sentinel(..));
        match error.kind() {
            ErrorKind::AuthenticationFailed => {
                "it refuses the user or the password of the URL".to_owned()
            }
            ErrorKind::MasterNameNotFoundBySentinel => {
                "the sentinels know no primary by the #NAME of the URL that is up"
                    .to_owned()
            }
            ErrorKind::InvalidClientConfig if is_sentinel => {
                "no sentinel is there: give the addresses of sentinels \
                 (redis-sentinel://HOST:26379/0#NAME), or redis://HOST:PORT for one Redis"
                    .to_owned()
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => {
                "it is a replica, which takes no writes: give its primary, or \
                 redis-sentinel://HOST:26379/0#NAME to follow it"
                    .to_owned()
            }
            ErrorKind::Server(ServerErrorKind::NoPerm) => format!(
                "{}; its user needs +evalsha +script|load +hget +hmget +hset +del on the \
                 keys of --redis-prefix",
                error.detail().unwrap_or("NOPERM")
            ),
            _ if error.code() == Some("NOAUTH") && is_sentinel => {
                "it wants a password: USER:PASSWORD@ is for the primary, \
                 ?sentinel_password=PASSWORD for the sentinels"
                    .to_owned()
            }
            _ if error.code() == Some("NOAUTH") => {
                "it wants a password: give USER:PASSWORD@ before the host".to_owned()
            }
            _ => error.to_string(),
        }
    }
}

impl<'a> List<'a> {
    fn read(url: &'a str) -> RedisResult<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (rest, name) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = place.rsplit_once('@').unwrap_or(("", place));
        let database = match database {
            "" => 0,
            number => number
                .parse()
                .map_err(|_not_a_number| refuse("the /DB of the URL is no number"))?,
        };
        Ok(Self {
            is_tls: scheme.starts_with("rediss"),
            credentials,
            hosts: hosts.split(',').collect(),
            database,
            parameters: parameters(&format!("redis://any?{query}")),
            name,
        })
    }

    /// Each host as Redis' own client reads it.
    fn nodes(&self, port: u16, credentials: &str) -> RedisResult<Vec<ConnectionInfo>> {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        let at = if credentials.is_empty() { "" } else { "@" };
        let node = |host: &&str| {
            // An IPv6 address has colons of its own.
            let has_port = host.rsplit(']').next().is_some_and(|it| it.contains(':'));
            let port = if has_port {
                String::new()
            } else {
                format!(":{port}")
            };
            format!("{scheme}://{credentials}{at}{host}{port}").into_connection_info()
        };
        self.hosts.iter().map(node).collect()
    }
}

/// Opens a connection to one Redis that stands for itself.
async fn open_one(
    client: &Client,
    patience: Duration,
) -> RedisResult<MultiplexedConnection> {
    let info = client.get_connection_info();
    let redis = info.redis_settings().clone();
    let database = redis.db();
    // What is no plain Redis may know no database, and could not say what it is.
    let client = Client::open(info.clone().set_redis_settings(redis.set_db(0)))?;
    let opening = match info.addr() {
        ConnectionAddr::TcpTls { .. } => OPENING,
        _ => patience,
    };
    let config = config(patience, opening);
    let mut conn = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let (scheme, address) = (scheme(&client), address(&client));
    match mode(&mut conn).await?.as_deref() {
        Some("cluster") => Err(refuse(&format!(
            "it is a node of a Redis Cluster: give {scheme}-cluster://{address}, with more \
             nodes after commas"
        ))),
        Some("sentinel") => Err(refuse(&format!(
            "it is a sentinel: give {scheme}-sentinel://{address}/0#NAME with the name of \
             the primary"
        ))),
        _ => {
            if database != 0 {
                let mut select = cmd("SELECT");
                let () = select.arg(database).query_async(&mut conn).await?;
            }
            Ok(conn)
        }
    }
}

/// What the nodes say that should be a cluster's; none where they are.
async fn no_cluster(nodes: &[Client], patience: Duration) -> Option<RedisError> {
    let config = config(patience, NODE);
    let mut last = None;
    for node in nodes {
        let opened = node.get_multiplexed_async_connection_with_config(&config);
        let told = match opened.await {
            Ok(mut conn) => mode(&mut conn).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(Some(mode)) if mode != "cluster" => {
                let (scheme, address) = (scheme(node), address(node));
                let form = match mode.as_str() {
                    "sentinel" => format!("{scheme}-sentinel://{address}/0#NAME"),
                    _ => format!("{scheme}://{address}"),
                };
                return Some(refuse(&format!(
                    "{address} is no node of a Redis Cluster: give {form}"
                )));
            }
            Ok(_) => return None,
            Err(error) => last = Some(error),
        }
    }
    last
}

/// How a Redis is run: `standalone`, `cluster` or `sentinel`; none where it does not say so,
/// to this user or at all.
///
/// # Source
///
/// Redis 7 manual, HELLO: without arguments it changes nothing.
async fn mode(conn: &mut impl ConnectionLike) -> RedisResult<Option<String>> {
    let told: RedisResult<HashMap<String, Value>> =
        cmd("HELLO").query_async(conn).await;
    match told {
        Ok(told) => Ok(told.get("mode").and_then(|mode| match mode {
            Value::BulkString(mode) => String::from_utf8(mode.clone()).ok(),
            Value::SimpleString(mode) => Some(mode.clone()),
            _ => None,
        })),
        Err(error) if error.is_io_error() => Err(error),
        Err(_) => Ok(None),
    }
}

fn config(patience: Duration, opening: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(opening))
        .set_response_timeout(Some(patience))
}

fn is_list(place: &str) -> bool {
    place.rsplit('@').next().unwrap_or_default().contains(',')
}

/// The parameters of a URL, decoded.
fn parameters(url: &str) -> HashMap<String, String> {
    let url = parse_redis_url(url);
    url.map_or_else(HashMap::new, |it| it.query_pairs().into_owned().collect())
}

/// Whom to trust instead of the authorities that the system knows.
fn roots(
    is_tls: bool,
    parameters: &HashMap<String, String>,
) -> RedisResult<Option<TlsCertificates>> {
    let Some(path) = parameters.get("sslrootcert") else {
        return Ok(None);
    };
    if !is_tls {
        return Err(refuse("sslrootcert is for a URL that begins with rediss"));
    }
    let read = fs::read(path);
    let root_cert =
        read.map_err(|error| refuse(&format!("sslrootcert, {path}: {error}")))?;
    Ok(Some(TlsCertificates {
        client_tls: None,
        root_cert: Some(root_cert),
    }))
}

fn clients(
    nodes: Vec<ConnectionInfo>,
    roots: Option<&TlsCertificates>,
) -> RedisResult<Vec<Client>> {
    let client = |node: ConnectionInfo| match roots {
        Some(roots) => Client::build_with_tls(node, roots.clone()),
        None => Client::open(node),
    };
    nodes.into_iter().map(client).collect()
}

fn address(client: &Client) -> String {
    client.get_connection_info().addr().to_string()
}

fn scheme(client: &Client) -> &'static str {
    match client.get_connection_info().addr() {
        ConnectionAddr::TcpTls { .. } => "rediss",
        _ => "redis",
    }
}

/// An error that is one sentence.
fn refuse(why: &str) -> RedisError {
    io::Error::other(why.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (url, address) in [
            ("redis://:s3cret@127.0.0.1:1", "127.0.0.1:1"),
            ("redis://u:s3cret@cache/3", "cache:6379"),
            ("redis://[::1]", "::1:6379"),
            ("redis+unix:///run/r.sock?pass=s3cret", "/run/r.sock"),
            ("unix:///run/r.sock", "/run/r.sock"),
            (
                "redis-cluster://u:s3cret@a,b:7,[::1]",
                "a:6379,b:7,::1:6379",
            ),
            ("redis-sentinel://:s3cret@a,b:7/3#shop", "a:26379,b:7"),
        ] {
            assert_eq!(Way::new(url).unwrap().address(), address, "{url}");
        }
    }

    #[test]
    fn a_url_that_leads_nowhere_is_told_without_its_secrets() {
        for (url, word) in [
            ("redis://:s3cret@a,b", "redis-cluster://"),
            ("rediss://:s3cret@a/#insecure", "sslrootcert"),
            ("redis://:s3cret@a/?sslrootcert=/x", "rediss"),
            (
                "rediss-cluster://:s3cret@a?sslrootcert=/no/file",
                "/no/file",
            ),
            ("redis-cluster://:s3cret@a/1", "/DB"),
            ("redis-sentinel://:s3cret@a", "#NAME"),
            ("redis-sentinel://:s3cret@a/x#shop", "/DB"),
            ("redis-cluster://:s3cret@", "URL"),
            ("cache:6379", "URL"),
        ] {
            let error = Way::new(url).err().expect(url).to_string();
            assert!(error.contains(word), "{url}: {error}");
            assert!(!error.contains("s3cret"), "{url}: {error}");
        }
    }

    #[test]
    fn users_and_passwords_are_decoded() {
        let url = "redis-sentinel://u:p%40@a/3?sentinel_password=q%23#shop";
        let list = List::read(url).unwrap();
        let nodes = list.nodes(1, list.credentials).unwrap();
        let redis = nodes[0].redis_settings();
        assert_eq!(
            (redis.username(), redis.password()),
            (Some("u"), Some("p@"))
        );
        assert_eq!(list.parameters["sentinel_password"], "q#");
        assert_eq!((list.database, list.name), (3, "shop"));
    }
}
