//! Starts the server; see `server --help`.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use flash_server::cli::{EXAMPLES, Settings};
use flash_server::program;
use mimalloc::MiMalloc;

/// A request allocates some twenty times, and this allocator is faster at it than libc's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Sells limited stock to a crowd over HTTP.
#[derive(Parser)]
#[command(name = "server", version, after_help = EXAMPLES)]
struct Args {
    /// Which implementation sells
    #[arg(long, env, value_enum)]
    strategy: Name,

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

fn main() -> ExitCode {
    let Args { strategy, settings } = Args::parse();
    program::run_with(settings, async |shop| match strategy {
        Name::Naive => shop.serve(phase1_naive::Strategy::new(shop.pool())).await,
        Name::Pessimistic => {
            shop.serve(phase2_pessimistic::Strategy::new(shop.pool()))
                .await
        }
        Name::Hybrid => {
            let settings = shop.settings();
            let lifetime = settings.gate_lifetime;
            let (redis, prefix) =
                (shop.one_redis_url().await?, &*settings.redis_prefix);
            let gate = phase3_hybrid::Gate::new(redis, prefix, lifetime)?;
            shop.serve(phase3_hybrid::Strategy::new(shop.pool(), gate))
                .await
        }
        Name::Engine => {
            let (settings, pool) = (shop.settings(), shop.pool());
            let options = flash_engine::Options {
                queue_max: settings.queue_max.try_into()?,
                batch_max: settings.batch_max.into(),
                lanes: settings.lanes.into(),
                lock_wait: settings.lock_wait,
                lease: flash_engine::LEASE,
            };
            let gates = flash_engine::Gates {
                redis_url: shop.redis_url().await?,
                prefix: &settings.redis_prefix,
            };
            let database = shop.database_url();
            let engine = flash_engine::Strategy::start(pool, database, gates, options)?;
            let warm = engine.warm_up().await;
            warm.map_err(|error| shop.no_room(settings.lanes, &error))?;
            shop.serve(engine).await
        }
    })
}
