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

use anyhow::{Context, Result, bail, ensure};
use flash_sandbox::{Supervised, find_redis};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use redis::{Client, Cmd, FromRedisValue, InfoDict, Role, cmd};
use uuid::Uuid;

use crate::WAIT;

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
    log: PathBuf,
}

impl Node {
    /// Starts one, with this configuration beside what all have.
    fn start(
        dir: &Path,
        password: &str,
        configure: impl FnOnce(u16) -> String,
    ) -> Result<Self> {
        Self::start_as(dir, password, &[], configure)
    }

    fn start_as(
        dir: &Path,
        password: &str,
        flags: &[&str],
        configure: impl FnOnce(u16) -> String,
    ) -> Result<Self> {
        let port = free_port()?;
        let file = |end: &str| dir.join(format!("node-{port}.{end}"));
        let own = configure(port);
        let listen = if own.contains("tls-port") {
            "port 0".to_owned()
        } else {
            format!("port {port}")
        };
        let all = format!(
            "bind 127.0.0.1\n{listen}\nrequirepass {password}\ndir {}\n{own}\n",
            dir.display()
        );
        fs::write(file("conf"), all)?;
        let mut arguments = vec![file("conf").into_os_string()];
        arguments.extend(flags.iter().map(Into::into));
        let log = file("log");
        Ok(Self {
            process: spawn(&arguments, &log)?,
            arguments,
            port,
            password: password.to_owned(),
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
        format!("redis://:{}@{}", self.password, self.address())
    }

    /// What nobody may read in a message.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Sends one command.
    pub fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let client = Client::open(self.url())?;
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
        let (authority, stranger) = (authority()?, authority()?);
        let key = KeyPair::generate()?;
        let server = CertificateParams::new(vec!["127.0.0.1".to_owned()])?
            .signed_by(&key, &authority)?;
        let name = Uuid::now_v7();
        let file = |what: &str, pem: String| {
            let path = dir.join(format!("{what}-{name}.pem"));
            fs::write(&path, pem)?;
            anyhow::Ok(path)
        };
        let root = file("root", authority.pem())?;
        let certificate = file("server", server.pem())?;
        let key = file("key", key.serialize_pem())?;
        let stranger = file("stranger", stranger.pem())?;
        let node = Node::start(dir, &password(), |port| {
            format!(
                "{PLAIN}\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\n\
                 tls-ca-cert-file {}\ntls-auth-clients no",
                certificate.display(),
                key.display(),
                root.display()
            )
        })?;
        let end = Instant::now() + WAIT;
        while std::net::TcpStream::connect(node.address()).is_err() {
            let log = fs::read_to_string(&node.log).unwrap_or_default();
            ensure!(Instant::now() < end, "Redis is not ready:\n{log}");
            thread::park_timeout(Duration::from_millis(10));
        }
        Ok(Self {
            node,
            root,
            stranger,
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
        let password = password();
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..3 {
            let bus = free_port()?;
            nodes.push(Node::start(dir, &password, |port| {
                format!(
                    "{PLAIN}\ncluster-enabled yes\ncluster-config-file nodes-{port}\n\
                     cluster-port {bus}\ncluster-node-timeout {LOST_MS}\n\
                     cluster-announce-ip 127.0.0.1\nmasterauth {password}"
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
        let password = &self.nodes[0].password;
        format!("redis-cluster://:{password}@{}", addresses.join(","))
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
        let password = password();
        let primary = Node::start(dir, &password, |port| {
            format!("{PLAIN}\nmasterauth {password}\ndbfilename dump-{port}.rdb")
        })?;
        primary.wait_for(&cmd("PING"), |_: String| true)?;
        let replica = Node::start(dir, &password, |port| {
            format!(
                "{PLAIN}\nmasterauth {password}\ndbfilename dump-{port}.rdb\n\
                 replicaof 127.0.0.1 {}",
                primary.port
            )
        })?;
        replica.wait_for(cmd("INFO").arg("replication"), |info: InfoDict| {
            info.get::<String>("master_link_status").as_deref() == Some("up")
        })?;
        let sentinel = Node::start_as(dir, &password, &["--sentinel"], |_port| {
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
        format!(
            "redis-sentinel://:{password}@{address}/0?sentinel_password={password}#{name}"
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

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
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

fn password() -> String {
    Uuid::now_v7().simple().to_string()
}

fn free_port() -> Result<u16> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    Ok(free.local_addr()?.port())
}
