//! The HTTP contract: statuses, headers, bodies, problem documents.

use crate::raw::Raw;
use crate::shop::{Setup, Shop, has_gate, problem};
use anyhow::{Context, Result};
use flash_server::AdminPolicy;
use flash_testkit::Stores;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const STRATEGIES: [&str; 4] = ["naive", "pessimistic", "hybrid", "engine"];

#[tokio::test(flavor = "multi_thread")]
async fn a_sku_is_created_once() -> Result<()> {
    let shop = Shop::open("pessimistic").await?;
    let terms = json!({ "initial_units": 100, "per_buyer_limit": null });
    let created = shop.put_sku("tee", terms.clone()).await?;
    assert_eq!(created.status(), StatusCode::CREATED);
    let stock = json!({
        "sku": "tee", "initial_units": 100, "restocked_units": 0,
        "available_units": 100, "per_buyer_limit": null,
    });
    assert_eq!(created.json::<Value>().await?, stock);

    assert_eq!(shop.put_sku("tee", terms).await?.status(), StatusCode::OK);
    let without_limit = json!({ "initial_units": 100 });
    assert_eq!(
        shop.put_sku("tee", without_limit).await?.status(),
        StatusCode::OK
    );
    let other = shop.put_sku("tee", json!({ "initial_units": 99 })).await?;
    problem(other, 409, "sku-exists").await?;

    let read = shop.get("/v1/skus/tee").await?;
    assert_eq!(read.status(), StatusCode::OK);
    assert_eq!(read.json::<Value>().await?, stock);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_placed_replayed_and_read() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 1 })).await?;

        let placed = shop.buy("ann", "k1").await?;
        assert_eq!(placed.status(), StatusCode::CREATED, "{strategy}");
        let location = placed.headers()["location"].to_str()?.to_owned();
        assert!(!placed.headers().contains_key("idempotency-replayed"));
        let order: Value = placed.json().await?;
        assert_eq!(
            location,
            format!(
                "/v1/orders/{}",
                order["order_id"].as_str().context("an id")?
            )
        );
        assert_eq!(order["sku"], "tee");
        assert_eq!(order["buyer_id"], "ann");
        assert_eq!(order["units"], 1);
        assert_eq!(order["status"], "accepted");
        assert!(
            order["created_at"]
                .as_str()
                .is_some_and(|at| at.ends_with('Z'))
        );

        let refused = problem(shop.buy("bob", "k1").await?, 409, "sold-out").await?;
        // A gate that counts down refuses without PostgreSQL's word.
        let left = |units: i64| (strategy != "hybrid").then_some(units);
        assert_eq!(refused["available_units"], json!(left(0)), "{strategy}");
        shop.restock("r1", 3).await?;
        let body = json!({ "buyer_id": "cid", "units": 5 });
        let refused = shop.order("tee", "k1", body).await?;
        let refused = problem(refused, 409, "sold-out").await?;
        assert_eq!(refused["available_units"], json!(left(3)), "{strategy}");
        let replayed = shop.buy("ann", "k1").await?;
        assert_eq!(replayed.status(), StatusCode::OK, "{strategy}");
        assert_eq!(replayed.headers()["idempotency-replayed"], "true");
        assert_eq!(replayed.json::<Value>().await?, order);
        assert_eq!(shop.get(&location).await?.json::<Value>().await?, order);

        let audit = shop.audit().await?;
        assert_eq!(audit["strategy"], strategy);
        assert_eq!(audit["verdict"], "exact");
        let drift = if has_gate(strategy) {
            json!(0)
        } else {
            Value::Null
        };
        assert_eq!(audit["gate_drift_units"], drift);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_posted_fifty_times_at_once_is_one_order() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 10 })).await?;
        let answers =
            futures_util::future::try_join_all((0..50).map(|_| shop.buy("ann", "k1")))
                .await?;

        let mut created = 0;
        let mut ids = Vec::new();
        for answer in answers {
            assert!(
                answer.status().is_success(),
                "{strategy}: {}",
                answer.status()
            );
            created += u32::from(answer.status() == StatusCode::CREATED);
            let order: Value = answer.json().await?;
            ids.push(order["order_id"].to_string());
        }
        ids.dedup();
        assert_eq!((created, ids.len()), (1, 1), "{strategy}: {ids:?}");
        assert_eq!(shop.audit().await?["accepted_units"], 1, "{strategy}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_per_buyer_is_a_conflict() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 5, "per_buyer_limit": 1 }))
            .await?;
        assert_eq!(shop.buy("ann", "k1").await?.status(), StatusCode::CREATED);
        problem(shop.buy("ann", "k2").await?, 409, "limit-reached").await?;
        assert_eq!(shop.audit().await?["verdict"], "exact", "{strategy}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_not_found() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        problem(shop.get("/v1/skus/tee").await?, 404, "unknown-sku").await?;
        problem(shop.buy("ann", "k1").await?, 404, "unknown-sku").await?;
        problem(shop.get("/v1/skus/tee/audit").await?, 404, "unknown-sku").await?;
        let no_sku = format!("/v1/skus/{}", "x".repeat(65));
        problem(shop.get(&no_sku).await?, 404, "unknown-sku").await?;
        problem(shop.get("/v1/skus/a%20b").await?, 404, "unknown-sku").await?;
        let nobody = "/v1/orders/019a0000-0000-7000-8000-000000000000";
        problem(shop.get(nobody).await?, 404, "unknown-order").await?;
        problem(shop.get("/v1/orders/1").await?, 404, "unknown-order").await?;
        problem(shop.get("/v2").await?, 404, "not-found").await?;
        let delete = shop.request(Method::DELETE, "/v1/skus/tee").send().await?;
        assert_eq!(delete.headers()["allow"], "GET, HEAD, PUT");
        problem(delete, 405, "method-not-allowed").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_orders_are_refused_and_nothing_is_written() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 10 })).await?;

        for body in [
            json!({ "buyer_id": "ann", "units": 0 }),
            json!({ "buyer_id": "ann", "units": -1 }),
            json!({ "buyer_id": "ann", "units": 1_000_001 }),
            json!({ "buyer_id": "ann", "units": 1e30 }),
            json!({ "buyer_id": "ann", "units": 1.5 }),
            json!({ "buyer_id": "ann", "units": "1" }),
            json!({ "buyer_id": "ann" }),
            json!({ "units": 1 }),
            json!({ "buyer_id": "", "units": 1 }),
            json!({ "buyer_id": "a b", "units": 1 }),
            json!({ "buyer_id": "x".repeat(129), "units": 1 }),
            json!({ "buyer_id": "ann", "units": 1, "colour": "red" }),
            json!([]),
            json!(["ann", 1]),
        ] {
            problem(shop.order("tee", "k1", body).await?, 422, "invalid-request")
                .await?;
        }

        let post = || shop.request(Method::POST, "/v1/skus/tee/orders");
        let json_type = ("content-type", "application/json");
        let with_key = |key: &str| {
            let body = json!({ "buyer_id": "ann", "units": 1 });
            post().header("idempotency-key", key).json(&body).send()
        };
        let no_key = post()
            .json(&json!({ "buyer_id": "ann", "units": 1 }))
            .send();
        problem(no_key.await?, 400, "key-missing").await?;
        problem(with_key("").await?, 400, "key-missing").await?;
        let twice = post()
            .header("idempotency-key", "k1")
            .header("idempotency-key", "k2")
            .json(&json!({ "buyer_id": "ann", "units": 1 }))
            .send();
        problem(twice.await?, 400, "invalid-request").await?;
        problem(with_key(&"k".repeat(129)).await?, 400, "invalid-request").await?;
        problem(with_key("a b").await?, 400, "invalid-request").await?;

        let broken = post()
            .header("idempotency-key", "k")
            .header(json_type.0, json_type.1);
        problem(
            broken.body("{\"buyer_id\":").send().await?,
            422,
            "invalid-request",
        )
        .await?;
        let untyped = post()
            .header("idempotency-key", "k")
            .body("{}")
            .send()
            .await?;
        problem(untyped, 415, "invalid-request").await?;
        let form = post()
            .header("idempotency-key", "k")
            .header("content-type", "text/plain");
        problem(form.body("units=1").send().await?, 415, "invalid-request").await?;
        let large = post()
            .header("idempotency-key", "k")
            .header(json_type.0, json_type.1);
        let response = large.body(" ".repeat(100_000)).send().await?;
        problem(response, 413, "invalid-request").await?;

        let audit = shop.audit().await?;
        assert_eq!(audit["available_units"], 10, "{strategy}");
        assert_eq!(audit["accepted_units"], 0, "{strategy}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reused_for_another_request_is_refused() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Shop::open(strategy).await?;
        shop.put_sku("tee", json!({ "initial_units": 10 })).await?;
        shop.buy("ann", "k1").await?;
        let other = shop
            .order("tee", "k1", json!({ "buyer_id": "ann", "units": 2 }))
            .await?;
        problem(other, 422, "key-reused").await?;
        assert_eq!(shop.audit().await?["accepted_units"], 1, "{strategy}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_skus_are_refused() -> Result<()> {
    let shop = Shop::open("naive").await?;
    for body in [
        json!({ "initial_units": -1 }),
        json!({ "initial_units": 1_000_000_001 }),
        json!({ "initial_units": 1e40 }),
        json!({ "initial_units": "100" }),
        json!({ "initial_units": 1, "per_buyer_limit": 0 }),
        json!({ "initial_units": 1, "per_buyer_limt": 1 }),
        json!({}),
    ] {
        problem(shop.put_sku("tee", body).await?, 422, "invalid-request").await?;
    }
    let terms = json!({ "initial_units": 1 });
    let long = shop.put_sku(&"x".repeat(65), terms.clone()).await?;
    problem(long, 422, "invalid-request").await?;
    problem(shop.put_sku("a%20b", terms).await?, 422, "invalid-request").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_calls_need_the_token() -> Result<()> {
    let setup = Setup {
        admin: AdminPolicy::Token("s3cret".into()),
        ..Setup::default()
    };
    let shop = Shop::open_with("naive", Stores::new().await?, setup).await?;
    let put = || {
        let request = shop.request(Method::PUT, "/v1/skus/tee");
        request.json(&json!({ "initial_units": 1 }))
    };
    problem(put().send().await?, 401, "unauthorized").await?;
    problem(
        put().bearer_auth("s3cre").send().await?,
        401,
        "unauthorized",
    )
    .await?;
    problem(
        put().bearer_auth("s3cret2").send().await?,
        401,
        "unauthorized",
    )
    .await?;
    let created = put().bearer_auth("s3cret").send().await?;
    assert_eq!(created.status(), StatusCode::CREATED);
    problem(shop.get("/v1/skus/tee/audit").await?, 401, "unauthorized").await?;

    // Buyers need none.
    assert_eq!(shop.buy("ann", "k1").await?.status(), StatusCode::CREATED);
    assert_eq!(shop.get("/v1/skus/tee").await?.status(), StatusCode::OK);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_calls_are_off_without_a_token_beyond_loopback() -> Result<()> {
    let setup = Setup {
        admin: AdminPolicy::Closed,
        ..Setup::default()
    };
    let shop = Shop::open_with("naive", Stores::new().await?, setup).await?;
    let put = shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
    problem(put, 401, "unauthorized").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_request_id_of_its_own() -> Result<()> {
    let shop = Shop::open("naive").await?;
    let first = shop.get("/livez").await?;
    let second = shop.get("/livez").await?;
    assert_eq!(first.status(), StatusCode::OK);
    let id = |response: &reqwest::Response| response.headers()["x-request-id"].clone();
    assert_ne!(id(&first), id(&second));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_request_id_is_kept_and_any_other_replaced() -> Result<()> {
    let shop = Shop::open("naive").await?;
    let ask = |path: &str, id: &str| {
        let request = shop.request(Method::GET, path);
        request.header("x-request-id", id).send()
    };
    for id in ["4bf92f3577b34da6", "edge-1:2026.11_x", &"x".repeat(128)] {
        assert_eq!(ask("/livez", id).await?.headers()["x-request-id"], id);
        let nothing = ask("/v1/skus/tee", id).await?;
        let nothing = problem(nothing, 404, "unknown-sku").await?;
        assert_eq!(nothing["request_id"], id);
    }
    for id in ["", "a b", "a\"b", "a,b", "é", &"x".repeat(129)] {
        let nothing = ask("/v1/skus/tee", id).await?;
        let nothing = problem(nothing, 404, "unknown-sku").await?;
        assert_ne!(nothing["request_id"], id);
    }
    Ok(())
}

/// The lines of a head without those that differ from answer to answer.
fn settled(head: &str, but: &str) -> Vec<String> {
    let mut lines: Vec<_> = head
        .lines()
        .filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !["date", "x-request-id", but].contains(&name)
        })
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_get_without_the_body() -> Result<()> {
    let shop = Shop::open("engine").await?;
    shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
    let order = shop.buy("ann", "k1").await?;
    let order = order.headers()["location"].to_str()?.to_owned();
    let mut connection = Raw::connect(&shop.address).await?;
    for path in [
        "/v1/skus/tee",
        "/v1/skus/nothing",
        &order,
        "/v1/skus/tee/audit",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/",
        "/docs/nothing",
        "/nowhere",
    ] {
        let rest = format!("{path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let get = connection.ask(&format!("GET {rest}")).await?;
        // What follows on the connection would begin with a body, if there were one.
        let head = connection.ask_for_head(&format!("HEAD {rest}")).await?;
        let (get, _body) = get.split_once("\r\n\r\n").context("a head")?;
        // The metrics have counted meanwhile.
        let but = if path == "/metrics" {
            "content-length"
        } else {
            ""
        };
        let head = head.trim_end();
        assert_eq!(settled(head, but), settled(get, but), "{path}");
        assert!(head.contains("content-length: "), "{path}: {head}");
    }
    let posted = connection
        .ask_for_head("HEAD /v1/skus/tee/orders HTTP/1.1\r\nhost: x\r\n\r\n")
        .await?;
    assert!(posted.starts_with("HTTP/1.1 405 "), "{posted}");
    Ok(())
}
