//! A refusal leaves nothing behind. In a process of its own, because what is measured is
//! measured for the whole process.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use flash_core::InventoryStrategy;
use flash_engine::{Options, Strategy};
use flash_testkit::{Sale, WAIT, order_of, purchase};

const REFUSALS: u32 = 100_000;

/// What may be added by anything else that lives in this process. A refusal that left as
/// little as eleven bytes behind would be found.
const GROWTH_MAX_KIB: u64 = 1_024;

/// The memory that this process has now, in KiB. The peak that a system reports would not
/// do: on Linux a program starts with the peak of the one that started it.
fn resident_kib() -> Result<u64> {
    let text = if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.context("no VmRSS")?.to_owned()
    } else {
        let pid = std::process::id().to_string();
        let listed = Command::new("ps")
            .args(["-o", "rss=", "-p", &pid])
            .output()?;
        String::from_utf8(listed.stdout)?
    };
    Ok(text.trim().trim_end_matches(" kB").parse()?)
}

async fn refuse(strategy: &Strategy, buyers: std::ops::Range<u32>) -> Result<()> {
    for buyer in buyers {
        let request = purchase(&format!("b{buyer}"), &format!("k{buyer}"), 1)?;
        let answer = strategy.place_order(&request).await?;
        ensure!(answer.is_sold_out(), "{answer:?}");
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
            lease: flash_engine::LEASE,
        };
        let (database_url, redis_url) = (stores.database_url(), stores.redis_url());
        let pool = stores.pool()?;
        Ok(Strategy::start(pool, database_url, redis_url, options)?)
    };
    let sale = Sale::open(start).await?;
    sale.stock_up(1, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;

    refuse(&sale.strategy, 0..REFUSALS).await?;
    let before = resident_kib()?;
    refuse(&sale.strategy, REFUSALS..2 * REFUSALS).await?;
    let growth = resident_kib()?.saturating_sub(before);
    ensure!(growth < GROWTH_MAX_KIB, "{growth} KiB more");
    Ok(())
}
