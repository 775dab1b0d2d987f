//! Each solution that is a strategy passes the suites of the testkit.

use flash_core::StrategyError;
use flash_testkit::Stores as Tested;
use flash_workshop::given::{Sells, Served, Stores, served};

#[path = "../answers/e00_green/solution.rs"]
mod green_solution;
#[path = "../answers/e02_key_first/solution.rs"]
mod key_first_solution;
#[path = "../answers/e01_one_statement/solution.rs"]
mod one_statement_solution;
#[path = "../answers/e04_serializable_and_again/solution.rs"]
mod serializable_and_again_solution;
#[path = "../answers/e05_the_gate_in_lua/solution.rs"]
mod the_gate_in_lua_solution;
#[path = "../answers/e08_the_unit_nobody_can_buy/solution.rs"]
mod the_unit_nobody_can_buy_solution;
#[path = "../answers/e07_told_failed_and_bought/solution.rs"]
mod told_failed_and_bought_solution;
#[path = "../answers/e03_unlocked_too_early/solution.rs"]
mod unlocked_too_early_solution;

fn start<E: Sells>(stores: &Tested) -> anyhow::Result<Served> {
    let stores = Stores {
        pool: stores.pool()?,
        redis_url: Some(stores.redis_url().to_owned()),
    };
    served::<E>(&stores).map_err(|error: StrategyError| error.into())
}

macro_rules! passes {
    ($name:ident, $solution:ident, $promise:path) => {
        mod $name {
            fn start(
                stores: &flash_testkit::Stores,
            ) -> anyhow::Result<flash_workshop::given::Served> {
                super::start::<super::$solution::Strategy>(stores)
            }

            flash_testkit::contract_suite!(start);
            flash_testkit::guarantee_suite!(start, $promise);
        }
    };
}

passes!(green, green_solution, flash_testkit::Promise::ExactAtTheRow);
passes!(
    one_statement,
    one_statement_solution,
    flash_testkit::Promise::ExactAtTheRow
);
passes!(
    key_first,
    key_first_solution,
    flash_testkit::Promise::ExactAtTheRow
);
passes!(
    unlocked_too_early,
    unlocked_too_early_solution,
    flash_testkit::Promise::ExactAtTheRow
);
passes!(
    serializable_and_again,
    serializable_and_again_solution,
    flash_testkit::Promise::ExactAtTheRow
);
passes!(
    the_gate_in_lua,
    the_gate_in_lua_solution,
    flash_testkit::Promise::ExactAtTheGate
);
passes!(
    told_failed_and_bought,
    told_failed_and_bought_solution,
    flash_testkit::Promise::ExactAtTheRow
);
passes!(
    the_unit_nobody_can_buy,
    the_unit_nobody_can_buy_solution,
    flash_testkit::Promise::ExactAtTheGate
);
