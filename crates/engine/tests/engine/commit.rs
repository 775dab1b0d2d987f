//! A COMMIT without an answer: the batch is run again until its outcome is known.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use flash_core::{Placement, StrategyError, Verdict};
use flash_engine::Strategy;
use flash_testkit::{Cable, Cut, Sale, Stores, order_of, purchase};
use tokio::task::JoinHandle;

use crate::tampering::{OPTIONS, eventually, lock_waits};

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
    cable.cut_commits(Cut::AfterCommit, 1);
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
    cable.cut_commits(Cut::BeforeCommit, 1);
    let (_, replayed) = order_of(sale.buy("ann", "k1", 2).await?)?;
    ensure!(!replayed);
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 3,
        "{audit:?}"
    );
    Ok(())
}

const OVERTAKE: &str = "SELECT FROM skus WHERE true FOR UPDATE";

type Buying = JoinHandle<Result<Placement, StrategyError>>;

/// Ann buys, her COMMIT is cut, and before her batch is run again somebody else has locked
/// the stock row: the connection that is returned.
async fn cut_and_overtaken(
    sale: &Sale<Strategy>,
    cable: &Cable,
    cut: Cut,
) -> Result<(Buying, AsyncPgConnection)> {
    let mut conductor = sale.hold_stock_rows().await?;
    let buying = sale.start_buying(purchase("ann", "k1", 2)?);
    conductor.wait_for_waiting(1).await?;
    let overtaker = async {
        let mut conn = sale.stores.connect().await?;
        conn.batch_execute(&format!("BEGIN; {OVERTAKE}")).await?;
        anyhow::Ok(conn)
    };
    let let_go = async {
        // Both stand in line.
        let mut conn = sale.stores.connect().await?;
        eventually(async || Ok(!lock_waits(&mut conn, OVERTAKE).await?.is_empty()))
            .await?;
        cable.cut_commit_and_refuse(cut);
        conductor.release().await
    };
    let (overtaker, ()) = tokio::try_join!(overtaker, let_go)?;
    cable.heal();
    Ok((buying, overtaker))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_stays_unknown_however_often_its_batch_is_run_in_vain() -> Result<()> {
    let (sale, cable) = open().await?;
    let (buying, mut overtaker) =
        cut_and_overtaken(&sale, &cable, Cut::AfterCommit).await?;
    // Each run waits for the row anew, until it has waited for too long.
    let (mut conn, mut runs) = (sale.stores.connect().await?, HashSet::new());
    eventually(async || {
        runs.extend(lock_waits(&mut conn, "FOR NO KEY UPDATE").await?);
        Ok(runs.len() >= 2 || buying.is_finished())
    })
    .await?;
    overtaker.batch_execute("COMMIT").await?;

    let (order, replayed) = order_of(buying.await?).context("it was bought")?;
    ensure!(!replayed && order.units.get() == 2);
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 3,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_run_again_sells_nothing_that_was_added_meanwhile() -> Result<()>
{
    let (sale, cable) = open().await?;
    let (buying, mut overtaker) =
        cut_and_overtaken(&sale, &cable, Cut::BeforeCommit).await?;
    // What a restock elsewhere does. Ann may have been there too, and told "sold out".
    overtaker
        .batch_execute(
            "UPDATE skus SET available_units = available_units + 5,
                    restocked_units = restocked_units + 5, fence = fence + 1;
             COMMIT",
        )
        .await?;
    let answer = buying.await?;
    ensure!(matches!(answer, Err(StrategyError::Busy)), "{answer:?}");
    let audit = sale.audit().await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.accepted_units == 1,
        "{audit:?}"
    );
    Ok(())
}
