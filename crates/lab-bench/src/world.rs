//! What runs: the private stores, and the servers of the arms that are being compared.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use flash_lab_crowd::{DEFAULT_POOL_SIZE, Seller, Server, server_process, stores};
use flash_sandbox::{Options, Sandbox};
use tempfile::NamedTempFile;

use crate::arm::{Arm, Setup, Work};
use crate::load::{self, Load, Pace};
use crate::pgbench;
use crate::shop::{learn_answers, put_on_sale};
use crate::tally::Tally;

/// Two servers with their pools at a time, up to 64 clients of pgbench, and ourselves.
const MAX_CONNECTIONS: u32 = 250;

/// Connections of a server to PostgreSQL that serve buyers: what the demo has too.
pub(crate) const POOL_SIZE: u16 = DEFAULT_POOL_SIZE;

/// How long a server that has just started is used before it counts.
const WARM_UP: Pace = Pace::Closed {
    lasting: Duration::from_millis(300),
};

/// Connections of the warm-up.
const WARM_UP_BUYERS: u16 = 32;

/// A migration of an empty database.
const MIGRATION_LIMIT: Duration = Duration::from_secs(10);

/// A server, and where it listens.
type Listening = (Server, SocketAddr);

/// Everything that runs. It ends when this is dropped.
pub(crate) struct World {
    /// Before the stores, so that servers end before them.
    running: HashMap<Key, Listening>,
    sandbox: Sandbox,
    pub(crate) pgbench: PathBuf,
    server: PathBuf,
    own: Option<Seller>,
    static_route: PathBuf,
    /// Databases that were made.
    databases: Vec<Arm>,
    /// What the engine says to a buyer who gets an order, and to one who does not.
    answers: Option<[NamedTempFile; 2]>,
    last_number: u64,
}

/// Who can be asked: static has one answer for orders and another for refusals.
type Key = (Arm, bool);

fn key(setup: &Setup) -> Key {
    let refuses = setup.arm == Arm::Static && setup.work == Work::Refusals;
    (setup.arm, refuses)
}

impl World {
    /// Starts the stores; servers follow when they are needed.
    pub(crate) async fn start(own: Option<Seller>) -> anyhow::Result<Self> {
        let server = server_process::find()?;
        let pgbench = pgbench::find()?;
        let static_route = server_process::find_beside("static-route")?;
        let options = Options {
            max_connections: MAX_CONNECTIONS,
            ..Options::default()
        };
        Ok(Self {
            running: HashMap::new(),
            sandbox: stores::start(options).await?,
            pgbench,
            server,
            own,
            static_route,
            databases: Vec::new(),
            answers: None,
            last_number: 0,
        })
    }

    /// How to look into the stores.
    pub(crate) fn announce(&self) -> String {
        self.sandbox.announce()
    }

