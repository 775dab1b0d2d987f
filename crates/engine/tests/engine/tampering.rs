//! The engine on stores of its own, and ways to tamper with them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use diesel::QueryableByName;
use diesel::sql_types::{Array, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_core::Placement;
use flash_engine::{LEASE, Options, Strategy, gate_free_units};
use flash_testkit::{Sale, Stores, WAIT, sku};
use redis::{Client, Cmd, FromRedisValue};

pub(crate) const GATE: &str = "flash:{tee}:gate";

pub(crate) const OPTIONS: Options = Options {
    queue_max: 1_000,
    batch_max: 100,
    lanes: 2,
    lock_wait: Duration::from_secs(5),
    lease: LEASE,
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
    Ok(gate_free_units(stores.redis_url(), &sku()?).await?)
}

/// Buys one unit after the other, by new buyers, until one is told "sold out".
pub(crate) async fn buy_until_sold_out(sale: &Sale<Strategy>) -> Result<i64> {
    for bought in 0..1_000 {
        let buyer = format!("last{bought}");
        match tokio::time::timeout(WAIT, sale.buy(&buyer, "k1", 1)).await??? {
            Placement::Accepted { .. } => {}
            Placement::SoldOut { .. } => return Ok(bought),
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

#[derive(QueryableByName)]
struct Waits {
    #[diesel(sql_type = Array<Text>)]
    waits: Vec<String>,
}

/// The waits for a lock that go on in the database of a connection for statements with
/// this text in them, each by who waits and since when.
pub(crate) async fn lock_waits(
    conn: &mut AsyncPgConnection,
    statement: &str,
) -> Result<Vec<String>> {
    let Waits { waits } = diesel::sql_query(
        "SELECT coalesce(array_agg(pid || ' since ' || waitstart), '{}') AS waits
           FROM pg_locks JOIN pg_stat_activity USING (pid)
          WHERE datname = current_database() AND waitstart IS NOT NULL
            AND strpos(query, $1) > 0",
    )
    .bind::<Text, _>(statement)
    .get_result(conn)
    .await?;
    Ok(waits)
}
