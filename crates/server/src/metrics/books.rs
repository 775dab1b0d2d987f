//! What is read when somebody looks: stock, gates, pools, the process.

use std::time::{Duration, Instant};

use flash_core::{InventoryStrategy, Sku};
use flash_db::{DbError, Pool, skus};
use futures_util::StreamExt;
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use tokio::sync::Mutex;

use crate::probe::PROBE_TIMEOUT;
use crate::site::Site;

/// The most SKUs that have series of their own: the first ones in order of their names.
const SKUS_MAX: u16 = 100;

/// The most gates that are read at once; each reading opens a connection.
const GATES_AT_ONCE: usize = 8;

/// How long a reading serves those who ask next, so that a crowd of them costs the stores
/// one reading. Scrapes are usually 15 s apart.
const FRESH: Duration = Duration::from_millis(500);

/// The last reading; one is made at a time.
#[derive(Default)]
pub(crate) struct Books {
    last: Mutex<Option<(Instant, Vec<MetricFamily>)>>,
}

impl Books {
    pub(crate) async fn read<S: InventoryStrategy>(
        &self,
        site: &Site<S>,
    ) -> prometheus::Result<Vec<MetricFamily>> {
        let mut last = self.last.lock().await;
        if let Some((at, families)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(families.clone());
        }
        let gauges = Gauges::new()?;
        gauges.set_pool("strategy", &site.strategy_pool);
        gauges.set_pool("admin", &site.pool);
        let stock = gauges.set_stock(&site.pool).await;
        gauges.set_drift(&*site.strategy, &stock).await;
        super::process::register(&gauges.registry)?;
        let families = gauges.registry.gather();
        *last = Some((Instant::now(), families.clone()));
        Ok(families)
    }
}

/// The gauges of one reading. They are made anew, so that a SKU that falls out of the
/// selection leaves nothing behind.
struct Gauges {
    registry: Registry,
    store_up: IntGaugeVec,
    skus: IntGauge,
    available_units: IntGaugeVec,
    gate_drift_units: IntGaugeVec,
    pool_connections: IntGaugeVec,
    pool_connections_max: IntGaugeVec,
    pool_waiting: IntGaugeVec,
}

impl Gauges {
    fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            prometheus::Result::Ok(gauges)
        };
        let skus = IntGauge::new("flash_skus", "SKUs in PostgreSQL")?;
        registry.register(Box::new(skus.clone()))?;
        Ok(Self {
            store_up: gauges(
                "flash_store_up",
                "Whether a store answered this reading: 1 or 0",
                &["store"],
            )?,
            available_units: gauges(
                "flash_available_units",
                "Units that PostgreSQL says can be sold; the first 100 SKUs by name",
                &["sku"],
            )?,
            gate_drift_units: gauges(
                "flash_gate_drift_units",
                "Free units in Redis less available units in PostgreSQL; 0 at rest",
                &["sku"],
            )?,
            pool_connections: gauges(
                "flash_pool_connections",
                "Open connections to PostgreSQL",
                &["pool", "state"],
            )?,
            pool_connections_max: gauges(
                "flash_pool_connections_max",
                "The most connections a pool may open",
                &["pool"],
            )?,
            pool_waiting: gauges(
                "flash_pool_waiting",
                "Requests that wait for a connection",
                &["pool"],
            )?,
            skus,
            registry,
        })
    }

    fn set_pool(&self, name: &str, pool: &Pool) {
        let status = pool.status();
        let set = |gauge: IntGauge, value: usize| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        let connections =
            |state| self.pool_connections.with_label_values(&[name, state]);
        set(connections("in-use"), status.in_use);
        set(connections("idle"), status.idle);
        set(
            self.pool_connections_max.with_label_values(&[name]),
            status.max,
        );
        set(self.pool_waiting.with_label_values(&[name]), status.waiting);
    }

    /// Sets what PostgreSQL says, and returns it for the SKUs that are shown.
    async fn set_stock(&self, pool: &Pool) -> Vec<(Sku, i64)> {
        let read = async {
            let mut conn = pool.get().await?;
            let stock = skus::first_available(&mut conn, SKUS_MAX).await?;
            Ok::<_, DbError>((skus::count(&mut conn).await?, stock))
        };
        let read = tokio::time::timeout(PROBE_TIMEOUT, read).await;
        let up = self.store_up.with_label_values(&["postgresql"]);
        let Ok(Ok((count, stock))) = read else {
            up.set(0);
            return Vec::new();
        };
        up.set(1);
        self.skus.set(count);
        for (sku, units) in &stock {
            let gauge = self.available_units.with_label_values(&[sku.as_str()]);
            gauge.set(*units);
        }
        stock
    }

    /// Sets how far Redis is from what PostgreSQL said. A SKU without a gate has none, and
    /// a strategy without gates nothing of this.
    async fn set_drift<S: InventoryStrategy>(
        &self,
        strategy: &S,
        stock: &[(Sku, i64)],
    ) {
        let read = async {
            let ready = strategy.ready().await.redis?;
            let mut readings = futures_util::stream::iter(stock)
                .map(async |(sku, units)| {
                    (sku, units, strategy.gate_free_units(sku).await)
                })
                .buffer_unordered(GATES_AT_ONCE);
            let mut up = ready.is_ok();
            while up && let Some((sku, units, free)) = readings.next().await {
                up = free.is_ok();
                if let Ok(Some(free)) = free {
                    let gauge =
                        self.gate_drift_units.with_label_values(&[sku.as_str()]);
                    gauge.set(free - units);
                }
            }
            Some(up)
        };
        let read = tokio::time::timeout(PROBE_TIMEOUT, read).await;
        if let Some(up) = read.unwrap_or(Some(false)) {
            let store_up = self.store_up.with_label_values(&["redis"]);
            store_up.set(i64::from(up));
        }
    }
}
