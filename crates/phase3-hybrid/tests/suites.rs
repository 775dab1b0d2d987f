//! The suites of the testkit, for this phase: with batches, and as the textbook hybrid.

use std::time::Duration;

use flash_testkit::Stores;
use phase3_hybrid::{Options, Strategy};

const OPTIONS: Options = Options {
    queue_max: 1_000,
    batch_max: 100,
    lanes: 2,
    lock_wait: Duration::from_secs(5),
};

fn engine(stores: &Stores) -> anyhow::Result<Strategy> {
    let (database_url, redis_url) = (stores.database_url(), stores.redis_url());
    Ok(Strategy::start(
        stores.pool()?,
        database_url,
        redis_url,
        OPTIONS,
    )?)
}

fn textbook(stores: &Stores) -> anyhow::Result<Strategy> {
    let options = Options {
        batch_max: 1,
        lanes: 8,
        ..OPTIONS
    };
    let (database_url, redis_url) = (stores.database_url(), stores.redis_url());
    Ok(Strategy::start(
        stores.pool()?,
        database_url,
        redis_url,
        options,
    )?)
}

mod with_batches {
    use flash_testkit::Promise;

    use super::engine;

    flash_testkit::contract_suite!(engine);
    flash_testkit::guarantee_suite!(engine, Promise::ExactAtTheGate);
}

mod one_by_one {
    use flash_testkit::Promise;

    use super::textbook;

    flash_testkit::contract_suite!(textbook);
    flash_testkit::guarantee_suite!(textbook, Promise::ExactAtTheGate);
}
