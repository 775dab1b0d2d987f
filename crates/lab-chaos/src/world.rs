//! The processes of a run: two stores, two servers, and the cables between them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flash_core::Sku;
use flash_lab_crowd::server_process::limits;
use flash_lab_crowd::{Seller, Server, Strategy, create_sku, stores};
use flash_lab_wire::{Cable, Store};
use flash_sandbox::{Options, PgBouncer, PoolMode, Sandbox};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::schedule::PlannedSku;
use crate::way::{Secured, Way};
use crate::{postgres, redis};

/// Connections of one instance to PostgreSQL that serve buyers.
const POOL_SIZE: &str = "8";

/// Two instances with their pools, lanes, listeners and admin calls, and the judge.
const MAX_CONNECTIONS: u32 = 100;

/// How long an instance waits for a connection or a row, in milliseconds: less than a
/// fault may last.
const WAIT_MS: &str = "1000";

/// How long an instance works on a request, in milliseconds.
const REQUEST_MS: &str = "3000";

/// How long an instance that drains waits for its buyers, in milliseconds.
const DRAIN_MS: &str = "1000";

/// How long PostgreSQL may take to recover: after a crash it waits 5 s for processes that do
/// not end (`SIGKILL_CHILDREN_AFTER_SECS`, postmaster.c), then a disk may be slow.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);

/// How often it is asked meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// How long a gate of phase 3 lives: what it took comes back while the run goes on.
const GATE_LIFETIME: Duration = Duration::from_millis(500);

/// What is needed to start an instance.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) seller: Seller,
    pub(crate) batch_max: Option<u16>,
    pub(crate) way: Way,
    /// One that somebody gave, and that is not broken.
    pub(crate) redis_url: Option<String>,
}

impl Recipe {
    /// Whether one of our strategies sells. A program of somebody's own is not asked to cancel
    /// or to restock.
    pub(crate) fn is_ours(&self) -> bool {
        self.seller.strategy.is_some()
    }

    /// Whether there is a Redis that is there to be broken.
    pub(crate) fn breaks_redis(&self) -> bool {
        self.seller.uses_redis() && self.redis_url.is_none()
    }

    /// How long gates live; none where they do not expire.
    pub(crate) fn gate_lifetime(&self) -> Option<Duration> {
        self.seller.is(Strategy::Hybrid).then_some(GATE_LIFETIME)
    }

    /// The key under which the seller keeps the gate of a SKU.
    fn gate_key(&self, sku: &str) -> String {
        match self.gate_lifetime() {
            Some(_) => format!("flash:{{{sku}}}:hybrid"),
            None => flash_engine::gate_key(flash_engine::PREFIX, &Sku::stored(sku)),
        }
    }
}

/// One of the two servers, and its ways to the stores.
pub(crate) struct Instance {
    pub(crate) process: Mutex<Process>,
    pub(crate) address: SocketAddr,
    /// The first of the two hosts in its database URL, at which PostgreSQL never was: each
    /// connection ends at once.
    pub(crate) first_host: Cable,
    pub(crate) postgres: Cable,
    /// In front of it, where servers speak TLS.
    _secured: Option<Secured>,
    pub(crate) redis: Cable,
}

/// The process of an instance, and what it is started with.
pub(crate) struct Process {
    /// Where there is none, it could not be started.
    pub(crate) server: Option<Server>,
    /// Whether its log cannot be written, from its next start on.
    pub(crate) log_is_gone: bool,
    recipe: Recipe,
    address: SocketAddr,
    database_url: String,
    redis_url: String,
}

