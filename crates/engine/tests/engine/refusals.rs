//! What a refusal costs once a SKU is known to be sold out: nothing.

use anyhow::{Context, Result, ensure};
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_core::{InventoryStrategy, StockTerms};
use flash_db::{Pool, PoolOptions};
use flash_engine::Strategy;
use flash_sandbox::{Options, Sandbox};
use flash_testkit::{WAIT, purchase, sku};
use redis::{Client, InfoDict, cmd};

use crate::tampering::{OPTIONS, eventually};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Statements that PostgreSQL has run in all, this one and its likes not counted.
async fn statements(conn: &mut AsyncPgConnection) -> Result<i64> {
    let counted: Count = diesel::sql_query(
        "SELECT coalesce(sum(calls), 0)::bigint AS count FROM pg_stat_statements
          WHERE query NOT LIKE '%pg_stat_statements%'",
    )
    .get_result(conn)
    .await?;
    Ok(counted.count)
}

/// Commands that Redis has run in all; asking is one.
async fn commands(redis_url: &str) -> Result<u64> {
    let mut conn = Client::open(redis_url)?
        .get_multiplexed_async_connection()
        .await?;
    let info: InfoDict = cmd("INFO")
        .arg("commandstats")
        .query_async(&mut conn)
        .await?;
    let calls = |name: &str| {
        let stats: Option<String> = info.get(&format!("cmdstat_{name}"));
        let calls = stats?
            .split(',')
            .next()?
            .strip_prefix("calls=")?
            .parse::<u64>();
        calls.ok()
    };
    let used = ["evalsha", "script|load", "hset", "hget", "hmget"];
    Ok(used.iter().filter_map(|name| calls(name)).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_latched_refusal_costs_no_statement_and_no_command() -> Result<()> {
    // Stores of its own: what is counted here is counted for the whole server.
    let options = Options {
        fsync: false,
        ..Options::default()
    };
    let sandbox =
        tokio::task::spawn_blocking(move || Sandbox::start(&options)).await??;
    let database_url = sandbox.database_url().context("no PostgreSQL")?;
    let redis_url = sandbox.redis_url().context("no Redis")?;
    flash_db::migrate(database_url, WAIT).await?;
    let mut conn = flash_db::connect(database_url).await?;
    conn.batch_execute("CREATE EXTENSION pg_stat_statements")
        .await?;
    flash_db::skus::create(&mut conn, &sku()?, StockTerms::new(1, None)?).await?;

    let pool = Pool::new(database_url, PoolOptions::default())?;
    let strategy = Strategy::start(pool, database_url, redis_url, OPTIONS)?;
    strategy.place_order(&purchase("ann", "k1", 1)?).await?;
    // The latch is set soon after the last unit is sold; from then on nothing is counted.
    let mut buyers = 0;
    eventually(async || {
        buyers += 1;
        let before = (statements(&mut conn).await?, commands(redis_url).await?);
        refuse(&strategy, buyers).await?;
        Ok(before == (statements(&mut conn).await?, commands(redis_url).await?))
    })
    .await?;

    let before = (statements(&mut conn).await?, commands(redis_url).await?);
    ensure!(
        before.0 > 0 && before.1 > 0,
        "nothing is counted at all: {before:?}"
    );
    for buyer in 0..10_000 {
        refuse(&strategy, 1_000_000 + buyer).await?;
    }
    let after = (statements(&mut conn).await?, commands(redis_url).await?);
    ensure!(before == after, "before {before:?}, after {after:?}");
    Ok(())
}

async fn refuse(strategy: &Strategy, buyer: u32) -> Result<()> {
    let answer = strategy
        .place_order(&purchase(&format!("b{buyer}"), "k1", 1)?)
        .await?;
    ensure!(answer.is_sold_out(), "{answer:?}");
    Ok(())
}
