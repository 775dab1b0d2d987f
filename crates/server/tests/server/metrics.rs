//! `/metrics`: what it shows, and that nobody can make it grow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::running::{Running, server};
use crate::shop::{Shop, has_gate, problem};
use anyhow::{Context, Result, ensure};
use flash_testkit::Stores;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Method};
use serde_json::json;

const STRATEGIES: [&str; 4] = ["naive", "pessimistic", "hybrid", "engine"];

/// The methods of the contract and others.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "BREW"];

/// How long a reading of the stores may be shown, and some time for a gate to settle.
const SETTLED_WITHIN: Duration = Duration::from_secs(3);

/// Values by series, as in `name{label="value"}`.
type Series = BTreeMap<String, f64>;

fn parse(text: &str) -> Result<Series> {
    let mut series = Series::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').context(line.to_owned())?;
        let twice = series.insert(name.to_owned(), value.parse()?);
        ensure!(twice.is_none(), "{name} is there twice");
    }
    Ok(series)
}

/// A server in a process of its own: counters belong to a process.
struct Watched {
    running: Running,
    client: Client,
}

impl Watched {
    async fn start(strategy: &str) -> Result<Self> {
        let stores = Stores::new().await?;
        let mut command = server(&["--strategy", strategy, "--listen", "127.0.0.1:0"]);
        command
            .env("DATABASE_URL", stores.database_url())
            .env("REDIS_URL", stores.redis_url())
            .env("POOL_SIZE", "8");
        Ok(Self {
            running: Running::start(&mut command).await?,
            client: Client::new(),
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: serde_json::Value,
    ) -> Result<()> {
        let url = format!("{}{path}", self.running.url);
        let mut request = self.client.request(method, url).json(&body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.send().await?.bytes().await?;
        Ok(())
    }

    async fn buy(&self, buyer: &str, key: &str, units: i64) -> Result<()> {
        let body = json!({ "buyer_id": buyer, "units": units });
        let path = "/v1/skus/tee/orders";
        self.send(Method::POST, path, Some(key), body).await
    }

    async fn series(&self) -> Result<Series> {
        let url = format!("{}/metrics", self.running.url);
        let response = self.client.get(url).send().await?.error_for_status()?;
        let kind = response.headers()["content-type"].to_str()?;
        assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
        parse(&response.text().await?)
    }

    /// Waits until a series has a value.
    async fn wait_for(&self, name: &str, value: f64) -> Result<()> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        loop {
            let found = self.series().await?.get(name).copied();
            if found == Some(value) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{name}: {found:?} is not {value}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_is_counted_once_by_its_outcome() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Watched::start(strategy).await?;
        let terms = json!({ "initial_units": 2, "per_buyer_limit": 1 });
        shop.send(Method::PUT, "/v1/skus/tee", None, terms).await?;
        shop.buy("ann", "k1", 1).await?;
        shop.buy("ann", "k1", 1).await?;
        shop.buy("ann", "k2", 1).await?;
        shop.buy("ann", "k1", 2).await?;
        shop.buy("bob", "k1", 1).await?;
        for buyer in ["cid", "dan", "eve"] {
            shop.buy(buyer, "k1", 1).await?;
        }
        shop.buy("fay", "k1", 0).await?;
        let body = json!({ "buyer_id": "fay", "units": 1 });
        let path = "/v1/skus/tee/orders";
        shop.send(Method::POST, path, None, body.clone()).await?;
        let nothing = "/v1/skus/nothing/orders";
        shop.send(Method::POST, nothing, Some("k1"), body).await?;

        let series = shop.series().await?;
        for (outcome, count) in [
            ("accepted", 2.0),
            ("replayed", 1.0),
            ("sold-out", 3.0),
            ("limit-reached", 1.0),
            ("busy", 0.0),
            ("unavailable", 0.0),
            ("outcome-unknown", 0.0),
            ("key-reused", 1.0),
            ("unknown-sku", 1.0),
            ("invalid", 2.0),
        ] {
            let labels = format!("{{outcome=\"{outcome}\",strategy=\"{strategy}\"}}");
            let name = format!("flash_attempts_total{labels}");
            assert_eq!(series.get(&name), Some(&count), "{name}");
        }
        let labels = "{method=\"POST\",route=\"/v1/skus/{sku}/orders\"";
        for (status, count) in [("2xx", 3.0), ("4xx", 8.0)] {
            let labels = format!("{labels},status=\"{status}\"}}");
            let name = format!("flash_http_request_duration_seconds_count{labels}");
            assert_eq!(series.get(&name), Some(&count), "{strategy}: {name}");
        }
        assert_eq!(
            series["flash_http_requests_in_flight"], 1.0,
            "the scrape itself"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_and_pools_and_gates_are_shown() -> Result<()> {
    for strategy in STRATEGIES {
        let shop = Watched::start(strategy).await?;
        let terms = json!({ "initial_units": 3 });
        shop.send(Method::PUT, "/v1/skus/tee", None, terms).await?;
        shop.buy("ann", "k1", 1).await?;
        shop.wait_for("flash_available_units{sku=\"tee\"}", 2.0)
            .await?;
        if has_gate(strategy) {
            shop.wait_for("flash_gate_drift_units{sku=\"tee\"}", 0.0)
                .await?;
        }

        let series = shop.series().await?;
        let is = |name: &str, value: Option<f64>| {
            assert_eq!(series.get(name).copied(), value, "{strategy}: {name}");
        };
        let redis = has_gate(strategy).then_some(1.0);
        is("flash_store_up{store=\"postgresql\"}", Some(1.0));
        is("flash_store_up{store=\"redis\"}", redis);
        is("flash_skus", Some(1.0));
        is("flash_gate_drift_units{sku=\"tee\"}", redis.map(|_| 0.0));
        is("flash_pool_connections_max{pool=\"strategy\"}", Some(8.0));
        is("flash_pool_connections_max{pool=\"admin\"}", Some(4.0));
        is(
            "flash_pool_connections{pool=\"strategy\",state=\"in-use\"}",
            Some(0.0),
        );
        is(
            "flash_pool_connections{pool=\"strategy\",state=\"idle\"}",
            Some(8.0),
        );
        is("flash_pool_waiting{pool=\"admin\"}", Some(0.0));
        assert!(series["process_cpu_seconds_total"] > 0.0);
        if cfg!(target_os = "linux") {
            assert!(series["process_open_fds"] > 3.0);
            assert!(series["process_resident_memory_bytes"] > 1e6);
        }
    }
    Ok(())
}

/// Calls what does not exist, in ways that differ from visit to visit.
async fn visit(shop: &Watched, n: usize) -> Result<()> {
    let method: Method = METHODS[n % METHODS.len()].parse()?;
    let body = json!({ "buyer_id": format!("b{n}"), "units": 1 });
    for path in [
        format!("/nowhere/{n}"),
        format!("/v1/skus/none-{n}"),
        format!("/v1/orders/{n}"),
        format!("/docs/{n}"),
    ] {
        // Nobody creates a SKU here.
        if method != Method::PUT || !path.starts_with("/v1/skus") {
            shop.send(method.clone(), &path, None, body.clone()).await?;
        }
    }
    let order = format!("/v1/skus/none-{n}/orders");
    let key = n.to_string();
    shop.send(Method::POST, &order, Some(&key), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_can_make_new_series() -> Result<()> {
    try_join_all(STRATEGIES.map(async |strategy| {
        let shop = Watched::start(strategy).await?;
        for n in 0..METHODS.len() {
            visit(&shop, n).await?;
        }
        // The first scrape is a series of the second.
        shop.series().await?;
        let before: BTreeSet<_> = shop.series().await?.into_keys().collect();
        let visits = stream::iter(0..1_000).map(|n| visit(&shop, n));
        visits.buffer_unordered(8).try_collect::<()>().await?;
        let after: BTreeSet<_> = shop.series().await?.into_keys().collect();
        let new: Vec<_> = after.difference(&before).collect();
        ensure!(new.is_empty(), "{strategy}: {new:#?}");
        Ok(())
    }))
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_first_hundred_skus_have_series() -> Result<()> {
    let shop = Watched::start("engine").await?;
    for n in 0..120 {
        let path = format!("/v1/skus/s{n:03}");
        let terms = json!({ "initial_units": 1 });
        shop.send(Method::PUT, &path, None, terms).await?;
    }
    shop.wait_for("flash_skus", 120.0).await?;
    let series = shop.series().await?;
    let shown: Vec<_> = series
        .keys()
        .filter(|name| name.starts_with("flash_available_units"))
        .collect();
    assert_eq!(shown.len(), 100);
    assert_eq!(shown[99], "flash_available_units{sku=\"s099\"}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_outlive_postgresql() -> Result<()> {
    let (shop, mut cable) = Shop::on_a_cable("pessimistic").await?;
    let up = async || -> Result<Option<f64>> {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let series = parse(&shop.get("/metrics").await?.text().await?)?;
        Ok(series.get("flash_store_up{store=\"postgresql\"}").copied())
    };
    assert_eq!(up().await?, Some(1.0));
    cable.pull_out().await;
    problem(shop.buy("ann", "k1").await?, 503, "unavailable").await?;
    assert_eq!(up().await?, Some(0.0));
    cable.put_back().await?;
    assert_eq!(up().await?, Some(1.0));
    Ok(())
}
