//! What a reader of the demo's table has just seen, what could have happened, and what to
//! do next.

use flash_core::Verdict;

use crate::cli::Strategy;
use crate::run::{Run, is_sold_exactly};

/// With so many chances to collide, a naive sale without a collision is no luck: the
/// default sale has a hundred units and loses nine hundred updates.
const CHANCES_ENOUGH: u32 = 10;

/// So many transactions at once fill the time between a read and its write.
const AT_ONCE_ENOUGH: u32 = 4;

/// Whether phase 1 was mended: nothing that it loses by design was lost, though it could.
pub(crate) fn is_mended(run: &Run, pool_size: u16) -> bool {
    is_sold_exactly(run) && exact(run, pool_size) == MENDED
}

/// What there is to say where each unit was sold once: whether buyers could have collided,
/// and would have where nothing prevents it.
fn exact(run: &Run, pool_size: u16) -> &'static str {
    let at_once = run.buyers.min(pool_size.into());
    // Whoever buys the last unit ends the race; whoever comes first has nobody to meet.
    let chances = run.units.min(run.buyers.saturating_sub(1));
    let is_certain = chances >= CHANCES_ENOUGH && at_once >= AT_ONCE_ENOUGH;
    match (run.buyers, pool_size) {
        (1, _) => ALONE,
        (_, 1) => IN_LINE,
        _ if !run.seller.is(Strategy::Naive) => EXACT,
        _ if is_certain => MENDED,
        _ => NOT_MET,
    }
}

/// A few sentences.
pub(crate) fn of(runs: &[Run], pool_size: u16) -> String {
    let by = |strategy| runs.iter().find(|run| run.seller.is(strategy));
    let is_broken =
        |run: &&Run| !run.seller.is(Strategy::Naive) && !is_sold_exactly(run);
    if let Some(run) = runs.iter().find(is_broken) {
        return broken(run);
    }
    let mut told = match (by(Strategy::Naive), runs) {
        (Some(run), _) => naive(run, pool_size, runs.len() > 1),
        (None, [run, ..]) => vec![exact(run, pool_size)],
        (None, []) => Vec::new(),
    };
    if let Some(run) = by(Strategy::Hybrid).and(by(Strategy::Engine)) {
        told.push(BOUGHT);
        if run.units < run.buyers {
            told.push(MANY_UNITS);
        }
    }
    told.join(" ")
}

fn naive(run: &Run, pool_size: u16, with_others: bool) -> Vec<&'static str> {
    if run.audit.oversold_units > 0 {
        match (with_others, run.units) {
            (true, 1) => vec![OVERSOLD, OTHERS, LINE, STEPS],
            (true, _) => vec![OVERSOLD, OTHERS, LINE, ONE_UNIT],
            (false, _) => vec![OVERSOLD, DISAPPEAR],
        }
    } else if run.audit.lost_updates > 0 {
        vec![LOST_UPDATE]
    } else if is_sold_exactly(run) {
        vec![exact(run, pool_size)]
    } else {
        vec![NEITHER]
    }
}

fn broken(run: &Run) -> String {
    let lost = run.audit.oversold_units > 0 || run.audit.lost_updates > 0;
    let strategy = &run.seller;
    match (strategy.strategy(), lost, run.audit.verdict) {
        (Some(Strategy::Pessimistic), true, _) => UNLOCKED.to_owned(),
        (None, true, _) => format!(
            "{strategy} sold what was not there, or lost what was written. \
             `./just judge --server PROGRAM` says which order of two buyers' steps does it, \
             and why."
        ),
        (_, true, _) => format!(
            "{strategy} decides under the row's lock as well, so this must not happen: \
             whoever changed it finds the lock in `./just diff 1 2`. \
             `./just interleave --strategy {strategy}` looks for an order of two buyers' \
             steps that does it."
        ),
        (_, false, Verdict::Exact) if run.outcomes.without_answer() > 0 => format!(
            "{} of {strategy}'s buyers got no answer; its books balance. Look at the \
             columns `busy` and `failed`, and run it again.",
            run.outcomes.without_answer()
        ),
        (_, false, _) => format!(
            "{strategy} sold too few, or lost units on the way; the lines above say how \
             many. `./just interleave --strategy {strategy}` looks for an order of two \
             buyers' steps that does it."
        ),
    }
}

const OVERSOLD: &str = "\
Naive buyers read the same stock at the same time, and each wrote back what it had \
computed.";

const OTHERS: &str = "\
The others decide under the row's lock, and their books balance.";

const BOUGHT: &str = "\
Hybrid buys the refusals: Redis sends losers away, and they wait for nobody's commit. The \
engine buys the sales: one commit for all who wait.";

const MANY_UNITS: &str = "\
That shows with more units: `./just demo-oversell --units 1000`.";

