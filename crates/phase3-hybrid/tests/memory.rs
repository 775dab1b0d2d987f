//! A refusal leaves nothing behind. In a process of its own, because what is measured is
//! measured for the whole process.

use anyhow::{Result, ensure};
use flash_core::{InventoryStrategy, Placement};
use flash_testkit::{Sale, WAIT, order_of, purchase};
use nix::sys::resource::{UsageWho, getrusage};
use phase3_hybrid::{Options, Strategy};

const REFUSALS: u32 = 100_000;

/// What may be added by anything else that lives in this process. A refusal that left as
/// little as eleven bytes behind would be found.
const GROWTH_MAX_BYTES: i64 = 1 << 20;

/// The most memory that this process has had so far, in bytes.
fn peak_bytes() -> Result<i64> {
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    Ok(getrusage(UsageWho::RUSAGE_SELF)?.max_rss() * unit)
}

async fn refuse(strategy: &Strategy, buyers: std::ops::Range<u32>) -> Result<()> {
    for buyer in buyers {
        let request = purchase(&format!("b{buyer}"), &format!("k{buyer}"), 1)?;
        let answer = strategy.place_order(&request).await?;
        ensure!(answer == Placement::SoldOut, "{answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_does_not_grow_with_refusals() -> Result<()> {
    let start = |stores: &flash_testkit::Stores| {
        let options = Options {
            queue_max: 1_000,
            batch_max: 100,
            lanes: 2,
            lock_wait: WAIT,
        };
        let (database_url, redis_url) = (stores.database_url(), stores.redis_url());
        let pool = stores.pool()?;
        Ok(Strategy::start(pool, database_url, redis_url, options)?)
    };
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;

    refuse(&sale.strategy, 0..REFUSALS).await?;
    let before = peak_bytes()?;
    refuse(&sale.strategy, REFUSALS..2 * REFUSALS).await?;
    let growth = peak_bytes()? - before;
    ensure!(growth < GROWTH_MAX_BYTES, "{growth} bytes more");
    Ok(())
}
