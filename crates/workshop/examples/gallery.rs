//! Every start, solution and near miss in one program: `gallery --variant e01/solution`.
//! What proves the exercises links once, and not once for each of them.

use std::process::ExitCode;

use clap::Parser;
use flash_server::cli::Settings;
use flash_workshop::given::{
    Claims, Make, Sells, Test, WEAK_SHOP, WeakShop, attack, examine, judge_claims,
    serve_with, served,
};

#[path = "../answers/e00_green/misses/read_without_lock.rs"]
mod e00_read_without_lock;
#[path = "../answers/e00_green/solution.rs"]
mod e00_solution;
#[path = "../answers/e00_green/start.rs"]
mod e00_start;
#[path = "../answers/e01_one_statement/misses/a_number_from_before.rs"]
mod e01_a_number_from_before;
#[path = "../answers/e01_one_statement/misses/an_error_for_an_answer.rs"]
mod e01_an_error_for_an_answer;
#[path = "../answers/e01_one_statement/misses/anything_is_enough.rs"]
mod e01_anything_is_enough;
#[path = "../answers/e01_one_statement/misses/off_by_one.rs"]
mod e01_off_by_one;
#[path = "../answers/e01_one_statement/solution.rs"]
mod e01_solution;
#[path = "../answers/e01_one_statement/start.rs"]
mod e01_start;
#[path = "../answers/e02_key_first/misses/a_violation_is_an_error.rs"]
mod e02_a_violation_is_an_error;
#[path = "../answers/e02_key_first/misses/any_contents.rs"]
mod e02_any_contents;
#[path = "../answers/e02_key_first/misses/looked_for_before_the_lock.rs"]
mod e02_looked_for_before_the_lock;
#[path = "../answers/e02_key_first/misses/recorded_and_then_refused.rs"]
mod e02_recorded_and_then_refused;
#[path = "../answers/e02_key_first/solution.rs"]
mod e02_solution;
#[path = "../answers/e02_key_first/start.rs"]
mod e02_start;
#[path = "../answers/e03_unlocked_too_early/misses/a_lock_for_each_buyer.rs"]
mod e03_a_lock_for_each_buyer;
#[path = "../answers/e03_unlocked_too_early/misses/a_mutex_of_one_process.rs"]
mod e03_a_mutex_of_one_process;
#[path = "../answers/e03_unlocked_too_early/misses/locked_after_the_read.rs"]
mod e03_locked_after_the_read;
#[path = "../answers/e03_unlocked_too_early/misses/shared_by_both.rs"]
mod e03_shared_by_both;
#[path = "../answers/e03_unlocked_too_early/solution.rs"]
mod e03_solution;
#[path = "../answers/e03_unlocked_too_early/start.rs"]
mod e03_start;
#[path = "../answers/e04_serializable_and_again/misses/again_in_the_same_transaction.rs"]
mod e04_again_in_the_same_transaction;
#[path = "../answers/e04_serializable_and_again/misses/read_once_for_all_tries.rs"]
mod e04_read_once_for_all_tries;
#[path = "../answers/e04_serializable_and_again/solution.rs"]
mod e04_solution;
#[path = "../answers/e04_serializable_and_again/start.rs"]
mod e04_start;
#[path = "../answers/e04_serializable_and_again/misses/the_loser_is_sold_out.rs"]
mod e04_the_loser_is_sold_out;
#[path = "../answers/e04_serializable_and_again/misses/without_a_level.rs"]
mod e04_without_a_level;
#[path = "../answers/e05_the_gate_in_lua/misses/counts_buyers_and_not_units.rs"]
mod e05_counts_buyers_and_not_units;
#[path = "../answers/e05_the_gate_in_lua/misses/forgets_who_was_let_through.rs"]
mod e05_forgets_who_was_let_through;
#[path = "../answers/e05_the_gate_in_lua/misses/not_there_is_empty.rs"]
mod e05_not_there_is_empty;
#[path = "../answers/e05_the_gate_in_lua/solution.rs"]
mod e05_solution;
#[path = "../answers/e05_the_gate_in_lua/start.rs"]
mod e05_start;
#[path = "../answers/e05_the_gate_in_lua/misses/the_last_unit_is_refused.rs"]
mod e05_the_last_unit_is_refused;
#[path = "../answers/e06_a_test_that_cannot_be_lucky/misses/holds_the_row_and_hopes.rs"]
mod e06_holds_the_row_and_hopes;
#[path = "../answers/e06_a_test_that_cannot_be_lucky/misses/one_after_the_other.rs"]
mod e06_one_after_the_other;
#[path = "../answers/e06_a_test_that_cannot_be_lucky/solution.rs"]
mod e06_solution;
#[path = "../answers/e06_a_test_that_cannot_be_lucky/start.rs"]
mod e06_start;
#[path = "../answers/e06_a_test_that_cannot_be_lucky/misses/waits_for_who_never_comes.rs"]
mod e06_waits_for_who_never_comes;
#[path = "../answers/e07_told_failed_and_bought/misses/accepted_without_knowing.rs"]
mod e07_accepted_without_knowing;
#[path = "../answers/e07_told_failed_and_bought/misses/again_under_another_key.rs"]
mod e07_again_under_another_key;
#[path = "../answers/e07_told_failed_and_bought/misses/sold_out_to_be_safe.rs"]
mod e07_sold_out_to_be_safe;
#[path = "../answers/e07_told_failed_and_bought/solution.rs"]
mod e07_solution;
#[path = "../answers/e07_told_failed_and_bought/start.rs"]
mod e07_start;
#[path = "../answers/e08_the_unit_nobody_can_buy/misses/busy_at_zero.rs"]
mod e08_busy_at_zero;
#[path = "../answers/e08_the_unit_nobody_can_buy/misses/comes_back_some_time.rs"]
mod e08_comes_back_some_time;
#[path = "../answers/e08_the_unit_nobody_can_buy/misses/opened_anew_by_each_process.rs"]
mod e08_opened_anew_by_each_process;
#[path = "../answers/e08_the_unit_nobody_can_buy/misses/reconciled_and_trusted.rs"]
mod e08_reconciled_and_trusted;
#[path = "../answers/e08_the_unit_nobody_can_buy/solution.rs"]
mod e08_solution;
#[path = "../answers/e08_the_unit_nobody_can_buy/start.rs"]
mod e08_start;
#[path = "../answers/e09_say_it_with_an_interval/misses/a_flush_is_a_purchase.rs"]
mod e09_a_flush_is_a_purchase;
#[path = "../answers/e09_say_it_with_an_interval/misses/a_number_alone.rs"]
mod e09_a_number_alone;
#[path = "../answers/e09_say_it_with_an_interval/misses/from_the_lowest_to_the_highest.rs"]
mod e09_from_the_lowest_to_the_highest;
#[path = "../answers/e09_say_it_with_an_interval/misses/p99_at_full_load.rs"]
mod e09_p99_at_full_load;
#[path = "../answers/e09_say_it_with_an_interval/solution.rs"]
mod e09_solution;
#[path = "../answers/e09_say_it_with_an_interval/start.rs"]
mod e09_start;
#[path = "../answers/e09_say_it_with_an_interval/misses/the_best_of_all.rs"]
mod e09_the_best_of_all;
#[path = "../answers/e09_say_it_with_an_interval/misses/typed_in.rs"]
mod e09_typed_in;
#[path = "../answers/e09_say_it_with_an_interval/misses/void_blocks_too.rs"]
mod e09_void_blocks_too;
#[path = "../answers/e09_say_it_with_an_interval/misses/whatever_the_disk_does.rs"]
mod e09_whatever_the_disk_does;
#[path = "../answers/e10_break_into_the_sale/misses/my_own_key_again.rs"]
mod e10_my_own_key_again;
#[path = "../answers/e10_break_into_the_sale/misses/refused_once.rs"]
mod e10_refused_once;
#[path = "../answers/e10_break_into_the_sale/solution.rs"]
mod e10_solution;
#[path = "../answers/e10_break_into_the_sale/start.rs"]
mod e10_start;
#[path = "../answers/e10_break_into_the_sale/misses/the_key_after_mine.rs"]
mod e10_the_key_after_mine;
#[path = "../answers/e10_break_into_the_sale/misses/the_same_key_twice.rs"]
mod e10_the_same_key_twice;
#[path = "../answers/e10_break_into_the_sale/misses/the_same_refusal_again.rs"]
mod e10_the_same_refusal_again;
#[path = "../answers/rungs/optimistic.rs"]
mod rung_optimistic;
#[path = "../answers/rungs/relative_write.rs"]
mod rung_relative_write;

