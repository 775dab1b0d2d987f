//! Who brings the schema up to date, and who may sell without doing so.

use anyhow::{Result, ensure};
use flash_testkit::Stores;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::process::{ended_with, run_to_end};
use crate::running::{Running, server};

/// Undoes the last migration, as a database has it that waits for a new version.
const OLDER: &str = concat!(
    include_str!("../../../../migrations/2026-11-30-000000_order_numbers/down.sql"),
    "DELETE FROM __diesel_schema_migrations WHERE version = '20261130000000';"
);

const SELL: [&str; 4] = ["--strategy", "engine", "--listen", "127.0.0.1:0"];

/// Makes a role that may do what selling needs and no more, and returns its URL.
async fn seller(stores: &Stores) -> Result<String> {
    let role = format!("seller_of_{}", stores.database()?);
    stores
        .run(&format!(
            "CREATE ROLE {role} LOGIN;
             REVOKE CREATE ON SCHEMA public FROM PUBLIC;
             GRANT SELECT, INSERT, UPDATE ON skus, orders, restocks TO {role}"
        ))
        .await?;
    Ok(stores.database_url().replace("flash@", &format!("{role}@")))
}

async fn call(
    server: &Running,
    method: Method,
    path: &str,
    key: &str,
    body: Value,
) -> Result<(StatusCode, Value)> {
    let request = Client::new().request(method, format!("{}{path}", server.url));
    let request = request.header("idempotency-key", key).json(&body);
    let response = request.send().await?;
    let (status, text) = (response.status(), response.text().await?);
    Ok((status, serde_json::from_str(&text).unwrap_or(json!(text))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_only_select_insert_and_update_sells() -> Result<()> {
    for migrate in ["run", "check", "off"] {
        let stores = Stores::new().await?;
        let mut command = server(&SELL);
        command
            .args(["--migrate", migrate, "--pool-size", "4"])
            .env("DATABASE_URL", seller(&stores).await?)
            .env("REDIS_URL", stores.redis_url());
        let shop = Running::start(&mut command).await?;
        let sku = json!({ "initial_units": 2 });
        let (status, said) = call(&shop, Method::PUT, "/v1/skus/tee", "-", sku).await?;
        ensure!(status == StatusCode::CREATED, "{migrate}: {said}");
        let buy = json!({ "buyer_id": "ann", "units": 2 });
        let orders = "/v1/skus/tee/orders";
        let (status, order) = call(&shop, Method::POST, orders, "k1", buy).await?;
        ensure!(status == StatusCode::CREATED, "{migrate}: {order}");
        let id = order["order_id"].as_str().unwrap_or_default();
        let cancel = format!("/v1/orders/{id}/cancel");
        let (status, said) = call(&shop, Method::POST, &cancel, "-", json!({})).await?;
        ensure!(status == StatusCode::OK, "{migrate}: {said}");
        let more = json!({ "units": 1 });
        let restock = "/v1/skus/tee/restock";
        let (status, said) = call(&shop, Method::POST, restock, "k2", more).await?;
        ensure!(status == StatusCode::OK, "{migrate}: {said}");
        let ready = reqwest::get(format!("{}/readyz", shop.url)).await?;
        ensure!(ready.status() == StatusCode::OK, "{migrate}: {ready:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_schema_is_refused_until_it_was_migrated() -> Result<()> {
    let stores = Stores::new().await?;
    stores.run(OLDER).await?;
    let mut check = server(&SELL);
    check
        .args(["--migrate", "check", "--pool-size", "4"])
        .env("DATABASE_URL", stores.database_url())
        .env("REDIS_URL", stores.redis_url());
    ended_with(&run_to_end(&mut check).await?, 1, &["server migrate"]);

    let mut migrate = server(&["migrate", "--database-url", stores.database_url()]);
    for _ in ["runs it", "finds nothing to do"] {
        let output = run_to_end(&mut migrate).await?;
        ensure!(output.status.success(), "{output:?}");
        ensure!(output.stderr == b"the schema is up to date\n", "{output:?}");
    }
    Running::start(&mut check).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_of_nothing_is_one_sentence() -> Result<()> {
    let output = run_to_end(&mut server(&["migrate"])).await?;
    ended_with(&output, 2, &["--database-url", "DATABASE_URL"]);
    Ok(())
}
