//! The suites of the testkit, for this phase.

use std::time::Duration;

use flash_testkit::{Promise, Stores};
use phase3_hybrid::{Gate, Strategy};

/// Gates that no test outlives, so that no clock decides one.
fn start(stores: &Stores) -> anyhow::Result<Strategy> {
    let gate = Gate::new(stores.redis_url(), "flash:", Duration::from_secs(600))?;
    Ok(Strategy::new(stores.pool()?, gate))
}

flash_testkit::contract_suite!(start);
flash_testkit::guarantee_suite!(start, Promise::ExactAtTheGate);
