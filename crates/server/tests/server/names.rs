//! Names: what buyers may be called, and what the tables may hold.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::shop::{Shop, problem};

const STRATEGIES: [&str; 4] = ["naive", "pessimistic", "hybrid", "engine"];

#[tokio::test(flavor = "multi_thread")]
async fn buyers_are_named_as_identity_providers_do() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        let terms = json!({ "initial_units": 10, "per_buyer_limit": 1 });
        shop.put_sku("tee", terms).await?;
        let long = "x".repeat(128);
        let buyers = [
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "ann+1@example.com",
            "https://idp.example/realms/a?u={1}&x=%41\"\\",
            long.as_str(),
        ];
        for buyer in buyers {
            let placed = shop.buy(buyer, "k1").await?;
            ensure!(
                placed.status() == StatusCode::CREATED,
                "{buyer}: {placed:?}"
            );
            let order: Value = placed.json().await?;
            ensure!(order["buyer_id"] == buyer, "{order}");
            let replayed = shop.buy(buyer, "k1").await?;
            ensure!(replayed.json::<Value>().await? == order, "{buyer}");
            problem(shop.buy(buyer, "k2").await?, 409, "limit-reached").await?;
        }
        for no_buyer in ["", "a b", "Ann Müller", "tab\t", &"x".repeat(129)] {
            problem(shop.buy(no_buyer, "k1").await?, 422, "invalid-request").await?;
        }
        ensure!(shop.audit().await?["verdict"] == "exact", "{strategy}");
    }
    Ok(())
}

/// An order whose every name nobody could have asked for here.
const BY_OTHER_WAYS: &str = "
    INSERT INTO skus (sku, initial_units, available_units)
         VALUES ('Blue Tee', 3000000, 1000000), ('{}', 1, 1);
    INSERT INTO orders (order_id, sku, buyer_id, idempotency_key, units, created_at)
         VALUES ('019a0000-0000-7000-8000-000000000001', 'Blue Tee', 'Ann Müller', 'a b',
                 2000000, now())";

#[tokio::test(flavor = "multi_thread")]
async fn names_that_came_by_other_ways_are_shown_and_break_nothing() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
        shop.stores.run(BY_OTHER_WAYS).await?;

        let order = "/v1/orders/019a0000-0000-7000-8000-000000000001";
        let read = shop.get(order).await?;
        ensure!(read.status() == StatusCode::OK, "{strategy}: {read:?}");
        let read: Value = read.json().await?;
        ensure!(read["buyer_id"] == "Ann Müller", "{read}");
        ensure!(read["sku"] == "Blue Tee", "{read}");
        ensure!(read["units"] == 2_000_000, "{read}");

        let metrics = shop.get("/metrics").await?.text().await?;
        for line in [
            "flash_skus 3",
            "flash_available_units{sku=\"Blue Tee\"} 1000000",
            "flash_available_units{sku=\"tee\"} 1",
            "flash_store_up{store=\"postgresql\"} 1",
        ] {
            let shown = metrics.lines().find(|shown| *shown == line);
            shown.with_context(|| format!("{line}: {metrics}"))?;
        }

        ensure!(shop.buy("ann", "k1").await?.status() == StatusCode::CREATED);
        problem(shop.buy("bob", "k1").await?, 409, "sold-out").await?;
        ensure!(shop.audit().await?["verdict"] == "exact", "{strategy}");

        let cancelled = shop.cancel(order).await?;
        ensure!(
            cancelled.status() == StatusCode::OK,
            "{strategy}: {cancelled:?}"
        );
        let cancelled: Value = cancelled.json().await?;
        ensure!(cancelled["status"] == "cancelled", "{cancelled}");
    }
    Ok(())
}
