//! Redis as others run it: over TLS, as a cluster, behind a sentinel. Each program ends with
//! its value, or with this process, however that ends; its files go with the directory of a
//! sandbox.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flash_sandbox::{Supervised, find_redis};
use redis::{Client, Cmd, FromRedisValue, InfoDict, Role, TlsCertificates, cmd};
use uuid::Uuid;

use crate::{Authority, WAIT};

/// What the sentinel calls the primary.
pub const PRIMARY: &str = "shop";

/// How long a node must be silent for the others to take it for lost: not so short that a busy
/// machine is.
const LOST_MS: u32 = 2_000;

/// A `redis-server` on loopback TCP that lets in who knows its password.
pub struct Node {
    process: Supervised,
    /// The configuration and the flags.
    arguments: Vec<OsString>,
    port: u16,
    password: String,
    /// The file of the authority to trust, where it speaks TLS.
    root: Option<PathBuf>,
    log: PathBuf,
}

/// What the nodes of a topology have in common.
struct Common<'a> {
    dir: &'a Path,
    password: String,
    tls: Option<&'a Tls>,
}

impl Node {
    /// Starts one, with this configuration beside what all have.
    fn start(
        common: &Common<'_>,
        configure: impl FnOnce(u16) -> String,
    ) -> Result<Self> {
        Self::start_as(common, &[], configure)
    }

    fn start_as(
        common: &Common<'_>,
        flags: &[&str],
        configure: impl FnOnce(u16) -> String,
    ) -> Result<Self> {
        let Common { dir, password, tls } = common;
        let port = free_port()?;
        let file = |end: &str| dir.join(format!("node-{port}.{end}"));
        let listen = match tls {
            Some(tls) => format!("port 0\ntls-port {port}\n{}", tls.settings),
            None => format!("port {port}"),
        };
        let all = format!(
            "bind 127.0.0.1\n{listen}\nrequirepass {password}\ndir {}\n{}\n",
            dir.display(),
            configure(port)
        );
        fs::write(file("conf"), all)?;
        let mut arguments = vec![file("conf").into_os_string()];
        arguments.extend(flags.iter().map(Into::into));
        let log = file("log");
        Ok(Self {
            process: spawn(&arguments, &log)?,
            arguments,
            port,
            password: password.clone(),
            root: tls.map(|it| it.root.clone()),
            log,
        })
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The connection URL of this node alone.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = self.scheme();
        format!("{scheme}://:{}@{}", self.password, self.address())
    }

