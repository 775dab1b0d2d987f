//! Redis is a hint: lost, wrong or away, it may cost time but never a unit.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use deadpool_redis::redis::{Client, Cmd, FromRedisValue, cmd};
use flash_core::{InventoryStrategy, Placement, Store, StrategyError, Verdict};
use flash_db::PoolOptions;
use flash_testkit::{Cable, Conductor, Sale, Stores, order_of, purchase, sku};
use phase3_hybrid::{Gate, Options, Strategy};

const GATE: &str = "flash:{tee}:gate";
const OPTIONS: Options = Options {
    queue_max: 1_000,
    redis_pool_size: 8,
};

fn start(stores: &Stores) -> Result<Strategy> {
    Ok(Strategy::new(stores.pool()?, stores.redis_url(), OPTIONS)?)
}

async fn redis<T: FromRedisValue>(stores: &Stores, command: &Cmd) -> Result<T> {
    let client = Client::open(stores.redis_url())?;
    let mut conn = client.get_multiplexed_async_connection().await?;
    Ok(command.query_async(&mut conn).await?)
}

async fn free_units(stores: &Stores) -> Result<Option<i64>> {
    Ok(Gate::new(stores.redis_url())?.free_units(&sku()?).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_writes_nothing() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let keys: u64 = redis(&sale.stores, &cmd("DBSIZE")).await?;
    let known: u64 = redis(&sale.stores, cmd("HLEN").arg("flash:{tee}:keys")).await?;

    for buyer in 0..20 {
        let refused = sale.buy(&format!("b{buyer}"), "k1", 1).await??;
        ensure!(refused == Placement::SoldOut);
    }
    ensure!(redis::<u64>(&sale.stores, &cmd("DBSIZE")).await? == keys);
    let known_now: u64 =
        redis(&sale.stores, cmd("HLEN").arg("flash:{tee}:keys")).await?;
    ensure!(known_now == known && known == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_lost_is_loaded_again() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(3, Some(2)).await?;
    let (first, _) = order_of(sale.buy("ann", "k1", 2).await?)?;
    let _: () = redis(&sale.stores, &cmd("FLUSHDB")).await?;

    // It knows the limit, the key and the stock again.
    ensure!(sale.buy("ann", "k2", 1).await?? == Placement::LimitReached);
    ensure!(free_units(&sale.stores).await? == Some(1));
    order_of(sale.buy("bob", "k1", 1).await?)?;
    ensure!(sale.buy("cid", "k1", 1).await?? == Placement::SoldOut);
    let (again, replayed) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(replayed && again == first);
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_orders_than_fit_into_one_call_are_loaded() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(2_000, None).await?;
    let mut conn = sale.stores.connect().await?;
    diesel_async::RunQueryDsl::execute(
        diesel::sql_query(
            "INSERT INTO orders
                 (order_id, sku, buyer_id, idempotency_key, units, created_at)
             SELECT gen_random_uuid(), 'tee', 'b' || n, 'k1', 1, now()
               FROM generate_series(1, 1999) AS n",
        ),
        &mut conn,
    )
    .await?;
    let sold_all_but_one = "UPDATE skus SET available_units = 1";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(sold_all_but_one), &mut conn)
        .await?;

    order_of(sale.buy("ann", "k1", 1).await?)?;
    let (_, replayed) = order_of(sale.buy("b1999", "k1", 1).await?)?;
    ensure!(replayed);
    ensure!(sale.buy("bob", "k1", 1).await?? == Placement::SoldOut);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_is_too_high_sells_nothing_that_is_not_there() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let too_high = cmd("HSET").arg(GATE).arg("free_units").arg(50).clone();
    let _: () = redis(&sale.stores, &too_high).await?;

    for buyer in 0..10 {
        let refused = sale.buy(&format!("b{buyer}"), "k1", 1).await??;
        ensure!(refused == Placement::SoldOut);
    }
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    // What the vault refused was given back.
    ensure!(free_units(&sale.stores).await? == Some(50));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_the_commit_did_not_use_is_given_back() -> Result<()> {
    let impatient = |stores: &Stores| {
        let pool = stores.pool_with(PoolOptions {
            lock_wait: Duration::from_millis(100),
            ..PoolOptions::default()
        })?;
        Ok(Strategy::new(pool, stores.redis_url(), OPTIONS)?)
    };
    let sale = Sale::open(impatient).await?;
    sale.stock_up(1, None).await?;
    let conductor = Conductor::hold_stock_rows(&sale.stores).await?;
    let busy = sale.buy("ann", "k1", 1).await?;
    ensure!(matches!(busy, Err(StrategyError::Busy)), "{busy:?}");
    ensure!(free_units(&sale.stores).await? == Some(1));
    conductor.release().await?;

    order_of(sale.buy("bob", "k1", 1).await?)?;
    ensure!(free_units(&sale.stores).await? == Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_takes_nothing_from_the_order_it_conflicts_with() -> Result<()> {
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let conflict = sale.buy("ann", "k1", 2).await?;
    ensure!(
        matches!(conflict, Err(StrategyError::KeyReused)),
        "{conflict:?}"
    );
    ensure!(free_units(&sale.stores).await? == Some(0));
    ensure!(order_of(sale.buy("ann", "k1", 1).await?)?.1, "still known");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_when_all_places_are_taken() -> Result<()> {
    let narrow = |stores: &Stores| {
        let options = Options {
            queue_max: 1,
            ..OPTIONS
        };
        Ok(Strategy::new(stores.pool()?, stores.redis_url(), options)?)
    };
    let sale = Sale::open(narrow).await?;
    sale.stock_up(2, None).await?;
    let mut conductor = Conductor::hold_stock_rows(&sale.stores).await?;
    let inside = sale.start_buying(purchase("ann", "k1", 1)?);
    conductor.wait_for_waiting(1).await?;
    let outside = sale.buy("bob", "k1", 1).await?;
    ensure!(matches!(outside, Err(StrategyError::Busy)), "{outside:?}");
    conductor.release().await?;
    order_of(inside.await?)?;
    order_of(sale.buy("bob", "k1", 1).await?)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_away_is_unavailable_and_comes_back_by_itself() -> Result<()> {
    let stores = Stores::new().await?;
    let (socket, database) = stores
        .redis_url()
        .trim_start_matches("redis+unix://")
        .split_once("?db=")
        .context("a socket and a database")?;
    let mut cable = Cable::plug_in(PathBuf::from(socket)).await?;
    let redis_url = format!("redis://{}/{database}", cable.address());
    let sale = Sale::open(|stores: &Stores| {
        Ok(Strategy::new(stores.pool()?, &redis_url, OPTIONS)?)
    })
    .await?;
    sale.stock_up(2, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;

    cable.pull_out().await;
    let away = sale.buy("bob", "k1", 1).await?;
    let is_redis = matches!(
        away,
        Err(StrategyError::Unavailable {
            store: Store::Redis
        })
    );
    ensure!(is_redis, "{away:?}");
    ensure!(sale.strategy.stock(&sku()?).await?.available_units == 1);

    cable.put_back().await?;
    order_of(sale.buy("bob", "k1", 1).await?)?;
    ensure!(sale.audit().await?.verdict == Verdict::Exact);
    Ok(())
}