impl Process {
    /// Starts a server at its address, where nobody listens.
    pub(crate) async fn start(&mut self) -> Result<()> {
        let (seller, listen) = (&self.recipe.seller, self.address.to_string());
        let redis_url = Some(self.redis_url.as_str());
        let mut environment =
            seller.environment(&listen, &self.database_url, redis_url);
        environment.push(("RUST_LOG", "warn"));
        let mut flags = format!(
            "{} --drain-wait-ms {DRAIN_MS} --gate-lifetime-ms {}",
            limits(POOL_SIZE, WAIT_MS, REQUEST_MS),
            GATE_LIFETIME.as_millis()
        );
        if let Some(batch_max) = self.recipe.batch_max {
            flags += &format!(" --batch-max {batch_max}");
        }
        let arguments = seller.arguments(&listen, &flags);
        let unheard = self.log_is_gone.then_some(self.address);
        let started = Server::start(&seller.program, arguments, environment, unheard);
        self.server = Some(started.await?.0);
        Ok(())
    }

    /// Kills the server, if there is one.
    pub(crate) fn kill(&mut self) {
        block_in_place(|| drop(self.server.take()));
    }

    /// Has the server end, if there is one.
    pub(crate) async fn drain(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Whether the server has ended by itself: a fault that ends one leaves none.
    fn has_ended(&mut self) -> bool {
        self.server.as_mut().is_some_and(|it| !it.is_running())
    }
}

impl Instance {
    async fn new(
        recipe: &Recipe,
        sandbox: &Sandbox,
        postgres_socket: &Path,
        address: SocketAddr,
    ) -> Result<Self> {
        let first_host = Cable::open(Store::PostgreSQL, "/nowhere", None).await?;
        let postgres = Cable::open(Store::PostgreSQL, postgres_socket, None).await?;
        let redis_socket = sandbox.dir().join("redis.sock");
        let redis = Cable::open(Store::Redis, redis_socket, None).await?;
        let secured = match recipe.way {
            Way::Tls => Some(Secured::open(sandbox, postgres.address()).await?),
            Way::Plain | Way::Pgbouncer => None,
        };
        let (first, second) = (first_host.address(), postgres.address());
        let database = match &secured {
            // Not every driver knows several hosts.
            _ if !recipe.is_ours() => format!("{second}/flash"),
            None => format!("{first},{second}/flash"),
            Some(secured) => format!("{first},{}", secured.database),
        };
        let own_redis_url = format!("redis://{}", redis.address());
        let process = Process {
            server: None,
            log_is_gone: false,
            recipe: recipe.clone(),
            address,
            database_url: format!("postgresql://flash@{database}"),
            redis_url: recipe.redis_url.clone().unwrap_or(own_redis_url),
        };
        Ok(Self {
            process: Mutex::new(process),
            address,
            first_host,
            postgres,
            _secured: secured,
            redis,
        })
    }
}

/// Everything that runs. It ends when this is dropped.
pub(crate) struct World {
    pub(crate) recipe: Recipe,
    pub(crate) instances: [Instance; 2],
    /// The straight way to PostgreSQL, which no fault of a cable touches.
    pub(crate) database_url: String,
    pub(crate) redis_socket: PathBuf,
    /// Where the gates of what is sold are.
    pub(crate) gate_keys: Vec<String>,
    /// Behind the cables, where servers have a pooler.
    _pgbouncer: Option<PgBouncer>,
    pub(crate) sandbox: Mutex<Sandbox>,
    /// Held while something is done to the store, so that faults do not meet.
    pub(crate) postgres_turn: Mutex<()>,
    pub(crate) redis_turn: Mutex<()>,
}

impl World {
    /// Starts the stores and both servers, and puts these SKUs on sale.
    pub(crate) async fn start(recipe: &Recipe, skus: &[PlannedSku]) -> Result<Self> {
        let world = Self::with_stores(recipe, skus).await?;
        // A program of somebody's own finds the tables.
        flash_db::migrate(&world.database_url, RECOVERY_LIMIT).await?;
        for instance in &world.instances {
            instance.process.lock().await.start().await?;
        }
        for planned in skus {
            let sku = Sku::new(&*planned.sku)?;
            let units = u32::try_from(planned.units)?;
            let limit = planned.limit.map(u32::try_from).transpose()?;
            create_sku(world.instances[0].address, &sku, units, limit).await?;
        }
        Ok(world)
    }

