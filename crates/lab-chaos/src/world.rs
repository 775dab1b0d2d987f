//! The processes of a run: two stores, two servers, and the cables between them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use flash_lab_crowd::server_process::limits;
use flash_lab_crowd::{Seller, Server, server_process, stores};
use flash_lab_wire::{Cable, Store};
use flash_sandbox::{Options, PgBouncer, PoolMode, Sandbox, SandboxError};
use tokio::sync::Mutex;
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::schedule::{self, Plan};
use crate::way::{Secured, Way};
use crate::{postgres, redis};

/// Connections of one instance to PostgreSQL that serve buyers.
const POOL_SIZE: u16 = 8;

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
pub(crate) const GATE_LIFETIME: Duration = Duration::from_millis(500);

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
    /// Whether there is a Redis that is there to be broken.
    fn breaks_redis(&self) -> bool {
        self.seller.uses_redis() && self.redis_url.is_none()
    }

    /// What happens in the run with this seed. A program of somebody's own is not asked to
    /// restock.
    pub(crate) fn plan(&self, seed: u64) -> Plan {
        let mut plan = schedule::draw(seed, self.breaks_redis());
        if self.seller.strategy().is_none() {
            plan.restocks.clear();
        }
        plan
    }
}

/// Everything that runs. It ends when this is dropped.
pub(crate) struct World {
    recipe: Recipe,
    /// The straight way to PostgreSQL, which no fault of a cable touches.
    pub(crate) database_url: String,
    pub(crate) redis_socket: PathBuf,
    pub(crate) addresses: [SocketAddr; 2],
    /// Where there is none, it could not be started.
    pub(crate) servers: [Mutex<Option<Server>>; 2],
    /// Whether the log of an instance cannot be written, from its next start on.
    pub(crate) logs_gone: [AtomicBool; 2],
    /// The first of the two hosts in a database URL, at which PostgreSQL never was: each
    /// connection ends at once.
    pub(crate) first_hosts: [Cable; 2],
    pub(crate) postgres_links: [Cable; 2],
    /// In front of these, where servers speak TLS.
    secured: Option<Secured>,
    /// Behind them, where servers have a pooler.
    _pgbouncer: Option<PgBouncer>,
    pub(crate) redis_links: [Cable; 2],
    pub(crate) sandbox: Mutex<Sandbox>,
    /// Held while something is done to the store, so that faults do not meet.
    pub(crate) postgres_turn: Mutex<()>,
    pub(crate) redis_turn: Mutex<()>,
    /// How many columns were to be added.
    columns: AtomicU64,
}

impl World {
    /// Starts the stores and both servers.
    pub(crate) async fn start(recipe: Recipe) -> anyhow::Result<Self> {
        let world = Self::with_stores(recipe).await?;
        // A program of somebody's own finds the tables.
        flash_db::migrate(&world.database_url, RECOVERY_LIMIT).await?;
        for (instance, server) in world.servers.iter().enumerate() {
            *server.lock().await = Some(world.start_server(instance).await?);
        }
        Ok(world)
    }

    /// Starts the stores and no server yet.
    pub(crate) async fn with_stores(recipe: Recipe) -> anyhow::Result<Self> {
        let options = Options {
            redis: recipe.breaks_redis(),
            fsync: true,
            max_connections: MAX_CONNECTIONS,
            ..Options::default()
        };
        let sandbox = stores::start(options).await?;
        let pgbouncer = match recipe.way {
            Way::Pgbouncer => {
                let starting = || PgBouncer::start(&sandbox, PoolMode::Session);
                Some(block_in_place(starting)?)
            }
            Way::Plain | Way::Tls => None,
        };
        let postgres_socket = match &pgbouncer {
            Some(pgbouncer) => pgbouncer.socket().to_owned(),
            None => sandbox.dir().join(".s.PGSQL.5432"),
        };
        let postgres_links = pair(Store::PostgreSQL, &postgres_socket).await?;
        let secured = match recipe.way {
            Way::Tls => Some(Secured::open(&sandbox, &postgres_links).await?),
            Way::Plain | Way::Pgbouncer => None,
        };
        let redis_socket = sandbox.dir().join("redis.sock");
        Ok(Self {
            recipe,
            database_url: sandbox
                .database_url()
                .context("there is no database")?
                .to_owned(),
            addresses: free_addresses()?,
            servers: [Mutex::default(), Mutex::default()],
            logs_gone: [AtomicBool::default(), AtomicBool::default()],
            first_hosts: pair(Store::PostgreSQL, Path::new("/nowhere")).await?,
            postgres_links,
            secured,
            _pgbouncer: pgbouncer,
            redis_links: pair(Store::Redis, &redis_socket).await?,
            redis_socket,
            sandbox: Mutex::new(sandbox),
            postgres_turn: Mutex::default(),
            redis_turn: Mutex::default(),
            columns: AtomicU64::default(),
        })
    }