const VARIANTS: &[(&str, Variant)] = &[
    ("e00/start", of::<e00_start::Strategy>()),
    ("e00/solution", of::<e00_solution::Strategy>()),
    (
        "e00/miss/read_without_lock",
        of::<e00_read_without_lock::Strategy>(),
    ),
    ("e01/start", of::<e01_start::Strategy>()),
    ("e01/solution", of::<e01_solution::Strategy>()),
    (
        "e01/miss/a_number_from_before",
        of::<e01_a_number_from_before::Strategy>(),
    ),
    (
        "e01/miss/an_error_for_an_answer",
        of::<e01_an_error_for_an_answer::Strategy>(),
    ),
    (
        "e01/miss/anything_is_enough",
        of::<e01_anything_is_enough::Strategy>(),
    ),
    ("e01/miss/off_by_one", of::<e01_off_by_one::Strategy>()),
    ("e02/start", of::<e02_start::Strategy>()),
    ("e02/solution", of::<e02_solution::Strategy>()),
    (
        "e02/miss/a_violation_is_an_error",
        of::<e02_a_violation_is_an_error::Strategy>(),
    ),
    ("e02/miss/any_contents", of::<e02_any_contents::Strategy>()),
    (
        "e02/miss/looked_for_before_the_lock",
        of::<e02_looked_for_before_the_lock::Strategy>(),
    ),
    (
        "e02/miss/recorded_and_then_refused",
        of::<e02_recorded_and_then_refused::Strategy>(),
    ),
    ("e03/start", of::<e03_start::Strategy>()),
    ("e03/solution", of::<e03_solution::Strategy>()),
    (
        "e03/miss/a_lock_for_each_buyer",
        of::<e03_a_lock_for_each_buyer::Strategy>(),
    ),
    (
        "e03/miss/a_mutex_of_one_process",
        of::<e03_a_mutex_of_one_process::Strategy>(),
    ),
    (
        "e03/miss/locked_after_the_read",
        of::<e03_locked_after_the_read::Strategy>(),
    ),
    (
        "e03/miss/shared_by_both",
        of::<e03_shared_by_both::Strategy>(),
    ),
    ("e04/start", of::<e04_start::Strategy>()),
    ("e04/solution", of::<e04_solution::Strategy>()),
    (
        "e04/miss/again_in_the_same_transaction",
        of::<e04_again_in_the_same_transaction::Strategy>(),
    ),
    (
        "e04/miss/read_once_for_all_tries",
        of::<e04_read_once_for_all_tries::Strategy>(),
    ),
    (
        "e04/miss/the_loser_is_sold_out",
        of::<e04_the_loser_is_sold_out::Strategy>(),
    ),
    (
        "e04/miss/without_a_level",
        of::<e04_without_a_level::Strategy>(),
    ),
    ("e05/start", of::<e05_start::Strategy>()),
    ("e05/solution", of::<e05_solution::Strategy>()),
    (
        "e05/miss/counts_buyers_and_not_units",
        of::<e05_counts_buyers_and_not_units::Strategy>(),
    ),
    (
        "e05/miss/forgets_who_was_let_through",
        of::<e05_forgets_who_was_let_through::Strategy>(),
    ),
    (
        "e05/miss/not_there_is_empty",
        of::<e05_not_there_is_empty::Strategy>(),
    ),
    (
        "e05/miss/the_last_unit_is_refused",
        of::<e05_the_last_unit_is_refused::Strategy>(),
    ),
    (
        "e06/start",
        Variant::Tests(
            e06_start::test,
            include_str!("../answers/e06_a_test_that_cannot_be_lucky/start.rs"),
        ),
    ),
    (
        "e06/solution",
        Variant::Tests(
            e06_solution::test,
            include_str!("../answers/e06_a_test_that_cannot_be_lucky/solution.rs"),
        ),
    ),
    (
        "e06/miss/holds_the_row_and_hopes",
        Variant::Tests(
            e06_holds_the_row_and_hopes::test,
            include_str!(
                "../answers/e06_a_test_that_cannot_be_lucky/misses/holds_the_row_and_hopes.rs"
            ),
        ),
    ),
    (
        "e06/miss/one_after_the_other",
        Variant::Tests(
            e06_one_after_the_other::test,
            include_str!(
                "../answers/e06_a_test_that_cannot_be_lucky/misses/one_after_the_other.rs"
            ),
        ),
    ),
    (
        "e06/miss/waits_for_who_never_comes",
        Variant::Tests(
            e06_waits_for_who_never_comes::test,
            include_str!(
                "../answers/e06_a_test_that_cannot_be_lucky/misses/waits_for_who_never_comes.rs"
            ),
        ),
    ),
    ("e07/start", of::<e07_start::Strategy>()),
    ("e07/solution", of::<e07_solution::Strategy>()),
    (
        "e07/miss/accepted_without_knowing",
        of::<e07_accepted_without_knowing::Strategy>(),
    ),
    (
        "e07/miss/again_under_another_key",
        of::<e07_again_under_another_key::Strategy>(),
    ),
    (
        "e07/miss/sold_out_to_be_safe",
        of::<e07_sold_out_to_be_safe::Strategy>(),
    ),
    ("e08/start", of::<e08_start::Strategy>()),
    ("e08/solution", of::<e08_solution::Strategy>()),
    ("e08/miss/busy_at_zero", of::<e08_busy_at_zero::Strategy>()),
    (
        "e08/miss/comes_back_some_time",
        of::<e08_comes_back_some_time::Strategy>(),
    ),
    (
        "e08/miss/opened_anew_by_each_process",
        of::<e08_opened_anew_by_each_process::Strategy>(),
    ),
    (
        "e08/miss/reconciled_and_trusted",
        of::<e08_reconciled_and_trusted::Strategy>(),
    ),
    ("e09/start", Variant::Claims(e09_start::CLAIMS)),
    ("e09/solution", Variant::Claims(e09_solution::CLAIMS)),
    (
        "e09/miss/a_flush_is_a_purchase",
        Variant::Claims(e09_a_flush_is_a_purchase::CLAIMS),
    ),
    (
        "e09/miss/a_number_alone",
        Variant::Claims(e09_a_number_alone::CLAIMS),
    ),
    (
        "e09/miss/from_the_lowest_to_the_highest",
        Variant::Claims(e09_from_the_lowest_to_the_highest::CLAIMS),
    ),
    (
        "e09/miss/p99_at_full_load",
        Variant::Claims(e09_p99_at_full_load::CLAIMS),
    ),
    (
        "e09/miss/the_best_of_all",
        Variant::Claims(e09_the_best_of_all::CLAIMS),
    ),
    ("e09/miss/typed_in", Variant::Claims(e09_typed_in::CLAIMS)),
    (
        "e09/miss/void_blocks_too",
        Variant::Claims(e09_void_blocks_too::CLAIMS),
    ),
    (
        "e09/miss/whatever_the_disk_does",
        Variant::Claims(e09_whatever_the_disk_does::CLAIMS),
    ),
    ("e10/start", Variant::Attacks(attack::<e10_start::Mallory>)),
    (
        "e10/solution",
        Variant::Attacks(attack::<e10_solution::Mallory>),
    ),
    (
        "e10/miss/my_own_key_again",
        Variant::Attacks(attack::<e10_my_own_key_again::Mallory>),
    ),
    (
        "e10/miss/refused_once",
        Variant::Attacks(attack::<e10_refused_once::Mallory>),
    ),
    (
        "e10/miss/the_key_after_mine",
        Variant::Attacks(attack::<e10_the_key_after_mine::Mallory>),
    ),
    (
        "e10/miss/the_same_key_twice",
        Variant::Attacks(attack::<e10_the_same_key_twice::Mallory>),
    ),
    (
        "e10/miss/the_same_refusal_again",
        Variant::Attacks(attack::<e10_the_same_refusal_again::Mallory>),
    ),
    ("rung/optimistic", of::<rung_optimistic::Strategy>()),
    ("rung/relative_write", of::<rung_relative_write::Strategy>()),
    (WEAK_SHOP, of::<WeakShop>()),
];

/// What is shown of a variant.
enum Variant {
    Sells(Make),
    Tests(Test, &'static str),
    Claims(Claims),
    Attacks(fn() -> ExitCode),
}

const fn of<E: Sells>() -> Variant {
    Variant::Sells((served::<E>, E::USES_REDIS))
}

#[derive(Parser)]
struct Args {
    /// What is served
    #[arg(long)]
    variant: String,

    #[command(flatten)]
    settings: Settings,
}

fn main() -> ExitCode {
    let Args { variant, settings } = Args::parse();
    let found = VARIANTS.iter().find(|(name, _)| *name == variant);
    let Some((_, variant)) = found else {
        let names: Vec<_> = VARIANTS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no {variant}: there are {}", names.join(", "));
        return ExitCode::from(2);
    };
    match variant {
        Variant::Sells(make) => serve_with(settings, *make),
        Variant::Tests(test, source) => examine(*test, source),
        Variant::Claims(claims) => judge_claims(*claims),
        Variant::Attacks(attack) => attack(),
    }
}
