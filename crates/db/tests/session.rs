//! Poolers: those that can be sold through, and those that are refused. PgBouncer has to be
//! there; where it is not, the first line of the failure says how to install it.

use anyhow::{Result, ensure};
use flash_db::{DbError, check_session, connect_anywhere};
use flash_sandbox::PoolMode;
use flash_testkit::Stores;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_of_transactions_is_refused_and_one_of_sessions_is_not() -> Result<()>
{
    let stores = Stores::new().await?;
    check_session(stores.database_url()).await?;
    check_session(&stores.database_url_over_tls()?).await?;
    let session = stores.database_url_behind_pgbouncer(PoolMode::Session)?;
    check_session(&session).await?;
    let transaction = stores.database_url_behind_pgbouncer(PoolMode::Transaction)?;
    let refused = check_session(&transaction).await;
    ensure!(matches!(refused, Err(DbError::Pooler)), "{refused:?}");
    let sentence = DbError::Pooler.to_string();
    ensure!(sentence.contains("pool_mode = session"), "{sentence}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_of_transactions_is_refused_while_others_use_it() -> Result<()> {
    let stores = Stores::new().await?;
    let transaction = stores.database_url_behind_pgbouncer(PoolMode::Transaction)?;
    let mut others = JoinSet::<Result<()>>::new();
    for _ in 0..8 {
        let url = transaction.clone();
        others.spawn(async move {
            let (client, wire) = connect_anywhere(&url).await?;
            tokio::spawn(wire);
            loop {
                client.batch_execute("BEGIN; SELECT 1; COMMIT").await?;
            }
        });
    }
    for _ in 0..10 {
        let refused = check_session(&transaction).await;
        ensure!(matches!(refused, Err(DbError::Pooler)), "{refused:?}");
    }
    match others.try_join_next() {
        Some(left) => left?,
        None => Ok(()),
    }
}
