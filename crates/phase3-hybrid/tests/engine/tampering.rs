//! The engine on stores of its own, and ways to tamper with them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use deadpool_redis::redis::{Client, Cmd, FromRedisValue};
use flash_core::Placement;
use flash_testkit::{Sale, Stores, WAIT, sku};
use phase3_hybrid::{Gate, Options, Strategy};

pub(crate) const GATE: &str = "flash:{tee}:gate";

pub(crate) const OPTIONS: Options = Options {
    queue_max: 1_000,
    batch_max: 100,
    lanes: 2,
    lock_wait: Duration::from_secs(5),
};

pub(crate) fn start(stores: &Stores) -> Result<Strategy> {
    start_with(stores, OPTIONS)
}

pub(crate) fn start_with(stores: &Stores, options: Options) -> Result<Strategy> {
    let (database_url, redis_url) = (stores.database_url(), stores.redis_url());
    Ok(Strategy::start(
        stores.pool()?,
        database_url,
        redis_url,
        options,
    )?)
}

pub(crate) async fn redis<T: FromRedisValue>(
    stores: &Stores,
    command: &Cmd,
) -> Result<T> {
    let client = Client::open(stores.redis_url())?;
    let mut conn = client.get_multiplexed_async_connection().await?;
    Ok(command.query_async(&mut conn).await?)
}

pub(crate) async fn free_units(stores: &Stores) -> Result<Option<i64>> {
    Ok(Gate::new(stores.redis_url())?.free_units(&sku()?).await?)
}

/// Buys one unit after the other, by new buyers, until one is told "sold out".
pub(crate) async fn buy_until_sold_out(sale: &Sale<Strategy>) -> Result<i64> {
    for bought in 0..1_000 {
        match sale.buy(&format!("last{bought}"), "k1", 1).await?? {
            Placement::Accepted { .. } => {}
            Placement::SoldOut => return Ok(bought),
            other => anyhow::bail!("{other:?}"),
        }
    }
    anyhow::bail!("there is no end")
}

/// Waits until something holds; only bounds how long a broken test takes.
pub(crate) async fn eventually(
    mut holds: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    while !holds().await? {
        ensure!(Instant::now() < deadline, "it never came to be");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