    fn scheme(&self) -> &'static str {
        self.root.as_ref().map_or("redis", |_| "rediss")
    }

    /// Whom to trust, as a parameter of a URL behind this sign.
    fn trust(&self, sign: char) -> String {
        let root = self.root.as_ref();
        root.map_or_else(String::new, |it| {
            format!("{sign}sslrootcert={}", it.display())
        })
    }

    /// What nobody may read in a message.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Sends one command.
    pub fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let client = match &self.root {
            Some(root) => Client::build_with_tls(
                self.url(),
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(fs::read(root)?),
                },
            )?,
            None => Client::open(self.url())?,
        };
        let mut conn = client.get_connection_with_timeout(WAIT)?;
        Ok(command.query(&mut conn)?)
    }

    /// Kills it, with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with what it has kept, after it was killed.
    pub fn restart(&mut self) -> Result<()> {
        self.process = spawn(&self.arguments, &self.log)?;
        self.wait_for(&cmd("PING"), |_: String| true)
    }

    /// Waits until it says what is wanted.
    fn wait_for<T: FromRedisValue>(
        &self,
        question: &Cmd,
        is_wanted: impl Fn(T) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + WAIT;
        while !self.ask(question).is_ok_and(&is_wanted) {
            if Instant::now() >= end {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("Redis at {} is not ready:\n{log}", self.address());
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// What a Redis has that keeps nothing and loses no time.
const PLAIN: &str =
    "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\ndatabases 1024";

/// Certificates of an authority of one's own, for `127.0.0.1` and no other name.
struct Tls {
    root: PathBuf,
    stranger: PathBuf,
    settings: String,
}

impl Tls {
    fn new(dir: &Path) -> Result<Self> {
        let (authority, stranger) = (Authority::new()?, Authority::new()?);
        let server = authority.sign("127.0.0.1")?;
        let name = Uuid::now_v7();
        let file = |what: &str, pem: String| {
            let path = dir.join(format!("{what}-{name}.pem"));
            fs::write(&path, pem)?;
            anyhow::Ok(path)
        };
        let root = file("root", authority.root())?;
        let certificate = file("server", server.chain)?;
        let key = file("key", server.key)?;
        let settings = format!(
            "tls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n\
             tls-auth-clients no\ntls-replication yes",
            certificate.display(),
            key.display(),
            root.display()
        );
        Ok(Self {
            stranger: file("stranger", stranger.root())?,
            root,
            settings,
        })
    }
}

/// A Redis that lets in who speaks TLS, with a certificate of an authority of its own for
/// `127.0.0.1` and no other name.
pub struct TlsRedis {
    node: Node,
    /// The file of the authority, to be trusted.
    pub root: PathBuf,
    /// The file of an authority that nobody has heard of.
    pub stranger: PathBuf,
}

impl TlsRedis {
    /// Starts one whose files are in this directory.
    pub fn start(dir: &Path) -> Result<Self> {
        let tls = Tls::new(dir)?;
        let Tls { root, stranger, .. } = &tls;
        let node = Node::start(&common(dir, Some(&tls)), |_port| PLAIN.to_owned())?;
        node.wait_for(&cmd("PING"), |_: String| true)?;
        Ok(Self {
            root: root.clone(),
            stranger: stranger.clone(),
            node,
        })
    }

    /// What nobody may read in a message.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.node.password
    }

    /// The connection URL by this host name, with whom to trust.
    #[must_use]
    pub fn url(&self, host: &str, root: &Path) -> String {
        let (Node { port, password, .. }, root) = (&self.node, root.display());
        format!("rediss://:{password}@{host}:{port}/?sslrootcert={root}")
    }
}

/// Three primaries that share the slots.
pub struct Cluster {
    /// Its nodes.
    pub nodes: Vec<Node>,
}

impl Cluster {
    /// Starts one whose files are in this directory, and waits until it is complete.
    pub fn start(dir: &Path) -> Result<Self> {
        Self::start_with(&common(dir, None))
    }

    /// The same over TLS.
    pub fn start_over_tls(dir: &Path) -> Result<Self> {
        Self::start_with(&common(dir, Some(&Tls::new(dir)?)))
    }

    fn start_with(common: &Common<'_>) -> Result<Self> {
        let password = &common.password;
        let bus_settings = common.tls.map_or("", |_| "tls-cluster yes");
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..3 {
            let bus = free_port()?;
            nodes.push(Node::start(common, |port| {
                format!(
                    "{PLAIN}\ncluster-enabled yes\ncluster-config-file nodes-{port}\n\
                     cluster-port {bus}\ncluster-node-timeout {LOST_MS}\n\
                     cluster-announce-ip 127.0.0.1\nmasterauth {password}\n\
                     {bus_settings}"
                )
            })?);
            buses.push(bus);
        }
        let slots = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];
        for (number, (node, (first, last))) in nodes.iter().zip(slots).enumerate() {
            node.wait_for(&cmd("PING"), |_: String| true)?;
            let mut epoch = cmd("CLUSTER");
            let () = node.ask(epoch.arg("SET-CONFIG-EPOCH").arg(number + 1))?;
            let mut add = cmd("CLUSTER");
            let () = node.ask(add.arg("ADDSLOTSRANGE").arg(first).arg(last))?;
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            let mut meet = cmd("CLUSTER");
            let meet = meet.arg("MEET").arg("127.0.0.1").arg(node.port).arg(bus);
            let () = nodes[0].ask(meet)?;
        }
        for node in &nodes {
            node.wait_for(cmd("CLUSTER").arg("INFO"), |info: String| {
                info.contains("cluster_state:ok") && info.contains("cluster_size:3")
            })?;
        }
        Ok(Self { nodes })
    }

    /// The connection URL, by its nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.nodes.iter().map(Node::address).collect();
        let first = &self.nodes[0];
        let (scheme, password, trust) =
            (first.scheme(), &first.password, first.trust('?'));
        let addresses = addresses.join(",");
        format!("{scheme}-cluster://:{password}@{addresses}{trust}")
    }
}

