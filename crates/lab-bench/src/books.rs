//! What buyers were told, held against what the database says.

use serde::Serialize;

use crate::arm::{Arm, Work};
use crate::tally::Answers;

/// What the database says afterwards.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Books {
    pub(crate) orders: u64,
    pub(crate) stock_taken: u64,
}

/// Says why a block is not used, if it is not, and whether an exact strategy has broken
/// its promise.
pub(crate) fn judge(
    arm: Arm,
    work: Work,
    answers: &Answers,
    books: Option<Books>,
) -> (Option<String>, bool) {
    let (accepted, other) = (answers.accepted, answers.other);
    let lost =
        (other > 0).then(|| format!("{other} requests had no answer that counts"));
    let Some(books) = books else {
        return (lost, false);
    };
    let (orders, stock_taken) = (books.orders, books.stock_taken);
    // Who had no answer may have an order.
    let is_told = orders == accepted || (lost.is_some() && orders > accepted);
    let supply = u64::from(work.units()) * u64::from(work.skus());
    let is_sound = orders == stock_taken && orders <= supply;
    let violation = arm.is_exact() && !(is_told && is_sound);
    let void = if lost.is_some() {
        lost
    } else if violation || !is_told {
        let taken = format!("{stock_taken} units taken");
        Some(format!("{accepted} accepted, {orders} orders, {taken}"))
    } else {
        let is_idle = orders + stock_taken == 0 && work != Work::Refusals;
        is_idle.then(|| "nobody got an order".to_owned())
    };
    (void, violation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_strategy_keeps_its_books_and_naive_does_not_lie() {
        let (used, void, broken) = ((false, false), (true, false), (true, true));
        for (what, arm, [accepted, other, orders, stock_taken], expected) in [
            ("balanced", Arm::Engine, [100, 0, 100, 100], used),
            ("lost update", Arm::Pessimistic, [90, 0, 90, 89], broken),
            ("lost order", Arm::Engine, [91, 0, 90, 90], broken),
            ("oversold", Arm::Engine, [101, 0, 101, 101], broken),
            ("stock without order", Arm::Engine, [0, 0, 0, 1], broken),
            ("nothing happened", Arm::Pgbench, [0, 0, 0, 0], void),
            ("naive oversells", Arm::Naive, [900, 0, 900, 100], used),
            ("naive lies", Arm::Naive, [901, 0, 900, 100], void),
            ("answer lost, order kept", Arm::Engine, [9, 1, 10, 10], void),
            ("answer and order lost", Arm::Engine, [9, 1, 8, 8], broken),
        ] {
            let answers = Answers {
                accepted,
                other,
                ..Answers::default()
            };
            let books = Some(Books {
                orders,
                stock_taken,
            });
            let (void, violation) = judge(arm, Work::Burst, &answers, books);
            assert_eq!((void.is_some(), violation), expected, "{what}");
        }
    }
}
