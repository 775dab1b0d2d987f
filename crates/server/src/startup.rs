//! From settings to a served strategy.

use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use flash_core::{InventoryStrategy, reason};
use flash_db::{DbError, Pool, PoolOptions};
use flash_engine::redis_address;
use tokio::net::TcpSocket;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::AdminPolicy;
use crate::cli::Settings;
use crate::open_files::{ADMIN_POOL_SIZE, connections_max};
use crate::probe::Probe;
use crate::secrets::check_secrets;
use crate::serve::{listen, serve};
use crate::site::{Limits, Site};
use crate::stores::{START_RETRY, Stores};

/// All that a strategy sells with: an address, the stores, and connections to them.
pub struct Shop {
    settings: Settings,
    deadline: Instant,
    connections_max: usize,
    /// Nobody is let in until a strategy is served.
    socket: Cell<Option<TcpSocket>>,
    stores: Stores,
    pool: Pool,
    admin_pool: Pool,
}

impl Shop {
    /// Takes the address, opens the stores and the connections to PostgreSQL.
    pub(crate) async fn open(settings: Settings) -> anyhow::Result<Self> {
        check_secrets(&settings)?;
        let connections_max = connections_max(&settings)?;
        outlive_full_files()?;
        // Before anything is started: an occupied port should cost no waiting.
        let socket = bind(&settings.listen)?;
        let deadline = Instant::now() + settings.start_wait;
        let stores = Stores::open(&settings, deadline).await?;
        let options = PoolOptions {
            size: settings.pool_size.into(),
            wait: settings.pool_wait,
            lock_wait: settings.lock_wait,
        };
        let admin_options = PoolOptions {
            size: ADMIN_POOL_SIZE,
            ..PoolOptions::default()
        };
        let shop = Self {
            pool: Pool::new(&stores.database_url, options)?,
            admin_pool: Pool::new(&stores.database_url, admin_options)?,
            settings,
            deadline,
            connections_max,
            socket: Cell::new(Some(socket)),
            stores,
        };
        for pool in [&shop.pool, &shop.admin_pool] {
            let warm = pool.warm_up().await;
            warm.map_err(|error| shop.no_room(0, &error))?;
        }
        for setting in flash_db::risks(&mut *shop.admin_pool.get().await?).await? {
            tracing::warn!(
                "PostgreSQL runs with {setting} = off: a crash of its machine loses orders"
            );
        }
        Ok(shop)
    }

    /// What the program was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The connections to PostgreSQL that serve buyers.
    #[must_use]
    pub fn pool(&self) -> Pool {
        self.pool.clone()
    }