/// A primary, its replica, and the sentinel that sees to it that one of them is the primary.
pub struct Sentinels {
    /// The primary at first, then the replica.
    pub nodes: [Node; 2],
    /// Who watches.
    pub sentinel: Node,
}

impl Sentinels {
    /// Starts them with their files in this directory, and waits until a fail-over is
    /// possible.
    pub fn start(dir: &Path) -> Result<Self> {
        Self::start_with(&common(dir, None))
    }

    /// The same over TLS.
    pub fn start_over_tls(dir: &Path) -> Result<Self> {
        Self::start_with(&common(dir, Some(&Tls::new(dir)?)))
    }

    fn start_with(common: &Common<'_>) -> Result<Self> {
        let password = &common.password;
        let primary = Node::start(common, |port| {
            format!("{PLAIN}\nmasterauth {password}\ndbfilename dump-{port}.rdb")
        })?;
        primary.wait_for(&cmd("PING"), |_: String| true)?;
        let replica = Node::start(common, |port| {
            format!(
                "{PLAIN}\nmasterauth {password}\ndbfilename dump-{port}.rdb\n\
                 replicaof 127.0.0.1 {}",
                primary.port
            )
        })?;
        replica.wait_for(cmd("INFO").arg("replication"), |info: InfoDict| {
            info.get::<String>("master_link_status").as_deref() == Some("up")
        })?;
        let sentinel = Node::start_as(common, &["--sentinel"], |_port| {
            format!(
                "sentinel monitor {PRIMARY} 127.0.0.1 {} 1\n\
                 sentinel auth-pass {PRIMARY} {password}\n\
                 sentinel down-after-milliseconds {PRIMARY} {LOST_MS}\n\
                 sentinel failover-timeout {PRIMARY} 10000",
                primary.port
            )
        })?;
        let mut known = cmd("SENTINEL");
        sentinel.wait_for(
            known.arg("REPLICAS").arg(PRIMARY),
            |replicas: Vec<HashMap<String, String>>| {
                let is_up = |it: &HashMap<String, String>| {
                    it.get("master-link-status").is_some_and(|it| it == "ok")
                };
                replicas.iter().any(is_up)
            },
        )?;
        Ok(Self {
            nodes: [primary, replica],
            sentinel,
        })
    }

    /// The connection URL of whoever is the primary.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(PRIMARY)
    }

    /// The same for another name of a primary.
    #[must_use]
    pub fn url_of(&self, name: &str) -> String {
        let (password, address) = (&self.sentinel.password, self.sentinel.address());
        let (scheme, trust) = (self.sentinel.scheme(), self.sentinel.trust('&'));
        format!(
            "{scheme}-sentinel://:{password}@{address}/0?sentinel_password={password}\
             {trust}#{name}"
        )
    }

    /// Has the sentinel make the other one the primary. It refuses while it is at it.
    pub fn fail_over(&self) -> Result<()> {
        let mut fail_over = cmd("SENTINEL");
        self.sentinel.ask(fail_over.arg("FAILOVER").arg(PRIMARY))
    }

    /// Waits until the replica is the primary.
    pub fn failed_over(&self) -> Result<()> {
        let is_primary = |role| matches!(role, Role::Primary { .. });
        self.nodes[1].wait_for(&cmd("ROLE"), is_primary)
    }
}

fn spawn(arguments: &[OsString], log: &Path) -> Result<Supervised> {
    let program = find_redis()?.program;
    Ok(Supervised::spawn(
        &program,
        arguments,
        [("LC_ALL", "C")],
        log,
    )?)
}

fn common<'a>(dir: &'a Path, tls: Option<&'a Tls>) -> Common<'a> {
    let password = password();
    Common { dir, password, tls }
}

fn password() -> String {
    Uuid::now_v7().simple().to_string()
}

fn free_port() -> Result<u16> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(free.local_addr()?.port())
}
