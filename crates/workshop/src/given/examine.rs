//! Examines a test: it has to be green against what is right, and red against what is not,
//! each time.

use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use flash_core::{Placement, PurchaseRequest, StrategyError};
use flash_db::{DbError, Pool, orders};
use flash_testkit::{Sale, Stores as Tested};

use super::finding::{Finding, tell};
use super::sale::{bought, bought_before, end, sell_at_the_row, sold_out};
use super::sells::{Sells, Served, Stores, served};
use super::stock::{lock_stock, read_stock, write_stock};
use diesel_async::SimpleAsyncConnection;

/// How often each of them is tested.
const TIMES: u32 = 5;

/// What a test that waits for what never comes may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What is tested: nobody sees which.
pub type BlackBox = Sale<Served>;

/// A test, to be handed over.
pub type Test =
    for<'a> fn(
        &'a BlackBox,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send + 'a>>;

/// What is wrong with a strategy that a test is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    NoLock,
    LockAfterTheRead,
    UnlockBeforeTheWrite,
}

/// A test that is examined: what it does, and its text.
pub fn examine(test: Test, source: &str) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().map_err(anyhow::Error::from);
    tell(runtime.and_then(|runtime| runtime.block_on(look_at(test, source))))
}

async fn look_at(test: Test, source: &str) -> anyhow::Result<Finding> {
    let mut finding = Finding::default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let mut lines = source.lines().filter(is_code);
    let sleeps = lines.any(|it| it.contains("sleep")).then(|| {
        "your test sleeps: whoever sleeps hopes. What can it wait for instead?"
            .to_owned()
    });
    if !finding.holds("waits-for-what-it-needs", sleeps) {
        return Ok(finding);
    }
    let red = red_on_what_is_right(test).await?;
    if !finding.holds("green-on-what-is-right", red) {
        return Ok(finding);
    }
    let green = green_on_what_is_not(test).await?;
    finding.holds("red-on-what-is-not", green);
    Ok(finding)
}

async fn red_on_what_is_right(test: Test) -> anyhow::Result<Option<String>> {
    for _ in 0..TIMES {
        if let Err(error) = run(test, Mistake::None).await? {
            return Ok(Some(format!(
                "against the strategy that is right your test was red: {error}. Who waits for \
                 whom?"
            )));
        }
    }
    Ok(None)
}

async fn green_on_what_is_not(test: Test) -> anyhow::Result<Option<String>> {
    for (mistake, name) in [
        (Mistake::NoLock, "no lock"),
        (Mistake::LockAfterTheRead, "lock after the read"),
        (Mistake::UnlockBeforeTheWrite, "unlock before the write"),
    ] {
        for _ in 0..TIMES {
            if run(test, mistake).await?.is_ok() {
                return Ok(Some(format!(
                    "against *{name}* your test was green. What has to wait, and where, before \
                     the row is let go, and what is looked at in the end?"
                )));
            }
        }
    }
    Ok(None)
}

async fn run(test: Test, mistake: Mistake) -> anyhow::Result<anyhow::Result<()>> {
    let sale = Sale::open(|stores: &Tested| {
        let stores = Stores {
            pool: stores.pool()?,
            redis_url: None,
        };
        Ok(match mistake {
            Mistake::None => served::<Wrong<0>>(&stores)?,
            Mistake::NoLock => served::<Wrong<1>>(&stores)?,
            Mistake::LockAfterTheRead => served::<Wrong<2>>(&stores)?,
            Mistake::UnlockBeforeTheWrite => served::<Wrong<3>>(&stores)?,
        })
    })
    .await?;
    let late = |_| Err(anyhow::anyhow!("it took longer than {} s", LIMIT.as_secs()));
    Ok(tokio::time::timeout(LIMIT, test(&sale))
        .await
        .unwrap_or_else(late))
}

/// A strategy with the mistake of this number.
struct Wrong<const MISTAKE: u8> {
    pool: Pool,
}

impl<const MISTAKE: u8> Sells for Wrong<MISTAKE> {
    fn new(stores: &Stores) -> Result<Self, StrategyError> {
        let pool = stores.pool.clone();
        Ok(Self { pool })
    }

    async fn place_order(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Placement, StrategyError> {
        let mistake = match MISTAKE {
            0 => return sell_at_the_row(&self.pool, request).await,
            1 => Mistake::NoLock,
            2 => Mistake::LockAfterTheRead,
            _ => Mistake::UnlockBeforeTheWrite,
        };
        let mut conn = self.pool.begin().await?;
        let placement = purchase(&mut conn, request, mistake).await;
        Ok(end(&mut conn, request, placement).await?)
    }
}

async fn purchase(
    conn: &mut flash_db::Connection,
    request: &PurchaseRequest,
    mistake: Mistake,
) -> Result<Placement, DbError> {
    let is_unlocked = mistake == Mistake::UnlockBeforeTheWrite;
    if is_unlocked {
        conn.batch_execute("SELECT pg_advisory_lock(1)").await?;
    }
    let on_sale = read_stock(conn, &request.sku).await?;
    if is_unlocked {
        conn.batch_execute("SELECT pg_advisory_unlock(1)").await?;
    }
    if let Some(order) = orders::find_by_key(conn, request).await? {
        return Ok(bought_before(order));
    }
    if !on_sale.has(request) {
        return Ok(sold_out());
    }
    if mistake == Mistake::LockAfterTheRead {
        lock_stock(conn, &request.sku).await?;
    }
    let remaining = on_sale.available_units - request.units.get();
    write_stock(conn, &request.sku, remaining).await?;
    Ok(bought(orders::insert(conn, request).await?))
}
