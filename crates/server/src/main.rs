//! Starts the server; see `server --help`.

use std::fmt::{self, Display, Formatter};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
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
use flash_server::{AdminPolicy, Limits, Probe, Site, Stores, serve, start_logging};
use mimalloc::MiMalloc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use phase3_hybrid::Gate;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// A request allocates some twenty times, and this allocator is faster at it than libc's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The exit code for arguments that make no sense; clap uses the same.
const USAGE: u8 = 2;

/// Connections to PostgreSQL for admin calls and probes.
const ADMIN_POOL_SIZE: usize = 4;

fn main() -> ExitCode {
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
            eprintln!("error: cannot start threads: {error}");
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
                eprintln!("error: {error}");
                return ExitCode::from(error.exit_code());
            }
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<InvalidUrl>() { USAGE } else { 1 })
        }
    }
}

/// A URL that clap took for one.
#[derive(Debug)]
struct InvalidUrl(String);

impl std::error::Error for InvalidUrl {}

impl Display for InvalidUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Says which URL is wrong before anything is started. The URL itself may hold a password
/// and is not shown.
fn check_urls(args: &Args) -> Result<(), InvalidUrl> {
    if let Some(url) = &args.database_url {
        Pool::new(url, PoolOptions::default()).map_err(|error| {
            InvalidUrl(format!("--database-url (DATABASE_URL): {}", reason(&error)))
        })?;
    }
    if let Some(url) = &args.redis_url {
        Gate::new(url).map_err(|error| {
            InvalidUrl(format!("--redis-url (REDIS_URL): {}", reason(&error)))
        })?;
    }
    Ok(())
}

async fn run(args: Args) -> anyhow::Result<()> {
    check_urls(&args)?;
    raise_open_files_limit();
    // Before anything is started: an occupied port should cost no waiting.
    let listener = bind(&args.listen)?;
    let stores = Stores::open(&args).await?;

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
    let no_room =
        |error: DbError| anyhow!("{}: {}", connections(&args), reason(&error));
    pool.warm_up().await.map_err(no_room)?;
    admin_pool.warm_up().await.map_err(no_room)?;
    for setting in flash_db::risks(&mut *admin_pool.get().await?).await? {
        tracing::warn!(
            "PostgreSQL runs with {setting} = off: a crash of its machine loses orders"
        );
    }
    match args.strategy {
        StrategyName::Naive => {
            let strategy = phase1_naive::Strategy::new(pool.clone());
            sell(strategy, [pool, admin_pool], listener, &stores, &args).await
        }
        StrategyName::Pessimistic => {
            let strategy = phase2_pessimistic::Strategy::new(pool.clone());
            sell(strategy, [pool, admin_pool], listener, &stores, &args).await
        }
        StrategyName::Hybrid => {
            let options = phase3_hybrid::Options {
                queue_max: args.queue_max.try_into()?,
                batch_max: args.batch_max.into(),
                lanes: args.lanes.into(),
                lock_wait: args.lock_wait,
            };
            let redis_url =
                stores.redis_url.as_deref().context("hybrid needs Redis")?;
            let strategy = phase3_hybrid::Strategy::start(
                pool.clone(),
                &stores.database_url,
                redis_url,
                options,
            )?;
            strategy.warm_up().await.map_err(no_room)?;
            sell(strategy, [pool, admin_pool], listener, &stores, &args).await
        }
    }
}

/// Serves one strategy until a signal comes.
async fn sell<S: InventoryStrategy>(
    strategy: S,
    [strategy_pool, pool]: [Pool; 2],
    listener: TcpListener,
    stores: &Stores,
    args: &Args,
) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let site = Site {
        strategy,
        strategy_pool,
        pool,
        gate: stores.gate.clone(),
        admin: admin_policy(args.admin_token.clone(), address),
        limits: Limits {
            workers: args.workers.map_or(cores, usize::from),
            client_wait: args.client_wait,
            request_timeout: args.request_timeout,
            drain_wait: args.drain_wait,
        },
        draining: AtomicBool::new(false),
        probe: Probe::default(),
    };
    if matches!(site.admin, AdminPolicy::Closed) {
        tracing::warn!("admin calls are off: set ADMIN_TOKEN to create SKUs");
    }
    let shutdown = stop_signal()?;
    announce(S::NAME, address);
    serve(listener, site, shutdown)
        .await
        .context("the server stopped")
}

/// What to say where PostgreSQL does not let all connections in that are needed.
fn connections(args: &Args) -> String {
    let (pool, lanes) = (args.pool_size, args.lanes);
    let (lanes, named) = match args.strategy {
        StrategyName::Hybrid => {
            (lanes + 1, format!(", --lanes {lanes} and one that listens"))
        }
        StrategyName::Naive | StrategyName::Pessimistic => (0, String::new()),
    };
    format!(
        "cannot open {} connections to PostgreSQL (--pool-size {pool}, {ADMIN_POOL_SIZE} for \
         admin calls{named}); take a smaller --pool-size, or let PostgreSQL allow more",
        usize::from(pool + lanes) + ADMIN_POOL_SIZE
    )
}

fn bind(listen: &str) -> anyhow::Result<TcpListener> {
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
        None if address.ip().is_loopback() => AdminPolicy::OpenOnLoopback,
        None => AdminPolicy::Closed,
    }
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
#[expect(clippy::print_stdout, reason = "the line is this program's output")]
fn announce(strategy: &str, address: SocketAddr) {
    println!("listening on http://{address}");
    tracing::info!(strategy, %address, "ready to sell");
}

/// A thousand buyers need a thousand open files, and the usual soft limit is 1024.
fn raise_open_files_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
