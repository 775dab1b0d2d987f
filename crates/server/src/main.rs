//! Starts the server; see `server --help`.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use actix_web::rt::System;
use anyhow::{Context, anyhow};
use clap::Parser;
use flash_core::{InventoryStrategy, reason};
use flash_db::{DbError, Pool, PoolOptions};
use flash_sandbox::SandboxError;
use flash_server::cli::{Args, StrategyName};
use flash_server::{
    ADMIN_POOL_SIZE, AdminPolicy, Invalid, Limits, Probe, Site, Stores, check_secrets,
    connections_max, end_on_panic, say, serve, start_logging,
};
use mimalloc::MiMalloc;
use tokio::net::TcpSocket;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// A request allocates some twenty times, and this allocator is faster at it than libc's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The exit code for arguments that make no sense; clap uses the same.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    end_on_panic();
    let args = Args::parse();
    start_logging(args.log_format);
    // The rooms pass work to each other all the time. On one thread that needs no system
    // call, and one thread passes on far more orders than PostgreSQL takes.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            say(format_args!("error: cannot start threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // With an actix system in place, many answers that are ready together wake a worker
    // once; without one, each is a system call.
    let _system = System::with_tokio_rt(|| Arc::clone(&runtime));
    match runtime.block_on(run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(error) = error.downcast_ref::<SandboxError>() {
                // It says its cause itself.
                say(format_args!("error: {error}"));
                return ExitCode::from(error.exit_code());
            }
            say(format_args!("error: {error:#}"));
            ExitCode::from(if error.is::<Invalid>() { USAGE } else { 1 })
        }
    }
}

/// All that a strategy sells with.
struct Shop {
    socket: TcpSocket,
    connections_max: usize,
    stores: Stores,
    pool: Pool,
    admin_pool: Pool,
}

impl Shop {
    async fn open(args: &Args) -> anyhow::Result<Self> {
        check_secrets(args)?;
        let connections_max = connections_max(args)?;
        outlive_full_files()?;
        // Before anything is started: an occupied port should cost no waiting.
        let socket = bind(&args.listen)?;
        let stores = Stores::open(args).await?;

        let pool = Pool::new(
            &stores.database_url,
            PoolOptions {
                size: args.pool_size.into(),
                wait: args.pool_wait,
                lock_wait: args.lock_wait,
            },
        )?;
        let admin_pool = Pool::new(
            &stores.database_url,
            PoolOptions {
                size: ADMIN_POOL_SIZE,
                ..PoolOptions::default()
            },
        )?;
        pool.warm_up()
            .await
            .map_err(|error| no_room(args, &error))?;
        admin_pool
            .warm_up()
            .await
            .map_err(|error| no_room(args, &error))?;
        for setting in flash_db::risks(&mut *admin_pool.get().await?).await? {
            tracing::warn!(
                "PostgreSQL runs with {setting} = off: a crash of its machine loses orders"
            );
        }
        Ok(Self {
            socket,
            connections_max,
            stores,
            pool,
            admin_pool,
        })
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let shop = Shop::open(&args).await?;
    match args.strategy {
        StrategyName::Naive => {
            let strategy = phase1_naive::Strategy::new(shop.pool.clone());
            sell(strategy, shop, &args).await
        }
        StrategyName::Pessimistic => {
            let strategy = phase2_pessimistic::Strategy::new(shop.pool.clone());
            sell(strategy, shop, &args).await
        }
        StrategyName::Hybrid => {
            let redis_url = shop.stores.redis_url.as_deref();
            let gate = phase3_hybrid::Gate::new(
                redis_url.context("hybrid needs Redis")?,
                args.gate_lifetime,
            )?;
            let strategy = phase3_hybrid::Strategy::new(shop.pool.clone(), gate);
            sell(strategy, shop, &args).await
        }
        StrategyName::Engine => {
            let options = flash_engine::Options {
                queue_max: args.queue_max.try_into()?,
                batch_max: args.batch_max.into(),
                lanes: args.lanes.into(),
                lock_wait: args.lock_wait,
            };
            let redis_url = shop.stores.redis_url.as_deref();
            let strategy = flash_engine::Strategy::start(
                shop.pool.clone(),
                &shop.stores.database_url,
                redis_url.context("the engine needs Redis")?,
                options,
            )?;
            let warm = strategy.warm_up().await;
            warm.map_err(|error| no_room(&args, &error))?;
            sell(strategy, shop, &args).await
        }
    }
}

/// Serves one strategy until a signal comes.
async fn sell<S: InventoryStrategy>(
    strategy: S,
    shop: Shop,
    args: &Args,
) -> anyhow::Result<()> {
    let address = shop.socket.local_addr()?;
    let site = Site {
        strategy,
        strategy_pool: shop.pool,
        pool: shop.admin_pool,
        gate: shop.stores.gate.clone(),
        admin: admin_policy(args.admin_token.clone(), address),
        limits: Limits {
            workers: args.workers(),
            connections: shop.connections_max,
            client_wait: args.client_wait,
            request_timeout: args.request_timeout,
            drain_wait: args.drain_wait,
        },
        docs: args.docs || is_loopback(address),
        draining: AtomicBool::new(false),
        probe: Probe::default(),
    };
    if matches!(site.admin, AdminPolicy::Closed) {
        tracing::warn!("admin calls are off: set ADMIN_TOKEN to create SKUs");
    }
    let shutdown = stop_signal()?;
    let listener = flash_server::listen(shop.socket)?;
    announce(S::NAME, address);
    serve(listener, site, shutdown)
        .await
        .context("the server stopped")
}

/// PostgreSQL does not let all connections in that are needed.
fn no_room(args: &Args, error: &DbError) -> anyhow::Error {
    let (pool, lanes) = (args.pool_size, args.lanes);
    let (lanes, named) = match args.strategy {
        StrategyName::Engine => {
            (lanes + 1, format!(", --lanes {lanes} and one that listens"))
        }
        _ => (0, String::new()),
    };
    anyhow!(
        "cannot open {} connections to PostgreSQL (--pool-size {pool}, {ADMIN_POOL_SIZE} for \
         admin calls{named}); take a smaller --pool-size, or let PostgreSQL allow more: {}",
        usize::from(pool + lanes) + ADMIN_POOL_SIZE,
        reason(error)
    )
}

fn bind(listen: &str) -> anyhow::Result<TcpSocket> {
    flash_server::bind(listen).map_err(|error| {
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

/// Completes at the first SIGTERM or Ctrl-C; the second ends the process at once.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            std::process::exit(130);
        });
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
