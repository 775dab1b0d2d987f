//! A server of one's own, in this process, on a free port, with stores of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};
use flash_core::InventoryStrategy;
use flash_db::PoolOptions;
use flash_server::{AdminPolicy, Limits, Probe, Site, bind, listen, serve};
use flash_testkit::{Cable, Stores};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Long enough to show that a wait is bounded, short enough for a test.
pub(crate) const CLIENT_WAIT: Duration = Duration::from_millis(300);

/// Whether a strategy asks Redis.
pub(crate) fn has_gate(strategy: &str) -> bool {
    ["hybrid", "engine"].contains(&strategy)
}

/// A running server.
pub(crate) struct Shop {
    pub(crate) stores: Arc<Stores>,
    pub(crate) address: String,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<std::io::Result<()>>,
}

/// What a test may want to be different.
pub(crate) struct Setup {
    pub(crate) admin: AdminPolicy,
    pub(crate) database_url: Option<String>,
    pub(crate) redis_url: Option<String>,
    pub(crate) request_timeout: Duration,
    pub(crate) docs: bool,
    pub(crate) drain_delay: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            admin: AdminPolicy::OpenOnLoopback,
            database_url: None,
            redis_url: None,
            request_timeout: Duration::from_secs(20),
            docs: true,
            drain_delay: Duration::ZERO,
        }
    }
}

impl Shop {
    pub(crate) async fn open(strategy: &str) -> Result<Self> {
        Self::open_with(strategy, Stores::new().await?, Setup::default()).await
    }

    pub(crate) async fn open_with(
        strategy: &str,
        stores: impl Into<Arc<Stores>>,
        setup: Setup,
    ) -> Result<Self> {
        let stores = stores.into();
        let url = setup
            .database_url
            .as_deref()
            .unwrap_or(stores.database_url());
        let redis_url = setup.redis_url.as_deref().unwrap_or(stores.redis_url());
        let options = PoolOptions {
            size: 8,
            ..PoolOptions::default()
        };
        let pool = flash_db::Pool::new(url, options)?;
        match strategy {
            "naive" => {
                let strategy = phase1_naive::Strategy::new(pool.clone());
                Self::run(strategy, pool, stores, setup)
            }
            "pessimistic" => {
                let strategy = phase2_pessimistic::Strategy::new(pool.clone());
                Self::run(strategy, pool, stores, setup)
            }
            "hybrid" => {
                // No clock decides a test.
                let lifetime = Duration::from_secs(600);
                let gate = phase3_hybrid::Gate::new(redis_url, "flash:", lifetime)?;
                let strategy = phase3_hybrid::Strategy::new(pool.clone(), gate);
                Self::run(strategy, pool, stores, setup)
            }
            _ => {
                let options = flash_engine::Options {
                    queue_max: 1_000,
                    batch_max: 100,
                    lanes: 2,
                    lock_wait: Duration::from_secs(5),
                    lease: flash_engine::LEASE,
                };
                let strategy = flash_engine::Strategy::start(
                    pool.clone(),
                    url,
                    redis_url,
                    options,
                )?;
                Self::run(strategy, pool, stores, setup)
            }
        }
    }

    /// A shop whose PostgreSQL can be unplugged.
    pub(crate) async fn on_a_cable(strategy: &str) -> Result<(Self, Cable)> {
        let stores = Stores::new().await?;
        let (cable, url) = stores.cable_to_postgresql().await?;
        let setup = Setup {
            database_url: Some(url),
            ..Setup::default()
        };
        Ok((Self::open_with(strategy, stores, setup).await?, cable))
    }

    fn run<S: InventoryStrategy>(
        strategy: S,
        pool: flash_db::Pool,
        stores: Arc<Stores>,
        setup: Setup,
    ) -> Result<Self> {
        let site = Site {
            strategy: Arc::new(strategy),
            strategy_pool: pool.clone(),
            pool,
            admin: setup.admin,
            docs: setup.docs,
            limits: Limits {
                workers: 1,
                connections: 10_000,
                client_wait: CLIENT_WAIT,
                request_timeout: setup.request_timeout,
                drain_wait: Duration::from_secs(20),
            },
            draining: Arc::new(AtomicBool::new(false)),
            probe: Probe::default(),
        };
        let listener = listen(bind("127.0.0.1:0")?)?;
        let address = listener.local_addr()?.to_string();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(serve(listener, site, async move {
            // A shop that is dropped stops as well.
            let _ = stopped.await;
            setup.drain_delay
        }));
        Ok(Self {
            stores,
            address,
            client: Client::new(),
            stop: Some(stop),
            running,
        })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Response> {
        Ok(self.request(Method::GET, path).send().await?)
    }

    pub(crate) async fn put_sku(&self, sku: &str, body: Value) -> Result<Response> {
        let path = format!("/v1/skus/{sku}");
        Ok(self.request(Method::PUT, &path).json(&body).send().await?)
    }

    pub(crate) async fn order(
        &self,
        sku: &str,
        key: &str,
        body: Value,
    ) -> Result<Response> {
        let path = format!("/v1/skus/{sku}/orders");
        let request = self
            .request(Method::POST, &path)
            .header("idempotency-key", key);
        Ok(request.json(&body).send().await?)
    }

    /// One unit of `tee` for a buyer.
    pub(crate) async fn buy(&self, buyer: &str, key: &str) -> Result<Response> {
        self.order("tee", key, json!({ "buyer_id": buyer, "units": 1 }))
            .await
    }

    /// Cancels the order at this path.
    pub(crate) async fn cancel(&self, order: &str) -> Result<Response> {
        let path = format!("{order}/cancel");
        Ok(self.request(Method::POST, &path).send().await?)
    }

    /// Units for `tee`.
    pub(crate) async fn restock(&self, key: &str, units: i64) -> Result<Response> {
        let request = self
            .request(Method::POST, "/v1/skus/tee/restock")
            .header("idempotency-key", key);
        Ok(request.json(&json!({ "units": units })).send().await?)
    }

    pub(crate) async fn audit(&self) -> Result<Value> {
        Ok(self.get("/v1/skus/tee/audit").await?.json().await?)
    }

    /// Tells the server to stop; does not wait for it.
    pub(crate) fn begin_stop(&mut self) -> Result<()> {
        let stop = self.stop.take().context("stopped twice")?;
        stop.send(()).ok().context("the server has ended by itself")
    }

    /// Waits until the server has drained.
    pub(crate) async fn stopped(self) -> Result<()> {
        Ok(self.running.await??)
    }
}

/// Checks a problem document: its status, its code, and that it is one.
pub(crate) async fn problem(
    response: Response,
    status: u16,
    code: &str,
) -> Result<Value> {
    let (got, headers) = (response.status(), response.headers().clone());
    let text = response.text().await?;
    assert_eq!(got, StatusCode::from_u16(status)?, "{text}");
    assert_eq!(
        headers["content-type"], "application/problem+json",
        "{text}"
    );
    let body: Value = serde_json::from_str(&text)?;
    assert_eq!(body["code"], code, "{text}");
    assert_eq!(body["status"], status, "{text}");
    assert_eq!(
        body["request_id"],
        headers["x-request-id"].to_str()?,
        "{text}"
    );
    assert!(
        body["detail"].as_str().is_some_and(|d| !d.is_empty()),
        "{text}"
    );
    assert_eq!(headers.contains_key("retry-after"), status == 503, "{text}");
    Ok(body)
}
