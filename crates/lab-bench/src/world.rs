//! What runs: the private stores, and the servers of the arms that are being compared.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use flash_lab_crowd::{DEFAULT_POOL_SIZE, Seller, Server, server_process, stores};
use flash_sandbox::{Options, Sandbox};
use tempfile::NamedTempFile;

use crate::arm::{Arm, Setup, Work};
use crate::load::{Load, Pace, apply};
use crate::pgbench;
use crate::shop::{learn_answers, put_on_sale};

/// Two servers with their pools at a time, up to 64 clients of pgbench, and ourselves.
const MAX_CONNECTIONS: u32 = 250;

/// Connections of a server to PostgreSQL that serve buyers: what the demo has too.
pub(crate) const POOL_SIZE: u16 = DEFAULT_POOL_SIZE;

/// How long a server that has just started is used before it counts.
const WARM_UP: Duration = Duration::from_millis(300);

/// Connections of the warm-up.
const WARM_UP_BUYERS: usize = 32;

/// A migration of an empty database.
const MIGRATION_LIMIT: Duration = Duration::from_secs(10);

/// Everything that runs. It ends when this is dropped.
pub(crate) struct World {
    /// Before the stores, so that servers end before them.
    running: Vec<Running>,
    pub(crate) sandbox: Sandbox,
    pub(crate) pgbench: PathBuf,
    server: PathBuf,
    own: Option<Seller>,
    static_route: PathBuf,
    /// Databases that were made.
    databases: Vec<Arm>,
    /// What the engine says to a buyer who gets an order, and to one who does not.
    answers: Option<[NamedTempFile; 2]>,
    next_buyer: u64,
    next_sku: u32,
}

/// An arm that can be asked.
pub(crate) struct Running {
    arm: Arm,
    /// Static has one answer for orders and another for refusals.
    refuses: bool,
    pub(crate) address: SocketAddr,
    pub(crate) server: Server,
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
        let sandbox = stores::start(options).await?;
        Ok(Self {
            running: Vec::new(),
            sandbox,
            pgbench,
            server,
            own,
            static_route,
            databases: Vec::new(),
            answers: None,
            next_buyer: 1,
            next_sku: 1,
        })
    }

    /// Numbers of buyers that nobody else gets.
    pub(crate) fn take_buyers(&mut self) -> u64 {
        let first = self.next_buyer;
        // More than any block has.
        self.next_buyer += 100_000_000;
        first
    }

    /// A name that no SKU has yet.
    pub(crate) fn new_prefix(&mut self) -> String {
        let number = self.next_sku;
        self.next_sku += 1;
        format!("bench-{number:05}")
    }

    fn first_url(&self) -> anyhow::Result<&str> {
        self.sandbox.database_url().context("there is no database")
    }

    /// The database of an arm.
    pub(crate) fn database_url(&self, arm: Arm) -> anyhow::Result<String> {
        let url = self.first_url()?;
        Ok(url.replacen("/flash?", &format!("/{}?", arm.database()), 1))
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
        let wanted: Vec<_> = setups
            .iter()
            .filter(|setup| setup.arm != Arm::Pgbench)
            .map(key)
            .collect();
        let (keep, end) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|it| wanted.contains(&(it.arm, it.refuses)));
        self.running = keep;
        for running in end {
            running.server.stop().await?;
        }
        for setup in setups {
            if setup.arm != Arm::Pgbench && self.find(setup).is_none() {
                self.start_arm(setup)
                    .await
                    .with_context(|| format!("{} could not be started", setup.arm))?;
            }
        }
        Ok(())
    }

    /// The server of an arm that runs.
    pub(crate) fn find(&self, setup: &Setup) -> Option<&Running> {
        let wanted = key(setup);
        self.running
            .iter()
            .find(|it| (it.arm, it.refuses) == wanted)
    }

    async fn start_arm(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let (arm, refuses) = key(setup);
        let (server, address) = if arm == Arm::Static {
            self.start_static(refuses).await?
        } else {
            self.start_server(arm).await?
        };
        self.running.push(Running {
            arm,
            refuses,
            address,
            server,
        });
        let prefix = self.new_prefix();
        if arm != Arm::Static {
            let mut conn = self.connect(arm).await?;
            put_on_sale(&mut conn, &prefix, Work::ORDERS).await?;
        }
        apply(Load {
            address,
            prefix,
            skus: 1,
            connections: setup.buyers.min(WARM_UP_BUYERS),
            pace: Pace::Closed { lasting: WARM_UP },
            first_buyer: self.take_buyers(),
        })
        .await?;
        Ok(())
    }

    async fn start_server(&mut self, arm: Arm) -> anyhow::Result<(Server, SocketAddr)> {
        drop(self.connect(arm).await?);
        if arm == Arm::Own {
            let own = self.own.as_ref().context("there is no program")?;
            let pool_size = POOL_SIZE.to_string();
            let flags = server_process::patient(&pool_size);
            let redis_url = self.sandbox.redis_url();
            return own.start(&flags, &self.database_url(arm)?, redis_url).await;
        }
        // Its Redis is there when it starts, and never again.
        let doomed = match arm {
            Arm::RedisDown => {
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
            ("RUST_LOG", "warn,server=info".to_owned()),
        ];
        let started =
            Server::start_with(&self.server, arguments(arm)?, environment).await?;
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
        put_on_sale(&mut conn, &prefix, Work::Burst { units: 1 }).await?;
        let answers = learn_answers(address, &prefix, self.take_buyers()).await?;
        server.stop().await?;
        Ok(answers)
    }

    async fn start_static(
        &mut self,
        refuses: bool,
    ) -> anyhow::Result<(Server, SocketAddr)> {
        if self.answers.is_none() {
            self.answers = Some(self.learn_answers().await?);
        }
        let [order, refusal] = self.answers.as_ref().context("nothing was learned")?;
        let path = if refuses { refusal } else { order }.path();
        let arguments = server_process::flags(&[
            ("--answer", path.to_str().context("a path that is no text")?),
            ("--client-wait-ms", server_process::PATIENCE_MS),
        ]);
        Server::start_with(&self.static_route, arguments, [("LC_ALL", "C")]).await
    }
}

fn key(setup: &Setup) -> (Arm, bool) {
    let refuses = setup.arm == Arm::Static && setup.work == Work::Refusals;
    (setup.arm, refuses)
}

/// The arguments of the server of an arm.
pub(crate) fn arguments(arm: Arm) -> anyhow::Result<Vec<String>> {
    let Some(strategy) = arm.strategy() else {
        bail!("{arm} is no server");
    };
    let who = [
        ("--strategy", strategy.as_str()),
        ("--listen", "127.0.0.1:0"),
        ("--drain-delay-ms", "0"),
    ];
    let pool_size = POOL_SIZE.to_string();
    let how = server_process::patient(&pool_size);
    Ok(server_process::flags(&[&who[..], &how].concat()))
}

/// The directory of the private stores is on this disk.
pub(crate) fn disk(sandbox: &Sandbox) -> &Path {
    sandbox.dir().parent().unwrap_or(Path::new("/tmp"))
}
