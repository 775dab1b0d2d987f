//! The suites of the testkit, for this phase.

use flash_testkit::{Promise, Stores};
use phase3_hybrid::{Options, Strategy};

fn start(stores: &Stores) -> anyhow::Result<Strategy> {
    let options = Options {
        queue_max: 1_000,
        redis_pool_size: 8,
    };
    Ok(Strategy::new(stores.pool()?, stores.redis_url(), options)?)
}

flash_testkit::contract_suite!(start);
flash_testkit::guarantee_suite!(start, Promise::ExactAtTheGate);
