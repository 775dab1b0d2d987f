//! Who may make admin calls.

use anyhow::Result;
use flash_server::AdminPolicy;
use flash_testkit::Stores;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::raw::Raw;
use crate::shop::{Setup, Shop, problem};

fn put(shop: &Shop) -> RequestBuilder {
    let request = shop.request(Method::PUT, "/v1/skus/tee");
    request.json(&json!({ "initial_units": 1 }))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_only_direct_calls_to_a_loopback_name_are_allowed() -> Result<()>
{
    let shop = Shop::open("naive").await?;
    for (name, value) in [
        ("host", "attacker.example"),
        ("host", "localhost.attacker.example"),
        ("host", "localhost@attacker.example"),
        ("host", "192.0.2.7:8080"),
        ("host", "127.0.0.1.nip.example:8080"),
        ("origin", "https://attacker.example"),
        ("origin", "http://localhost.attacker.example"),
        ("origin", "null"),
        ("forwarded", "for=192.0.2.7"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 edge"),
    ] {
        let refused = put(&shop).header(name, value).send().await?;
        let refused = problem(refused, 401, "unauthorized").await?;
        let detail = refused["detail"].to_string();
        assert!(detail.contains("ADMIN_TOKEN"), "{name}: {value}: {detail}");
        let audit = shop.request(Method::GET, "/v1/skus/tee/audit");
        let audit = audit.header(name, value).send().await?;
        problem(audit, 401, "unauthorized").await?;
    }
    problem(shop.get("/v1/skus/tee").await?, 404, "unknown-sku").await?;

    for (name, value) in [
        ("host", "localhost"),
        ("host", "LocalHost:8080"),
        ("host", "127.1.2.3:80"),
        ("host", "[::1]:8080"),
        ("origin", "http://localhost:3000"),
        ("origin", "http://[::1]"),
    ] {
        let allowed = put(&shop).header(name, value).send().await?;
        assert!(
            allowed.status().is_success(),
            "{name}: {value}: {allowed:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_calls_that_hide_where_they_go_are_refused() -> Result<()> {
    let shop = Shop::open("naive").await?;
    let audit = |path: &str, version: &str, hosts: &str| {
        format!("GET {path} HTTP/{version}\r\n{hosts}\r\n")
    };
    let path = "/v1/skus/tee/audit";
    let elsewhere = format!("http://attacker.example{path}");
    for (request, status) in [
        (audit(path, "1.1", "host: localhost\r\n"), "404"),
        (audit(path, "1.1", ""), "400"),
        (audit(path, "1.1", "host:\r\n"), "401"),
        (audit(path, "1.0", "host: localhost\r\n"), "401"),
        (
            audit(path, "1.1", "host: localhost\r\nhost: a.example\r\n"),
            "400",
        ),
        (audit(&elsewhere, "1.1", "host: localhost\r\n"), "401"),
    ] {
        let answer = Raw::connect(&shop.address).await?.ask(&request).await?;
        assert_eq!(
            answer.split(' ').nth(1),
            Some(status),
            "{request}: {answer}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_it_alone_decides() -> Result<()> {
    let setup = Setup {
        admin: AdminPolicy::Token("s3cret".into()),
        ..Setup::default()
    };
    let shop = Shop::open_with("naive", Stores::new().await?, setup).await?;
    for wrong in [
        "s3cret",
        "Basic s3cret",
        "Bearer",
        "Bearers3cret",
        "Bearer s3cret2",
    ] {
        let refused = put(&shop).header("authorization", wrong).send().await?;
        problem(refused, 401, "unauthorized").await?;
    }
    for right in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret"] {
        let allowed = put(&shop)
            .header("authorization", right)
            .header("host", "shop.example")
            .header("x-forwarded-for", "192.0.2.7")
            .send()
            .await?;
        assert!(allowed.status().is_success(), "{right}: {allowed:?}");
    }
    assert_eq!(shop.buy("ann", "k1").await?.status(), StatusCode::CREATED);
    Ok(())
}
