//! Starts the server; see `server --help`.

use anyhow::Context;
use clap::{Parser, ValueEnum};
use flash_server::cli::{EXAMPLES, Settings};
use flash_server::program;
use mimalloc::MiMalloc;

/// A request allocates some twenty times, and this allocator is faster at it than libc's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Sells limited stock to a crowd over HTTP.
#[derive(Parser)]
#[command(name = "server", version, after_help = EXAMPLES, subcommand_negates_reqs = true)]
struct Args {
    /// Which implementation sells
    #[arg(long, env, value_enum, required = true)]
    strategy: Option<Name>,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// Read, decide, write: oversells
    Naive,
    /// SELECT … FOR UPDATE: exact, one buyer at a time
    Pessimistic,
    /// Redis counts down first, then FOR UPDATE: exact, and the crowd never reaches the row
    Hybrid,
    /// Hybrid for a real sale: one transaction for all that wait, safe under crashes
    Engine,
}

fn main() -> std::process::ExitCode {
    let Args { strategy, settings } = Args::parse();
    program::run_with(settings, async |shop| {
        let (settings, pool) = (shop.settings(), shop.pool());
        let prefix = &*settings.redis_prefix;
        match strategy.context("no strategy")? {
            Name::Naive => shop.serve(phase1_naive::Strategy::new(pool)).await,
            Name::Pessimistic => {
                shop.serve(phase2_pessimistic::Strategy::new(pool)).await
            }
            Name::Hybrid => {
                let (url, lifetime) =
                    (shop.one_redis_url().await?, settings.gate_lifetime);
                let gate = phase3_hybrid::Gate::new(url, prefix, lifetime)?;
                shop.serve(phase3_hybrid::Strategy::new(pool, gate)).await
            }
            Name::Engine => {
                let options = flash_engine::Options {
                    queue_max: settings.queue_max.try_into()?,
                    batch_max: settings.batch_max.into(),
                    lanes: settings.lanes.into(),
                    lock_wait: settings.lock_wait,
                    lease: flash_engine::LEASE,
                };
                let (url, redis_url) = (shop.database_url(), shop.redis_url().await?);
                let gates = flash_engine::Gates { redis_url, prefix };
                let engine = flash_engine::Strategy::start(pool, url, gates, options)?;
                let warm = engine.warm_up().await;
                warm.map_err(|error| shop.no_room(settings.lanes, &error))?;
                shop.serve(engine).await
            }
        }
    })
}