    /// The directory of the private stores is on this disk.
    pub(crate) fn disk(&self) -> &Path {
        self.sandbox.dir().parent().unwrap_or(Path::new("/tmp"))
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The first of buyers that nobody else gets.
    fn first_buyer(&mut self) -> u64 {
        // More than any block has.
        self.next_number() * 100_000_000
    }

    /// A name that no SKU has yet.
    pub(crate) fn new_prefix(&mut self) -> String {
        format!("bench-{:05}", self.next_number())
    }

    /// The database that nobody measures.
    pub(crate) fn first_url(&self) -> anyhow::Result<&str> {
        self.sandbox.database_url().context("there is no database")
    }

    /// The database of an arm.
    pub(crate) fn database_url(&self, arm: Arm) -> anyhow::Result<String> {
        let url = self.first_url()?;
        Ok(url.replacen("/flash?", &format!("/{}?", arm.database()), 1))
    }

    /// The Redis of an arm whose commands are counted.
    pub(crate) fn redis_url(&self, arm: Arm) -> Option<String> {
        let is_asked = matches!(arm, Arm::Hybrid | Arm::Engine);
        let url = self.sandbox.redis_url().filter(|_| is_asked);
        url.map(str::to_owned)
    }

    /// The server of an arm, if one runs.
    pub(crate) fn server_pid(&self, setup: &Setup) -> Option<u32> {
        let (server, _) = self.running.get(&key(setup))?;
        Some(server.pid())
    }

    /// Opens the database of an arm, and makes it where there is none yet.
    pub(crate) async fn connect(
        &mut self,
        arm: Arm,
    ) -> anyhow::Result<AsyncPgConnection> {
        let url = self.database_url(arm)?;
        if !self.databases.contains(&arm) {
            let mut conn = flash_db::connect(self.first_url()?).await?;
            conn.batch_execute(&format!("CREATE DATABASE {}", arm.database()))
                .await?;
            flash_db::migrate(&url, MIGRATION_LIMIT).await?;
            self.databases.push(arm);
        }
        Ok(flash_db::connect(&url).await?)
    }

    /// Starts the servers that are needed and ends all others: who is not measured does
    /// not use the processor.
    pub(crate) async fn run_only(&mut self, setups: &[Setup]) -> anyhow::Result<()> {
        let wanted: Vec<_> = setups.iter().map(key).collect();
        let others = self.running.extract_if(|key, _| !wanted.contains(key));
        for (_, (server, _)) in others.collect::<Vec<_>>() {
            server.stop().await?;
        }
        for setup in setups.iter().filter(|setup| setup.arm != Arm::Pgbench) {
            if !self.running.contains_key(&key(setup)) {
                self.start_arm(setup)
                    .await
                    .with_context(|| format!("{} could not be started", setup.arm))?;
            }
        }
        Ok(())
    }

    async fn start_arm(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let (arm, refuses) = key(setup);
        let listening = match arm {
            Arm::Static => self.start_static(refuses).await?,
            _ => self.start_server(arm).await?,
        };
        self.running.insert((arm, refuses), listening);
        let prefix = self.new_prefix();
        if arm != Arm::Static {
            let mut conn = self.connect(arm).await?;
            put_on_sale(&mut conn, &prefix, Work::Orders).await?;
        }
        let buyers = setup.buyers.min(WARM_UP_BUYERS);
        self.apply(setup, &prefix, buyers, WARM_UP).await?;
        Ok(())
    }

    /// Lets buyers ask the server of a setup.
    pub(crate) async fn apply(
        &mut self,
        setup: &Setup,
        prefix: &str,
        connections: u16,
        pace: Pace,
    ) -> anyhow::Result<Tally> {
        let running = self.running.get(&key(setup));
        let (_, address) =
            running.with_context(|| format!("{} does not run", setup.arm))?;
        let load = Load {
            address: *address,
            prefix: prefix.to_owned(),
            skus: setup.work.skus(),
            connections,
            pace,
            first_buyer: self.first_buyer(),
        };
        load::apply(load).await
    }

    async fn start_server(&mut self, arm: Arm) -> anyhow::Result<Listening> {
        drop(self.connect(arm).await?);
        let own = self.own.as_ref().filter(|_| arm == Arm::Own);
        let program = own.map_or(&*self.server, Seller::executable);
        // Its Redis is there when it starts, and never again.
        let doomed = match arm {
            Arm::EngineRedisDown => {
                let postgres = false;
                let options = Options {
                    postgres,
                    ..Options::default()
                };
                Some(stores::start(options).await?)
            }
            _ => None,
        };
        let redis = doomed.as_ref().unwrap_or(&self.sandbox);
        let redis_url = redis.redis_url().context("there is no Redis")?.to_owned();
        let environment = [
            ("DATABASE_URL", self.database_url(arm)?),
            ("REDIS_URL", redis_url),
            ("ADMIN_TOKEN", String::new()),
            ("LISTEN", ANYWHERE.to_owned()),
            ("RUST_LOG", "warn,server=info".to_owned()),
        ];
        let started = Server::start_with(program, arguments(arm), environment).await?;
        if let Some(redis) = doomed {
            tokio::task::spawn_blocking(move || drop(redis)).await?;
        }
        Ok(started)
    }

    /// The engine shows what static has to say.
    async fn learn_answers(&mut self) -> anyhow::Result<[NamedTempFile; 2]> {
        let prefix = self.new_prefix();
        let (server, address) = self.start_server(Arm::Engine).await?;
        let mut conn = self.connect(Arm::Engine).await?;
        put_on_sale(&mut conn, &prefix, Work::Refusals).await?;
        let answers = learn_answers(address, &prefix, self.first_buyer()).await?;
        server.stop().await?;
        Ok(answers)
    }

    async fn start_static(&mut self, refuses: bool) -> anyhow::Result<Listening> {
        let [order, refusal] = match self.answers.take() {
            Some(learned) => self.answers.insert(learned),
            None => {
                let learned = self.learn_answers().await?;
                self.answers.insert(learned)
            }
        };
        let path = if refuses { refusal } else { order }.path();
        let arguments = server_process::flags(&[
            ("--answer", path.to_str().context("a path that is no text")?),
            ("--client-wait-ms", server_process::PATIENCE_MS),
        ]);
        Server::start_with(&self.static_route, arguments, [("LC_ALL", "C")]).await
    }
}

/// A free port of loopback, where admin calls need no token.
const ANYWHERE: &str = "127.0.0.1:0";

/// The arguments of the server of an arm; a program of somebody's own may ignore them.
pub(crate) fn arguments(arm: Arm) -> Vec<String> {
    let strategy = match arm {
        Arm::Own => None,
        Arm::EngineRedisDown => Some(Arm::Engine.to_string()),
        arm => Some(arm.to_string()),
    };
    let strategy = strategy.as_ref().map(|it| ("--strategy", it.as_str()));
    let pool_size = POOL_SIZE.to_string();
    let mut flags = Vec::from_iter(strategy);
    flags.extend([("--listen", ANYWHERE), ("--drain-delay-ms", "0")]);
    flags.extend(server_process::patient(&pool_size));
    server_process::flags(&flags)
}