    /// Starts an instance at its address, which nobody listens at.
    pub(crate) async fn start_server(&self, instance: usize) -> anyhow::Result<Server> {
        let arguments = self.arguments(instance);
        let redis = self.redis_links[instance].address();
        let given = self.recipe.redis_url.clone();
        let environment = [
            ("DATABASE_URL", self.database_url_of(instance)),
            ("REDIS_URL", given.unwrap_or(format!("redis://{redis}"))),
            ("REDIS_PREFIX", flash_engine::PREFIX.to_owned()),
            ("ADMIN_TOKEN", String::new()),
            ("LISTEN", self.addresses[instance].to_string()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        let program = self.recipe.seller.executable();
        if self.logs_gone[instance].load(Ordering::Relaxed) {
            let address = self.addresses[instance];
            return Server::start_unheard(program, arguments, environment, address)
                .await;
        }
        let (server, _address) =
            Server::start_with(program, arguments, environment).await?;
        Ok(server)
    }

    /// The way of an instance to PostgreSQL, which is the second of two hosts.
    pub(crate) fn database_url_of(&self, instance: usize) -> String {
        let first = self.first_hosts[instance].address();
        let second = self.postgres_links[instance].address();
        if self.recipe.seller.strategy().is_none() {
            // Not every driver knows several hosts.
            return format!("postgresql://flash@{second}/flash");
        }
        let Some(secured) = &self.secured else {
            return format!("postgresql://flash@{first},{second}/flash");
        };
        format!(
            "postgresql://flash@{first},localhost:{}/flash?sslmode=verify-full\
             &sslrootcert={}",
            secured.addresses[instance].port(),
            secured.root.display()
        )
    }

    /// The key of the gate of a SKU.
    pub(crate) fn gate_key(&self, sku: &str) -> String {
        redis::gate_key(&self.recipe.seller, sku)
    }

    /// A name that no column has.
    pub(crate) fn new_column(&self) -> String {
        format!("note_{}", self.columns.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes everything whole that may still be broken.
    pub(crate) async fn heal(&self) -> anyhow::Result<()> {
        self.heal_stores().await?;
        for (instance, server) in self.servers.iter().enumerate() {
            let mut server = server.lock().await;
            // A fault that ends one leaves none.
            if server.as_mut().is_some_and(|it| !it.is_running()) {
                bail!("server {instance} ended by itself");
            }
            if server.is_none() {
                *server = Some(self.start_server(instance).await?);
            }
        }
        Ok(())
    }

    /// Makes the stores and the ways to them whole.
    pub(crate) async fn heal_stores(&self) -> anyhow::Result<()> {
        let links = self.postgres_links.iter().chain(&self.redis_links);
        links.chain(&self.first_hosts).for_each(Cable::heal);
        if self.recipe.breaks_redis() {
            redis::take_writes(&self.redis_socket)
                .await
                .context("Redis takes no writes")?;
        }
        self.postgres_recovered().await
    }

    /// Waits until PostgreSQL lets somebody in, and is a primary. After the crash of a
    /// backend it comes back by itself, and until then no buyer can have a final answer.
    async fn postgres_recovered(&self) -> anyhow::Result<()> {
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

    /// Starts a store again.
    pub(crate) async fn restart(
        &self,
        how: impl FnOnce(&mut Sandbox) -> Result<(), SandboxError>,
    ) -> anyhow::Result<()> {
        let mut sandbox = self.sandbox.lock().await;
        Ok(block_in_place(|| how(&mut sandbox))?)
    }

    fn arguments(&self, instance: usize) -> Vec<String> {
        let listen = self.addresses[instance].to_string();
        let pool_size = POOL_SIZE.to_string();
        let gate_lifetime_ms = GATE_LIFETIME.as_millis().to_string();
        let batch_max = self.recipe.batch_max.map(|it| it.to_string());
        let mut flags = limits(&pool_size, WAIT_MS, REQUEST_MS).to_vec();
        flags.extend([
            ("--listen", listen.as_str()),
            ("--drain-delay-ms", "0"),
            ("--drain-wait-ms", DRAIN_MS),
            ("--gate-lifetime-ms", &gate_lifetime_ms),
        ]);
        flags.extend(batch_max.as_deref().map(|it| ("--batch-max", it)));
        let mut arguments = self.recipe.seller.arguments();
        arguments.extend(server_process::flags(&flags));
        arguments
    }
}

/// A cable for each instance.
async fn pair(store: Store, socket: &Path) -> anyhow::Result<[Cable; 2]> {
    let open = || Cable::open(store, socket, None);
    Ok([open().await?, open().await?])
}

/// Both are bound at the same time, so that they differ.
fn free_addresses() -> anyhow::Result<[SocketAddr; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (bind()?, bind()?);
    Ok([one.local_addr()?, other.local_addr()?])
}