    /// Starts the stores and no server yet.
    pub(crate) async fn with_stores(
        recipe: &Recipe,
        skus: &[PlannedSku],
    ) -> Result<Self> {
        let options = Options {
            redis: recipe.breaks_redis(),
            fsync: true,
            max_connections: MAX_CONNECTIONS,
            ..Options::default()
        };
        let sandbox = stores::start(options).await?;
        let start_pgbouncer =
            || block_in_place(|| PgBouncer::start(&sandbox, PoolMode::Session));
        let has_pgbouncer = recipe.way == Way::Pgbouncer;
        let pgbouncer = has_pgbouncer.then(start_pgbouncer).transpose()?;
        let postgres_socket = match &pgbouncer {
            Some(pgbouncer) => pgbouncer.socket().to_owned(),
            None => sandbox.dir().join(".s.PGSQL.5432"),
        };
        // Both are bound at the same time, so that they differ.
        let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (one, other) = (bind()?, bind()?);
        let (one, other) = (one.local_addr()?, other.local_addr()?);
        let instances = [
            Instance::new(recipe, &sandbox, &postgres_socket, one).await?,
            Instance::new(recipe, &sandbox, &postgres_socket, other).await?,
        ];
        let database_url = sandbox.database_url().context("there is no database")?;
        Ok(Self {
            recipe: recipe.clone(),
            instances,
            database_url: database_url.to_owned(),
            redis_socket: sandbox.dir().join("redis.sock"),
            gate_keys: skus.iter().map(|it| recipe.gate_key(&it.sku)).collect(),
            _pgbouncer: pgbouncer,
            sandbox: Mutex::new(sandbox),
            postgres_turn: Mutex::default(),
            redis_turn: Mutex::default(),
        })
    }

    /// The process of an instance. One that ended by itself stays where it is, for the end of
    /// the run to find it.
    pub(crate) fn take(&self, instance: usize) -> Result<MutexGuard<'_, Process>> {
        let mut process = free(&self.instances[instance].process)?;
        ensure!(!process.has_ended(), "it ended by itself");
        Ok(process)
    }

    /// Makes everything whole that may still be broken.
    pub(crate) async fn heal(&self) -> Result<()> {
        self.heal_stores().await?;
        for (number, instance) in self.instances.iter().enumerate() {
            let mut process = instance.process.lock().await;
            ensure!(!process.has_ended(), "server {number} ended by itself");
            if process.server.is_none() {
                process.start().await?;
            }
        }
        Ok(())
    }

    /// Makes the stores and the ways to them whole.
    pub(crate) async fn heal_stores(&self) -> Result<()> {
        for it in &self.instances {
            for cable in [&it.first_host, &it.postgres, &it.redis] {
                cable.heal();
            }
        }
        if self.recipe.breaks_redis() {
            redis::take_writes(&self.redis_socket)
                .await
                .context("Redis takes no writes")?;
        }
        self.postgres_recovered().await
    }

    /// Waits until PostgreSQL lets somebody in, and is a primary. After the crash of a
    /// backend it comes back by itself, and until then no buyer can have a final answer.
    async fn postgres_recovered(&self) -> Result<()> {
        let end = Instant::now() + RECOVERY_LIMIT;
        loop {
            let promoted = postgres::promote(&self.database_url).await;
            match flash_db::connect(&self.database_url).await {
                Ok(_) if promoted.is_ok() => return Ok(()),
                // Such as too many connections, which would be the servers' doing.
                Err(error) if !error.is_away() || Instant::now() >= end => {
                    return Err(error).context("PostgreSQL lets nobody in");
                }
                Ok(_) if Instant::now() >= end => return promoted,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

/// What another fault has in its hands is left alone.
pub(crate) fn free<T>(what: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    what.try_lock().ok().context("another fault is at it")
}
