//! The judge must see what it is there to see: each fault is put into the tables by hand.

use anyhow::{Context, Result, ensure};
use diesel_async::SimpleAsyncConnection;
use flash_core::{Audit, Sku, Verdict};
use flash_testkit::{Stores, sku};

/// One SKU with 10 units, and ann and bob who bought 3 and 4 of them.
const EXACT: &str = "
    INSERT INTO skus (sku, initial_units, available_units, per_buyer_limit)
         VALUES ('tee', 10, 3, 5), ('mug', 10, 10, NULL);
    INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
         VALUES (gen_random_uuid(), 'tee', 'ann', 'k1', 3, now()),
                (gen_random_uuid(), 'tee', 'bob', 'k1', 4, now())";

async fn audit_after(change: &str) -> Result<Audit> {
    let stores = Stores::new().await?;
    let mut conn = stores.connect().await?;
    conn.batch_execute(EXACT).await?;
    conn.batch_execute(change).await?;
    let counts = flash_db::audit::count(&mut conn, &sku()?, None).await?;
    Ok(counts.context("the SKU does not exist")?.judge(None))
}

#[tokio::test(flavor = "multi_thread")]
async fn balanced_books_are_exact() -> Result<()> {
    let audit = audit_after("").await?;
    ensure!(audit.verdict == Verdict::Exact, "{audit:?}");
    ensure!(
        audit.accepted_units == 7 && audit.available_units == 3,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_decrement_is_seen() -> Result<()> {
    let audit = audit_after("UPDATE skus SET available_units = 6").await?;
    ensure!(audit.verdict == Verdict::Drifted, "{audit:?}");
    ensure!(audit.unaccounted_units == -3, "{audit:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_unit_is_seen() -> Result<()> {
    let audit = audit_after("UPDATE skus SET available_units = 1").await?;
    ensure!(audit.verdict == Verdict::Drifted && audit.unaccounted_units == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversell_is_seen() -> Result<()> {
    let audit = audit_after(
        "INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
         VALUES (gen_random_uuid(), 'tee', 'cid', 'k1', 5, now())",
    )
    .await?;
    ensure!(audit.verdict == Verdict::Oversold && audit.oversold_units == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_is_not_live() -> Result<()> {
    let audit = audit_after(
        "UPDATE orders SET status = 'cancelled' WHERE buyer_id = 'ann';
         UPDATE skus SET available_units = 6 WHERE sku = 'tee'",
    )
    .await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.cancelled_units == 3,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restock_is_supply() -> Result<()> {
    let audit = audit_after(
        "UPDATE skus SET restocked_units = 5, available_units = 8 WHERE sku = 'tee'",
    )
    .await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.restocked_units == 5,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overrun_limit_is_seen() -> Result<()> {
    let audit = audit_after(
        "INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
         VALUES (gen_random_uuid(), 'tee', 'ann', 'k2', 3, now());
         UPDATE skus SET available_units = 0 WHERE sku = 'tee'",
    )
    .await?;
    ensure!(
        audit.verdict == Verdict::Violated && audit.limit_overruns == 1,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn negative_stock_is_seen() -> Result<()> {
    let audit = audit_after(
        "ALTER TABLE skus DROP CONSTRAINT skus_available_units_in_range;
         UPDATE skus SET available_units = -1",
    )
    .await?;
    ensure!(
        audit.verdict == Verdict::Violated && audit.negative_stock,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_two_orders_is_seen() -> Result<()> {
    let audit = audit_after(
        "ALTER TABLE orders DROP CONSTRAINT orders_one_per_key;
         UPDATE orders SET buyer_id = 'ann';
         UPDATE skus SET per_buyer_limit = NULL",
    )
    .await?;
    ensure!(
        audit.verdict == Verdict::Violated && audit.duplicate_keys == 1,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_does_not_overrun_the_limit() -> Result<()> {
    let audit = audit_after(
        "INSERT INTO orders
             (order_id, sku, buyer_id, idempotency_key, units, status, created_at)
         VALUES (gen_random_uuid(), 'tee', 'ann', 'k2', 3, 'cancelled', now())",
    )
    .await?;
    ensure!(
        audit.verdict == Verdict::Exact && audit.limit_overruns == 0,
        "{audit:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_came_by_other_ways_are_listed_and_audited() -> Result<()> {
    let stores = Stores::new().await?;
    stores.run(EXACT).await?;
    stores
        .run(
            "INSERT INTO skus (sku, initial_units, available_units)
                  VALUES ('Blue Tee', 1, 0);
             INSERT INTO orders
                    (order_id, sku, buyer_id, idempotency_key, units, created_at)
                  VALUES (gen_random_uuid(), 'Blue Tee', 'Ann Müller', 'a b', 1, now())",
        )
        .await?;
    let mut conn = stores.connect().await?;
    let mut skus = flash_db::skus::list(&mut conn).await?;
    skus.sort();
    let names: Vec<_> = skus.iter().map(Sku::as_str).collect();
    ensure!(names == ["Blue Tee", "mug", "tee"], "{names:?}");
    for sku in &skus {
        let counts = flash_db::audit::count(&mut conn, sku, None).await?;
        let audit = counts.with_context(|| sku.to_string())?.judge(None);
        ensure!(audit.verdict == Verdict::Exact, "{audit:?}");
    }
    Ok(())
}
