//! What the rooms count, in the default registry. No label depends on a request.

use std::sync::LazyLock;

use prometheus::{
    Histogram, IntCounter, IntGauge, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge, register_int_gauge_vec,
};

/// What this process counts; several strategies in one process count together.
#[expect(
    clippy::expect_used,
    reason = "only a name that is not valid can fail here, and the names are constants"
)]
pub(crate) static METRICS: LazyLock<Metrics> =
    LazyLock::new(|| Metrics::register().expect("the names are valid"));

/// Sizes of a batch, from a lone order to the largest that is configured by default.
const BATCH_BUCKETS: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 10_000.0,
];

/// Seconds of a transaction, from a fast disk to a slow day.
const COMMIT_BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0,
];

/// The counter of sold-out answers.
pub const REFUSED_TOTAL: &str = "flash_refused_total";

/// Who gave them, its label `by`: without any I/O, by the word of Redis, by PostgreSQL's.
pub const REFUSED_BY: [&str; 3] = ["latch", "bouncer", "vault"];

pub(crate) struct Metrics {
    pub(crate) batch_requests: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) at_the_door: IntGauge,
    pub(crate) held: IntGauge,
    pub(crate) before_the_vault: IntGauge,
    pub(crate) lanes_busy: IntGauge,
    pub(crate) lanes_stuck: IntGauge,
    pub(crate) redis_away: IntGauge,
    pub(crate) postgresql_away: IntGauge,
    pub(crate) gate_loads: IntCounter,
    pub(crate) refused_by_latch: IntCounter,
    pub(crate) refused_by_bouncer: IntCounter,
    pub(crate) refused_by_vault: IntCounter,
    pub(crate) past_redis: IntCounter,
}

impl Metrics {
    pub(crate) fn show_waiting(&self, at_the_door: usize, before_the_vault: usize) {
        let gauge = |count: usize| count.try_into().unwrap_or(i64::MAX);
        self.at_the_door.set(gauge(at_the_door));
        self.before_the_vault.set(gauge(before_the_vault));
    }

    fn register() -> prometheus::Result<Self> {
        let waiting = register_int_gauge_vec!(
            "flash_waiting_requests",
            "Requests that wait, by where",
            &["at"]
        )?;
        let away = register_int_gauge_vec!(
            "flash_store_away",
            "1 while a store cannot be used, by store",
            &["store"]
        )?;
        let refused = register_int_counter_vec!(
            REFUSED_TOTAL,
            "Sold-out answers, by who gave them",
            &["by"]
        )?;
        let [latch, bouncer, vault] =
            REFUSED_BY.map(|room| refused.with_label_values(&[room]));
        Ok(Self {
            batch_requests: register_histogram!(
                "flash_batch_requests",
                "Requests in one transaction",
                BATCH_BUCKETS.to_vec()
            )?,
            commit_seconds: register_histogram!(
                "flash_batch_seconds",
                "Time of one transaction",
                COMMIT_BUCKETS.to_vec()
            )?,
            at_the_door: waiting.with_label_values(&["door"]),
            held: waiting.with_label_values(&["held"]),
            before_the_vault: waiting.with_label_values(&["vault"]),
            lanes_busy: register_int_gauge!(
                "flash_lanes_busy",
                "Transactions under way"
            )?,
            lanes_stuck: register_int_gauge!(
                "flash_lanes_stuck",
                "Transactions under way for more than two seconds"
            )?,
            redis_away: away.with_label_values(&["redis"]),
            postgresql_away: away.with_label_values(&["postgresql"]),
            gate_loads: register_int_counter!(
                "flash_gate_loads_total",
                "Gates loaded from PostgreSQL"
            )?,
            refused_by_latch: latch,
            refused_by_bouncer: bouncer,
            refused_by_vault: vault,
            past_redis: register_int_counter!(
                "flash_past_redis_total",
                "Requests that went to PostgreSQL without asking Redis"
            )?,
        })
    }
}
