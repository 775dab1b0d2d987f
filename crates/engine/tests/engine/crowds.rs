//! Many at once: how few commits they need, and who must not be kept waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use flash_core::{InventoryStrategy, Placement, Sku, StockTerms, StrategyError};
use flash_db::{Pool, PoolOptions};
use flash_engine::{Options, Strategy};
use flash_sandbox::Sandbox;
use flash_testkit::{Sale, Stores, WAIT, order_of, purchase, sku};
use tokio::task::JoinSet;

use crate::tampering::start_with;

/// What the server has without any flag.
const OPTIONS: Options = Options {
    queue_max: 20_000,
    batch_max: 1_024,
    lanes: 2,
    lock_wait: WAIT,
    lease: flash_engine::LEASE,
};

const BUYERS: u32 = 256;

/// Orders that each of them places, one after the other.
const ROUNDS: u32 = 20;

/// The promise.
const ORDERS_PER_COMMIT_MIN: i64 = 20;

#[derive(QueryableByName)]
struct Written {
    #[diesel(sql_type = BigInt)]
    orders: i64,
    #[diesel(sql_type = BigInt)]
    commits: i64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_shares_its_commits() -> Result<()> {
    // With fsync: a commit that waits for the disk is what makes the next batch gather.
    let sandbox = tokio::task::spawn_blocking(|| Sandbox::start(&Default::default()));
    let sandbox = sandbox.await??;
    let database_url = sandbox.database_url().context("no PostgreSQL")?;
    let redis_url = sandbox.redis_url().context("no Redis")?;
    flash_db::migrate(database_url, WAIT).await?;
    let mut conn = flash_db::connect(database_url).await?;
    let terms = StockTerms::new(1_000_000, None)?;
    flash_db::skus::create(&mut conn, &sku()?, terms).await?;
    let pool = Pool::new(database_url, PoolOptions::default())?;
    let strategy = Strategy::start(pool, database_url, redis_url, OPTIONS)?;
    let strategy = Arc::new(strategy);

    let mut buying = JoinSet::new();
    for buyer in 0..BUYERS {
        let strategy = Arc::clone(&strategy);
        buying.spawn(async move {
            for round in 0..ROUNDS {
                let request = purchase(&format!("b{buyer}"), &format!("k{round}"), 1)?;
                order_of(strategy.place_order(&request).await)?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(bought) = buying.join_next().await {
        bought??;
    }

    // Rows that were written by one transaction have the same xmin.
    let Written { orders, commits } = diesel::sql_query(
        "SELECT count(*) AS orders, count(DISTINCT xmin::text) AS commits FROM orders",
    )
    .get_result(&mut conn)
    .await?;
    ensure!(orders == i64::from(BUYERS * ROUNDS), "{orders} orders");
    ensure!(
        orders >= ORDERS_PER_COMMIT_MIN * commits,
        "{orders} orders in {commits} commits"
    );
    Ok(())
}

/// Who buys the hot SKU, over and over again, until all others are served.
async fn crowd_around(
    strategy: Arc<Strategy>,
    buyer: u32,
    served: Arc<AtomicBool>,
) -> Result<u32> {
    let mut orders = 0;
    while !AtomicBool::load(&served, Ordering::Relaxed) {
        let request = purchase(&format!("b{buyer}"), &format!("k{orders}"), 1)?;
        order_of(strategy.place_order(&request).await)?;
        orders += 1;
    }
    Ok(orders)
}

async fn buy_one_of(
    strategy: Arc<Strategy>,
    number: u32,
) -> Result<Result<Placement, StrategyError>> {
    let mut request = purchase("ann", &format!("k{number}"), 1)?;
    request.sku = Sku::new(format!("quiet-{number}"))?;
    Ok(strategy.place_order(&request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hot_sku_does_not_starve_a_thousand_others() -> Result<()> {
    let sale = Sale::open(|stores: &Stores| start_with(stores, OPTIONS)).await?;
    sale.stock_up(100_000_000, None).await?;
    let mut conn = sale.stores.connect().await?;
    conn.batch_execute(
        "INSERT INTO skus (sku, initial_units, available_units)
         SELECT 'quiet-' || number, 1, 1 FROM generate_series(0, 999) AS number",
    )
    .await?;

    let served = Arc::new(AtomicBool::new(false));
    let mut crowd = JoinSet::new();
    for buyer in 0..BUYERS {
        let (strategy, served) = (Arc::clone(&sale.strategy), Arc::clone(&served));
        crowd.spawn(crowd_around(strategy, buyer, served));
    }
    // The crowd never ends by itself: if the others had to wait for its end, they would
    // wait for ever.
    for wave in 0..20 {
        let mut others = JoinSet::new();
        for number in wave * 50..(wave + 1) * 50 {
            others.spawn(buy_one_of(Arc::clone(&sale.strategy), number));
        }
        while let Some(answer) = tokio::time::timeout(WAIT, others.join_next()).await? {
            order_of(answer??)?;
        }
    }
    served.store(true, Ordering::Relaxed);
    while let Some(orders) = crowd.join_next().await {
        ensure!(orders?? > 0, "nobody was there");
    }
    ensure!(sale.audit().await?.verdict == flash_core::Verdict::Exact);
    Ok(())
}
