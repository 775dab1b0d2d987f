//! What buyers were told, held against what the database says.

use serde::Serialize;

use crate::arm::{Arm, Work};

/// How many answers of each kind came.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Answers {
    pub(crate) accepted: u64,
    pub(crate) replayed: u64,
    pub(crate) sold_out: u64,
    pub(crate) busy: u64,
    /// Answers of no other kind, and requests without an answer.
    pub(crate) other: u64,
    /// Requests that were due and found no free connection until the end.
    pub(crate) unsent: u64,
}

impl Answers {
    /// All that say something.
    pub(crate) fn telling(&self) -> u64 {
        self.accepted + self.replayed + self.sold_out + self.busy
    }
}

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
    let supply = work.units() * work.skus();
    if other > 0 {
        let text = format!("{other} requests had no answer that counts");
        let wrong = books.is_some_and(|it| {
            it.orders != it.stock_taken || it.orders < accepted || it.orders > supply
        });
        return (Some(text), wrong && arm.is_exact());
    }
    let Some(books) = books else {
        return (None, false);
    };
    let (orders, stock_taken) = (books.orders, books.stock_taken);
    if orders + accepted + stock_taken == 0 && work != Work::Refusals {
        return (Some("nobody got an order".to_owned()), false);
    }
    let oversold = orders > supply;
    let exact = accepted == orders && orders == stock_taken && !oversold;
    let balanced = exact || (!arm.is_exact() && accepted == orders);
    let void = (!balanced).then(|| {
        format!("{accepted} accepted, {orders} orders, {stock_taken} units taken")
    });
    (void, !balanced && arm.is_exact())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(arm: Arm, accepted: u64, orders: u64, stock_taken: u64) -> (bool, bool) {
        judged_of(arm, (accepted, 0), orders, stock_taken)
    }

    fn judged_of(
        arm: Arm,
        (accepted, other): (u64, u64),
        orders: u64,
        stock_taken: u64,
    ) -> (bool, bool) {
        let mut answers = Answers::default();
        (answers.accepted, answers.other) = (accepted, other);
        let books = Books {
            orders,
            stock_taken,
        };
        let work = Work::Burst { units: 100 };
        let (void, violation) = judge(arm, work, &answers, Some(books));
        (void.is_some(), violation)
    }

    #[test]
    fn books_that_balance_are_used() {
        assert_eq!(judged(Arm::Engine, 100, 100, 100), (false, false));
    }

    #[test]
    fn an_exact_strategy_may_not_lose_an_update_nor_oversell() {
        assert_eq!(judged(Arm::Pessimistic, 90, 90, 89), (true, true));
        assert_eq!(judged(Arm::Engine, 91, 90, 90), (true, true));
        assert_eq!(judged(Arm::Engine, 101, 101, 101), (true, true));
        assert_eq!(judged(Arm::Engine, 0, 0, 1), (true, true));
    }

    #[test]
    fn a_block_without_an_order_says_nothing() {
        assert_eq!(judged(Arm::Pgbench, 0, 0, 0), (true, false));
    }

    #[test]
    fn naive_may_do_both_but_not_lie() {
        assert_eq!(judged(Arm::Naive, 900, 900, 100), (false, false));
        assert_eq!(judged(Arm::Naive, 901, 900, 100), (true, false));
    }

    #[test]
    fn a_lost_answer_voids_a_block_and_accuses_nobody() {
        assert_eq!(judged_of(Arm::Engine, (9, 1), 10, 10), (true, false));
    }

    #[test]
    fn a_lost_answer_does_not_excuse_a_lost_order() {
        assert_eq!(judged_of(Arm::Engine, (9, 1), 8, 8), (true, true));
    }
}