    /// PostgreSQL, for who opens connections of its own.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.stores.database_url
    }

    /// Redis: the one that was given, or a private one that starts when it is first asked
    /// for and ends with the shop.
    ///
    /// # Errors
    ///
    /// Why the private one did not start.
    pub async fn redis_url(&self) -> anyhow::Result<&str> {
        self.stores.redis_url(&self.settings).await
    }

    /// The same for who can speak with one Redis alone.
    ///
    /// # Errors
    ///
    /// One sentence where the URL is that of a cluster, of sentinels, or names whom to trust.
    pub async fn one_redis_url(&self) -> anyhow::Result<&str> {
        let url = self.redis_url().await?;
        let scheme = url.split("://").next().unwrap_or_default();
        ensure!(
            !scheme.contains("-cluster") && !scheme.contains("-sentinel"),
            "this strategy speaks with one Redis: take --strategy engine for a cluster or \
             sentinels (--redis-url)"
        );
        ensure!(
            !url.contains("sslrootcert="),
            "this strategy trusts the system's authorities: set SSL_CERT_FILE instead of \
             sslrootcert, or take --strategy engine (--redis-url)"
        );
        Ok(url)
    }

    /// Says that PostgreSQL does not let all connections in that are needed, those of so
    /// many lanes included.
    #[must_use]
    pub fn no_room(&self, lanes: u16, error: &DbError) -> anyhow::Error {
        let pool_size = self.settings.pool_size;
        let (more, named) = match lanes {
            0 => (0, String::new()),
            _ => (lanes + 1, format!(", --lanes {lanes} and one that listens")),
        };
        anyhow!(
            "cannot open {} connections to PostgreSQL (--pool-size {pool_size}, \
             {ADMIN_POOL_SIZE} for admin calls{named}); take a smaller --pool-size, or let \
             PostgreSQL, or the pooler before it, allow more: {}",
            usize::from(pool_size + more) + ADMIN_POOL_SIZE,
            reason(error)
        )
    }

    /// Waits until the strategy can work with its gate, then serves it until the first
    /// SIGTERM or Ctrl-C, and drains: at SIGTERM after `--drain-delay-ms`. Once for each
    /// shop.
    ///
    /// # Errors
    ///
    /// Says which store does not answer in time, or what the operating system refuses.
    pub async fn serve<S: InventoryStrategy>(&self, strategy: S) -> anyhow::Result<()> {
        self.wait_for_redis(&strategy).await?;
        let socket = self.socket.take().context("a shop sells once")?;
        let address = socket.local_addr()?;
        let site = self.site(strategy, address);
        if matches!(site.admin, AdminPolicy::Closed) {
            tracing::warn!("admin calls are off: set ADMIN_TOKEN to create SKUs");
        }
        let shutdown = stop_signal(self.settings.drain_delay)?;
        let listener = listen(socket)?;
        announce(S::NAME, address);
        serve(listener, site, shutdown)
            .await
            .context("the server stopped")
    }

    fn site<S>(&self, strategy: S, address: SocketAddr) -> Site<S> {
        Site {
            strategy: Arc::new(strategy),
            strategy_pool: self.pool.clone(),
            pool: self.admin_pool.clone(),
            admin: admin_policy(self.settings.admin_token.clone(), address),
            limits: Limits {
                workers: self.settings.workers(),
                connections: self.connections_max,
                client_wait: self.settings.client_wait,
                request_timeout: self.settings.request_timeout,
                drain_wait: self.settings.drain_wait,
            },
            docs: self.settings.docs || is_loopback(address),
            draining: Arc::new(AtomicBool::new(false)),
            probe: Probe::default(),
        }
    }

    async fn wait_for_redis<S: InventoryStrategy>(
        &self,
        strategy: &S,
    ) -> anyhow::Result<()> {
        let mut told = false;
        while let Some(Err(error)) = strategy.ready().await.redis {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(reason = reason(&error), "waiting for Redis");
            }
            if Instant::now() >= self.deadline {
                let given = self.settings.redis_url.as_deref();
                let address = given.and_then(|url| redis_address(url).ok());
                let address = address.unwrap_or_else(|| "a private place".to_owned());
                let why = reason(&error);
                bail!("cannot use Redis at {address} (--redis-url): {why}");
            }
            tokio::time::sleep(START_RETRY).await;
        }
        Ok(())
    }
}

fn bind(listen: &str) -> anyhow::Result<TcpSocket> {
    crate::serve::bind(listen).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => {
                "; stop what listens there or choose another --listen"
            }
            ErrorKind::InvalidInput => "; give an address and a port, 127.0.0.1:8080",
            _ => "",
        };
        anyhow!("cannot listen on {listen}: {error}{hint}")
    })
}

fn admin_policy(token: Option<String>, address: SocketAddr) -> AdminPolicy {
    match token.filter(|token| !token.is_empty()) {
        Some(token) => AdminPolicy::Token(token),
        None if is_loopback(address) => AdminPolicy::OpenOnLoopback,
        None => AdminPolicy::Closed,
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Completes at the first SIGTERM or Ctrl-C, with how long the listener stays open: nobody
/// who types Ctrl-C has a proxy that must notice. The second ends the process at once.
fn stop_signal(delay: Duration) -> anyhow::Result<impl Future<Output = Duration>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let open_for = tokio::select! {
            _ = terminate.recv() => delay,
            _ = interrupt.recv() => Duration::ZERO,
        };
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(130);
        });
        open_for
    })
}

/// Prints the one line that other programs wait for.
fn announce(strategy: &str, address: SocketAddr) {
    // Nobody may be there to read it, and the sale goes on.
    let _ = writeln!(std::io::stdout(), "listening on http://{address}");
    tracing::info!(strategy, %address, "ready to sell");
}

/// Turns a log that reached the largest size of a file into a write that fails; by default
/// the signal ends the process.
fn outlive_full_files() -> anyhow::Result<()> {
    // The handler stays when this is dropped.
    let _stream = signal(SignalKind::from_raw(nix::libc::SIGXFSZ))?;
    Ok(())
}
