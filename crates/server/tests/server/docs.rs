//! `/openapi.json` and `/docs/`: complete, true, and at home on this server.

use std::collections::BTreeSet;

use crate::running::{Running, server};
use crate::shop::{Setup, Shop, problem};
use anyhow::{Context, Result};
use flash_testkit::Stores;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// What the server answers to, by the contract.
const CALLS: [(&str, &str); 13] = [
    ("PUT", "/v1/skus/{sku}"),
    ("GET", "/v1/skus/{sku}"),
    ("POST", "/v1/skus/{sku}/orders"),
    ("GET", "/v1/skus/{sku}/audit"),
    ("POST", "/v1/skus/{sku}/restock"),
    ("GET", "/v1/orders/{order_id}"),
    ("POST", "/v1/orders/{order_id}/cancel"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/"),
];

async fn document(shop: &Shop) -> Result<Value> {
    let response = shop.get("/openapi.json").await?;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    Ok(response.json().await?)
}

/// The texts between two others.
fn between<'a>(text: &'a str, start: &str, end: char) -> BTreeSet<&'a str> {
    let rests = text.split(start).skip(1);
    rests.filter_map(|rest| rest.split(end).next()).collect()
}

/// Where a reference of the document leads.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> Result<&'a Value> {
    let Some(reference) = schema["$ref"].as_str() else {
        return Ok(schema);
    };
    let pointer = reference.trim_start_matches('#');
    document.pointer(pointer).context(pointer.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_described_and_nothing_else() -> Result<()> {
    let shop = Shop::open("naive").await?;
    let document = document(&shop).await?;
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().context("paths")? {
        for method in item.as_object().context("calls")?.keys() {
            described.insert((method.to_uppercase(), path.clone()));
        }
    }
    let expected = CALLS.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(described, BTreeSet::from(expected));

    let source = include_str!("../../src/routes.rs");
    let routes = between(source, "resource(\"", '"');
    let paths: BTreeSet<_> = CALLS.iter().map(|(_, path)| *path).collect();
    let routes: BTreeSet<_> = routes
        .into_iter()
        .map(|route| route.trim_end_matches("{file:.*}"))
        .collect();
    assert_eq!(routes, paths, "routes.rs and the contract");

    for (method, path) in CALLS {
        let path = path.replace("{sku}", "tee").replace("{order_id}", "1");
        let answer = shop.request(method.parse()?, &path).send().await?;
        assert_ne!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        let text = answer.text().await?;
        let code = serde_json::from_str::<Value>(&text).unwrap_or_default();
        assert_ne!(code["code"], "not-found", "{method} {path}");
        let brew = shop.request(Method::TRACE, &path).send().await?;
        problem(brew, 405, "method-not-allowed").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_problem_code_is_described() -> Result<()> {
    let document = document(&Shop::open("naive").await?).await?;
    let codes = between(include_str!("../../../core/src/code.rs"), "=> \"", '"');
    assert_eq!(codes.len(), 14);
    let listed = &document["components"]["schemas"]["ProblemCode"];
    let text = listed.to_string();
    let examples = document["paths"].to_string();
    for code in codes {
        assert!(text.contains(&format!("\"{code}\"")), "{code}: {text}");
        // These two belong to no call.
        if code != "not-found" && code != "method-not-allowed" {
            assert!(examples.contains(&format!("\"{code}\":{{")), "{code}");
        }
    }

    let order = &document["paths"]["/v1/skus/{sku}/orders"]["post"];
    let answers = &order["responses"];
    let statuses: Vec<_> = answers.as_object().context("answers")?.keys().collect();
    let expected = [
        "200", "201", "400", "404", "408", "409", "413", "415", "422", "503",
    ];
    assert_eq!(statuses, expected);
    assert!(answers["201"]["headers"]["Location"].is_object());
    assert!(answers["200"]["headers"]["Idempotency-Replayed"].is_object());
    assert!(answers["503"]["headers"]["Retry-After"].is_object());
    assert!(answers["409"]["content"]["application/problem+json"].is_object());
    let parameters = order["parameters"].as_array().context("parameters")?;
    let key = parameters.iter().find(|p| p["name"] == "Idempotency-Key");
    let key = key.context("no Idempotency-Key")?;
    assert_eq!(
        (&key["in"], &key["required"]),
        (&json!("header"), &json!(true))
    );

    for (method, path) in CALLS {
        let admin =
            method == "PUT" || path.ends_with("audit") || path.ends_with("restock");
        let security = &document["paths"][path][method.to_lowercase()]["security"];
        assert_eq!(security.is_array(), admin, "{method} {path}: {security}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_has_the_fields_that_are_described() -> Result<()> {
    let shop = Shop::open("engine").await?;
    let document = document(&shop).await?;
    let created = shop.put_sku("tee", json!({ "initial_units": 1 })).await?;
    let order = shop.buy("ann", "k1").await?;
    let refusal = shop.buy("bob", "k1").await?;
    for (name, answer) in [
        ("Stock", created),
        ("Order", order),
        ("Problem", refusal),
        ("Audit", shop.get("/v1/skus/tee/audit").await?),
        ("Live", shop.get("/livez").await?),
        ("Ready", shop.get("/readyz").await?),
    ] {
        let answer: Value = answer.json().await?;
        let schema = &document["components"]["schemas"][name];
        let sent: BTreeSet<_> = answer.as_object().context("sent")?.keys().collect();
        let properties = schema["properties"].as_object().context("properties")?;
        assert_eq!(sent, properties.keys().collect(), "{schema}");
        let required = schema["required"].as_array().context("required")?;
        // A problem has it where something is sold out.
        let optional = usize::from(name == "Problem");
        assert_eq!(required.len() + optional, sent.len(), "{schema}");
        for (name, property) in properties {
            let known = &resolve(&document, property)?["enum"];
            if let Some(known) = known.as_array() {
                assert!(known.contains(&answer[name]), "{name}: {known:?}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_needs_no_other_host() -> Result<()> {
    let shop = Shop::open("naive").await?;
    let page = shop.get("/docs").await?;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.url().path(), "/docs/", "redirected");
    let policy = page.headers()["content-security-policy"].to_str()?;
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(!policy.contains("http"), "{policy}");
    let html = page.text().await?;
    assert!(html.contains("swagger-ui"), "{html}");
    assert!(
        !html.contains("<script>"),
        "the policy stops inline scripts: {html}"
    );

    let mut parts = between(&html, "src=\"", '"');
    parts.extend(between(&html, "href=\"", '"'));
    assert!(parts.len() >= 4, "{parts:?}");
    for part in parts {
        assert!(!part.contains("//"), "{part}");
        let path = format!("/docs/{}", part.trim_start_matches("./"));
        let answer = shop.get(&path).await?;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        if path.ends_with("initializer.js") {
            let script = answer.text().await?;
            assert!(script.contains("\"/openapi.json\""), "{script}");
            assert!(script.contains("\"validatorUrl\": \"none\""), "{script}");
            assert!(!script.contains("://"), "{script}");
        } else if path.ends_with(".css") {
            let text = answer.text().await?;
            let hosts = text.contains("url(http") || text.contains("url(//");
            assert!(!hosts && !text.contains("@import"), "{path}");
        }
    }
    problem(shop.get("/docs/nothing.js").await?, 404, "not-found").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_off() -> Result<()> {
    let setup = Setup {
        docs: false,
        ..Setup::default()
    };
    let shop = Shop::open_with("naive", Stores::new().await?, setup).await?;
    for path in ["/docs", "/docs/", "/docs/swagger-ui-bundle.js"] {
        problem(shop.get(path).await?, 404, "not-found").await?;
    }
    document(&shop).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_on_where_it_is_asked_for_and_on_loopback() -> Result<()> {
    let stores = Stores::new().await?;
    for (listen, more, status) in [
        ("127.0.0.1:0", None, StatusCode::OK),
        ("0.0.0.0:0", None, StatusCode::NOT_FOUND),
        ("0.0.0.0:0", Some("--docs"), StatusCode::OK),
    ] {
        let mut command = server(&["--strategy", "naive", "--listen", listen]);
        command
            .args(more)
            .env("DATABASE_URL", stores.database_url())
            .env("POOL_SIZE", "2");
        let running = Running::start(&mut command).await?;
        let page = reqwest::get(format!("{}/docs/", running.url)).await?;
        assert_eq!(page.status(), status, "{listen} {more:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_parameter_has_an_example_so_that_the_first_try_works() -> Result<()> {
    let shop = Shop::open("naive").await?;
    let document = document(&shop).await?;
    let mut seen = 0;
    let paths = document["paths"].as_object().context("paths")?;
    for (path, calls) in paths {
        for (method, call) in calls.as_object().context("calls")? {
            for parameter in call["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["example"].is_string(), "{method} {path}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 9, "{seen} parameters");
    let body = &document["components"]["schemas"]["NewSku"]["example"];
    let put = shop.request(Method::PUT, "/v1/skus/tee").json(body);
    assert_eq!(put.send().await?.status(), 201);
    Ok(())
}
