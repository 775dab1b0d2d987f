//! A server program of an exercise.

use std::process::ExitCode;

use flash_core::StrategyError;
use flash_server::Shop;
use flash_server::cli::Settings;
use flash_server::program;

use super::sells::{Sells, Served, Stores, served};

/// Makes what is served, and says whether it needs Redis.
pub type Make = (fn(&Stores) -> Result<Served, StrategyError>, bool);

/// Serves an exercise, as the command line says.
pub fn serve<E: Sells>() -> ExitCode {
    let make: Make = (served::<E>, E::USES_REDIS);
    program::run(async |shop| sell(shop, make).await)
}

/// The same for who has parsed the command line.
pub fn serve_with(settings: Settings, make: Make) -> ExitCode {
    program::run_with(settings, async |shop| sell(shop, make).await)
}

async fn sell(shop: Shop, (make, uses_redis): Make) -> anyhow::Result<()> {
    let redis_url = match uses_redis {
        true => Some(shop.redis_url().await?.to_owned()),
        false => None,
    };
    let pool = shop.pool();
    shop.serve(make(&Stores { pool, redis_url })?).await
}