const LINE: &str = "Look at the one line that makes the difference: `./just diff 1 2`.";

const ONE_UNIT: &str = "\
Then sell a single unit: `./just demo-oversell --strategy naive --units 1`.";

const STEPS: &str = "Then see it step by step: `./just interleave --strategy naive`.";

const DISAPPEAR: &str = "\
See it disappear with `./just demo-oversell --strategy pessimistic`, and why: \
`./just diff 1 2`.";

const LOST_UPDATE: &str = "\
There was enough for all, and yet the naive stock row forgot orders: buyers overwrote \
each other's number, which is a lost update. With fewer units it becomes an oversell: \
`./just demo-oversell`. What is missing is one line: `./just diff 1 2`.";

const ALONE: &str = "\
One buyer has nobody to collide with, so no strategy can go wrong here. Let a crowd come: \
`./just demo-oversell`.";

const IN_LINE: &str = "\
With one connection the transactions come one after the other, so no buyer can read \
between another's read and write: exact, and one buyer at a time. Let them meet: \
`./just demo-oversell`.";

const NOT_MET: &str = "\
No two naive buyers met this time, and so few need not meet. If phase 1 is as it was, run \
this again, or `./just demo-oversell`, where they always do. If you have mended it, that \
is the test to pass, and `./just interleave --strategy naive` tries every order of two \
buyers' steps.";

const MENDED: &str = "\
So many buyers at once, and no naive one overwrote another's number: that is no luck. If \
you have mended phase 1, your change held. `./just interleave --strategy naive` tries \
every order of two buyers' steps, which no crowd can; compare with phase 2's answer: \
`./just diff 1 2`.";

const NEITHER: &str = "\
The naive sale did not oversell, and was not exact either: the line above says what is \
wrong with its books or its answers. A mended phase 1 sells each unit once and answers \
everybody; phase 2 does, by one line: `./just diff 1 2`.";

const EXACT: &str = "\
Each unit was sold once. See what happens without a lock: `./just demo-oversell \
--strategy naive`; the lock is one line: `./just diff 1 2`.";

const UNLOCKED: &str = "\
Phase 2 sold what another buyer had: two of its buyers read the same number, which cannot \
happen while each locks the row that it reads. If you took `.for_update()` out, this is \
what it was for: `git diff crates/phase2-pessimistic` shows what you changed.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Strategy::{Engine, Hybrid, Naive, Pessimistic};
    use crate::run::Outcomes;
    use crate::run::tests::{sale, told};

    fn run(strategy: Strategy, (units, buyers): (u32, u32), orders: u32) -> Run {
        let left = i64::from(units.saturating_sub(orders));
        let told = told(orders, buyers - orders);
        sale(strategy, (units, buyers), told, (orders.into(), left))
    }

    #[test]
    fn what_cannot_happen_is_not_called_luck_nor_what_was_mended() {
        let many = [EXACT, BOUGHT, MANY_UNITS].join(" ");
        let enough = [EXACT, BOUGHT].join(" ");
        for (strategies, terms, pool_size, text) in [
            (&[Naive][..], (100, 1000), 32, MENDED),
            (&[Naive], (1, 1), 32, ALONE),
            (&[Naive], (100, 1000), 1, IN_LINE),
            (&[Naive], (1, 1000), 32, NOT_MET),
            (&[Hybrid], (5, 40), 1, IN_LINE),
            (&[Hybrid], (5, 40), 32, EXACT),
            // These two are told apart by the run that shows it.
            (&[Hybrid, Engine], (100, 1000), 32, &many),
            (&[Hybrid, Engine], (1000, 1000), 32, &enough),
        ] {
            let sold = terms.0.min(terms.1);
            let runs = strategies.iter().map(|by| run(*by, terms, sold));
            let runs: Vec<_> = runs.collect();
            assert_eq!(of(&runs, pool_size), text, "{runs:?}");
            let is_praised = text == MENDED;
            assert_eq!(is_mended(&runs[0], pool_size), is_praised, "{runs:?}");
        }
    }

    #[test]
    fn nobody_is_sent_to_the_command_that_was_just_run() {
        let exact = run(Pessimistic, (1, 1000), 1);
        let text = of(&[run(Naive, (1, 1000), 20), exact], 32);
        assert_eq!(text, [OVERSOLD, OTHERS, LINE, STEPS].join(" "));
        assert_eq!(of(&[run(Pessimistic, (100, 1000), 1000)], 32), UNLOCKED);
    }

    #[test]
    fn a_server_that_answers_nobody_is_not_praised() {
        let outcomes = Outcomes {
            failed: 900,
            ..told(100, 0)
        };
        let silent = sale(Naive, (100, 1000), outcomes, (100, 0));
        assert!(!is_mended(&silent, 32));
        assert_eq!(of(&[silent], 32), NEITHER);
    }
}
