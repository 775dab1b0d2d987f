//! A COMMIT without an answer: the batch is run again until its outcome is known.

use std::sync::Arc;

use anyhow::{Result, ensure};
use flash_core::Verdict;
use flash_testkit::{Cable, Cut, Sale, Stores, order_of};
use phase3_hybrid::Strategy;

use crate::tampering::OPTIONS;

/// The engine with a cable between its lanes and PostgreSQL.
async fn open() -> Result<(Sale<Strategy>, Cable)> {
    let stores = Stores::new().await?;
    let (cable, database_url) = stores.cable_to_postgresql().await?;
    let (pool, redis_url) = (stores.pool()?, stores.redis_url());
    let strategy = Strategy::start(pool, &database_url, redis_url, OPTIONS)?;
    let sale = Sale {
        strategy: Arc::new(strategy),
        stores,
    };
    sale.stock_up(10, None).await?;
    order_of(sale.buy("zoe", "k1", 1).await?)?;
    Ok((sale, cable))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_one_order_and_the_buyer_is_told() -> Result<()>
{
    let (sale, cable) = open().await?;
    cable.cut_next_commit(Cut::AfterCommit);
    let (order, replayed) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(!replayed, "it is the buyer's first answer");
    let (again, replayed) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(replayed && again == order);
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 3,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_never_arrived_is_sent_again() -> Result<()> {
    let (sale, cable) = open().await?;
    cable.cut_next_commit(Cut::BeforeCommit);
    let (_, replayed) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(!replayed);
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 3,
        "{audit:?}"
    );
    Ok(())
}
