//! The scripts themselves. That a sale survives a wrong gate is tested elsewhere; here each
//! script has to do what keeps the gate right in the first place.

use anyhow::{Result, ensure};
use flash_testkit::Stores;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, Client, FromRedisValue, Script};

use crate::tampering::GATE;

const ADMIT: &str = include_str!("../../src/admit.lua");
const CLOSE: &str = include_str!("../../src/close.lua");
const RECONCILE: &str = include_str!("../../src/reconcile.lua");
const RELEASE: &str = include_str!("../../src/release.lua");

async fn connect() -> Result<MultiplexedConnection> {
    let stores = Stores::new().await?;
    let client = Client::open(stores.redis_url())?;
    Ok(client.get_multiplexed_async_connection().await?)
}

async fn call<T: FromRedisValue>(
    conn: &mut MultiplexedConnection,
    script: &str,
    arguments: &[i64],
) -> Result<T> {
    let script = Script::new(script);
    let mut call = script.prepare_invoke();
    call.key(GATE);
    for argument in arguments {
        call.arg(*argument);
    }
    Ok(call.invoke_async(conn).await?)
}

async fn free_units(conn: &mut MultiplexedConnection) -> Result<Option<i64>> {
    Ok(conn.hget(GATE, "free_units").await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_is_loaded_forward_only() -> Result<()> {
    let mut conn = connect().await?;
    call::<i64>(&mut conn, RECONCILE, &[5, 10]).await?;
    call::<Vec<i64>>(&mut conn, ADMIT, &[5, 3]).await?;
    for not_newer in [5, 4] {
        ensure!(call::<i64>(&mut conn, RECONCILE, &[not_newer, 10]).await? == 5);
        ensure!(free_units(&mut conn).await? == Some(7));
    }
    ensure!(call::<i64>(&mut conn, RECONCILE, &[6, 9]).await? == 6);
    ensure!(free_units(&mut conn).await? == Some(9));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_admits_what_fits_in_order_and_refusals_write_nothing() -> Result<()> {
    let mut conn = connect().await?;
    ensure!(
        call::<Vec<i64>>(&mut conn, ADMIT, &[0, 1])
            .await?
            .is_empty()
    );
    ensure!(free_units(&mut conn).await?.is_none(), "asking made a gate");
    call::<i64>(&mut conn, RECONCILE, &[5, 4]).await?;
    let answers: Vec<i64> = call(&mut conn, ADMIT, &[5, 3, 2, 1, 1]).await?;
    ensure!(answers == [5, 1, 0, 1, 0], "{answers:?}");
    ensure!(free_units(&mut conn).await? == Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_older_than_was_seen_counts_as_not_loaded() -> Result<()> {
    let mut conn = connect().await?;
    call::<i64>(&mut conn, RECONCILE, &[5, 4]).await?;
    ensure!(
        call::<Vec<i64>>(&mut conn, ADMIT, &[6, 1])
            .await?
            .is_empty()
    );
    ensure!(free_units(&mut conn).await? == Some(4));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn units_go_back_to_the_gate_that_gave_them_and_never_above_it() -> Result<()> {
    let mut conn = connect().await?;
    ensure!(call::<i64>(&mut conn, RELEASE, &[5, 1]).await? == 0);
    ensure!(
        free_units(&mut conn).await?.is_none(),
        "a release made a gate"
    );
    call::<i64>(&mut conn, RECONCILE, &[5, 4]).await?;
    call::<Vec<i64>>(&mut conn, ADMIT, &[5, 3]).await?;
    ensure!(call::<i64>(&mut conn, RELEASE, &[4, 3]).await? == 0);
    ensure!(free_units(&mut conn).await? == Some(1));
    call::<i64>(&mut conn, RELEASE, &[5, 2]).await?;
    ensure!(free_units(&mut conn).await? == Some(3));
    call::<i64>(&mut conn, RELEASE, &[5, 9]).await?;
    ensure!(free_units(&mut conn).await? == Some(4));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_gate_stays_closed_under_its_fence() -> Result<()> {
    let mut conn = connect().await?;
    call::<i64>(&mut conn, RECONCILE, &[5, 4]).await?;
    ensure!(call::<i64>(&mut conn, CLOSE, &[4, 0]).await? == 0);
    ensure!(
        free_units(&mut conn).await? == Some(4),
        "an older word closed it"
    );
    call::<i64>(&mut conn, CLOSE, &[5, 0]).await?;
    call::<i64>(&mut conn, RELEASE, &[5, 2]).await?;
    ensure!(free_units(&mut conn).await? == Some(0));
    call::<i64>(&mut conn, RECONCILE, &[6, 2]).await?;
    ensure!(free_units(&mut conn).await? == Some(2));
    Ok(())
}
