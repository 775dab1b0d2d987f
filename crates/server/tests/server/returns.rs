//! Units that come back: cancelled orders and restocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::shop::{Setup, Shop, problem};
use anyhow::{Result, ensure};
use flash_server::AdminPolicy;
use flash_testkit::{Conductor, Stores};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const STRATEGIES: [&str; 4] = ["naive", "pessimistic", "hybrid", "engine"];

/// How soon units that came back on one server must be for sale on another.
const ELSEWHERE_WITHIN: Duration = Duration::from_secs(2);

/// Buys one `tee` and returns the path of the order.
async fn bought(shop: &Shop, buyer: &str, key: &str) -> Result<String> {
    let placed = shop.buy(buyer, key).await?;
    ensure!(placed.status() == StatusCode::CREATED, "{placed:?}");
    Ok(placed.headers()["location"].to_str()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_order_stays_cancelled_and_its_unit_is_sold_again() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
        let order = bought(&shop, "ann", "k1").await?;
        problem(shop.buy("bob", "k1").await?, 409, "sold-out").await?;

        let cancelled = shop.cancel(&order).await?;
        assert_eq!(cancelled.status(), StatusCode::OK, "{strategy}");
        let cancelled: Value = cancelled.json().await?;
        assert_eq!(cancelled["status"], "cancelled", "{strategy}");
        assert_eq!(cancelled["buyer_id"], "ann", "{strategy}");
        assert_eq!(shop.get(&order).await?.json::<Value>().await?, cancelled);

        // Whoever cancels once more waits for no row.
        let conductor = Conductor::hold_stock_rows(&shop.stores).await?;
        let again = shop.cancel(&order).await?;
        assert_eq!(again.status(), StatusCode::OK, "{strategy}");
        assert_eq!(again.json::<Value>().await?, cancelled, "{strategy}");
        conductor.release().await?;

        bought(&shop, "bob", "k1").await?;
        problem(shop.buy("cid", "k1").await?, 409, "sold-out").await?;
        let audit = shop.audit().await?;
        assert_eq!(audit["accepted_units"], 2, "{strategy}");
        assert_eq!(audit["cancelled_units"], 1, "{strategy}");
        assert_eq!(audit["available_units"], 0, "{strategy}");
        assert_eq!(audit["verdict"], "exact", "{strategy}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_ordered_cannot_be_cancelled() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        let nobody = "/v1/orders/019a0000-0000-7000-8000-000000000000";
        problem(shop.cancel(nobody).await?, 404, "unknown-order").await?;
        problem(shop.cancel("/v1/orders/1").await?, 404, "unknown-order").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restock_is_done_once_for_each_key() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
        bought(&shop, "ann", "k1").await?;
        problem(shop.buy("bob", "k1").await?, 409, "sold-out").await?;

        let stock = json!({
            "sku": "tee", "initial_units": 1, "restocked_units": 2,
            "available_units": 2, "per_buyer_limit": null,
        });
        for _ in 0..2 {
            let restocked = shop.restock("r1", 2).await?;
            assert_eq!(restocked.status(), StatusCode::OK, "{strategy}");
            assert_eq!(restocked.json::<Value>().await?, stock, "{strategy}");
        }
        problem(shop.restock("r1", 3).await?, 422, "key-reused").await?;

        bought(&shop, "bob", "k1").await?;
        let more = shop.restock("r2", 1).await?.json::<Value>().await?;
        assert_eq!(more["restocked_units"], 3, "{strategy}");
        bought(&shop, "cid", "k1").await?;
        bought(&shop, "dan", "k1").await?;
        problem(shop.buy("eve", "k1").await?, 409, "sold-out").await?;
        let audit = shop.audit().await?;
        assert_eq!(audit["restocked_units"], 3, "{strategy}");
        assert_eq!(audit["verdict"], "exact", "{strategy}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_restocks_are_refused_and_nothing_is_added() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        problem(shop.restock("r1", 1).await?, 404, "unknown-sku").await?;
        shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
        let post = || shop.request(Method::POST, "/v1/skus/tee/restock");
        let no_key = post().json(&json!({ "units": 1 })).send().await?;
        problem(no_key, 400, "key-missing").await?;
        problem(shop.restock("a b", 1).await?, 400, "invalid-request").await?;
        for units in [0, -1, 1_000_001] {
            problem(shop.restock("r1", units).await?, 422, "invalid-request").await?;
        }
        let other = post()
            .header("idempotency-key", "r1")
            .json(&json!({ "unit": 1 }));
        problem(other.send().await?, 422, "invalid-request").await?;
        assert_eq!(shop.audit().await?["restocked_units"], 0, "{strategy}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restock_needs_the_token() -> Result<()> {
    for strategy in STRATEGIES {
        let setup = Setup {
            admin: AdminPolicy::Token("s3cret".into()),
            ..Setup::default()
        };
        let shop = Shop::open_with(strategy, Stores::new().await?, setup).await?;
        let put = shop
            .request(Method::PUT, "/v1/skus/tee")
            .bearer_auth("s3cret");
        put.json(&json!({ "initial_units": 0 })).send().await?;
        problem(shop.restock("r1", 1).await?, 401, "unauthorized").await?;
        let restock = shop
            .request(Method::POST, "/v1/skus/tee/restock")
            .header("idempotency-key", "r1")
            .json(&json!({ "units": 1 }));
        let denied = restock.try_clone().expect("a body of bytes");
        let denied = denied.bearer_auth("s3cre").send().await?;
        problem(denied, 401, "unauthorized").await?;
        let done = restock.bearer_auth("s3cret").send().await?;
        assert_eq!(done.status(), StatusCode::OK, "{strategy}");
        assert_eq!(
            done.json::<Value>().await?["available_units"],
            1,
            "{strategy}"
        );
    }
    Ok(())
}

/// Tries until somebody can buy. What is refused until then is refused as sold out.
async fn buys_soon(shop: &Shop, buyer: &str) -> Result<()> {
    let began = Instant::now();
    loop {
        let answer = shop.buy(buyer, "k1").await?;
        if answer.status() == StatusCode::CREATED {
            return Ok(());
        }
        problem(answer, 409, "sold-out").await?;
        ensure!(
            began.elapsed() < ELSEWHERE_WITHIN,
            "{buyer} is still refused"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_that_come_back_on_one_server_are_for_sale_on_another() -> Result<()> {
    let stores = Arc::new(Stores::new().await?);
    let here = Shop::open_with("engine", Arc::clone(&stores), Setup::default()).await?;
    let there = Shop::open_with("engine", stores, Setup::default()).await?;
    here.put_sku("tee", json!({ "initial_units": 1 })).await?;
    let order = bought(&here, "ann", "k1").await?;
    for shop in [&here, &there] {
        problem(shop.buy("bob", "k1").await?, 409, "sold-out").await?;
    }

    here.cancel(&order).await?;
    buys_soon(&there, "bob").await?;
    problem(here.buy("cid", "k1").await?, 409, "sold-out").await?;
    problem(there.buy("cid", "k1").await?, 409, "sold-out").await?;

    there.restock("r1", 1).await?;
    buys_soon(&here, "cid").await?;
    problem(there.buy("dan", "k1").await?, 409, "sold-out").await?;
    assert_eq!(here.audit().await?["verdict"], "exact");
    Ok(())
}
