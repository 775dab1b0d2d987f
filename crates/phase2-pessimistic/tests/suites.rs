//! The suites of the testkit, for this phase.

use flash_testkit::{Promise, Stores};
use phase2_pessimistic::Strategy;

fn start(stores: &Stores) -> anyhow::Result<Strategy> {
    Ok(Strategy::new(stores.pool()?))
}

flash_testkit::contract_suite!(start);
flash_testkit::guarantee_suite!(start, Promise::ExactAtTheRow);
