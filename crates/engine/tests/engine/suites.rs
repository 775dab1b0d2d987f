//! The suites of the testkit, for this phase: with batches, and as the textbook hybrid.

use flash_engine::{Options, Strategy};
use flash_testkit::Stores;

use crate::tampering::{OPTIONS, start, start_with};

fn textbook(stores: &Stores) -> anyhow::Result<Strategy> {
    start_with(
        stores,
        Options {
            batch_max: 1,
            lanes: 8,
            ..OPTIONS
        },
    )
}

mod with_batches {
    use flash_testkit::Promise;

    use super::start;

    flash_testkit::contract_suite!(start);
    flash_testkit::guarantee_suite!(start, Promise::ExactAtTheGate);
}

mod one_by_one {
    use flash_testkit::Promise;

    use super::textbook;

    flash_testkit::contract_suite!(textbook);
    flash_testkit::guarantee_suite!(textbook, Promise::ExactAtTheGate);
}
