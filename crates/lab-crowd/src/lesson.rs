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

/// Whether buyers could have collided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Race {
    /// There was one buyer.
    Alone,
    /// There was one connection, and so one transaction after the other.
    InLine,
    /// They could, but need not.
    Possible,
    /// Where nothing prevents it, they do.
    Certain,
}

fn race(run: &Run, pool_size: u16) -> Race {
    let at_once = run.buyers.min(pool_size.into());
    // Whoever buys the last unit ends the race; whoever comes first has nobody to meet.
    let chances = run.units.min(run.buyers.saturating_sub(1));
    match (run.buyers, pool_size) {
        (1, _) => Race::Alone,
        (_, 1) => Race::InLine,
        _ if chances >= CHANCES_ENOUGH && at_once >= AT_ONCE_ENOUGH => Race::Certain,
        _ => Race::Possible,
    }
}

/// Whether phase 1 was mended: nothing that it loses by design was lost, though it could.
pub(crate) fn is_mended(run: &Run, pool_size: u16) -> bool {
    run.seller.is(Strategy::Naive)
        && is_sold_exactly(run)
        && race(run, pool_size) == Race::Certain
}

/// A few sentences.
pub(crate) fn of(runs: &[Run], pool_size: u16) -> String {
    let by = |strategy| runs.iter().find(|run| run.seller.is(strategy));
    let is_broken =
        |run: &&Run| !run.seller.is(Strategy::Naive) && !is_sold_exactly(run);
    if let Some(run) = runs.iter().find(is_broken) {
        return broken(run);
    }
    let told = match by(Strategy::Naive) {
        Some(run) => naive(run, pool_size, runs.len() > 1),
        None => runs
            .first()
            .map_or(String::new(), |run| exact(run, pool_size)),
    };
    match by(Strategy::Hybrid).and(by(Strategy::Engine)) {
        Some(run) if run.units < run.buyers => format!("{told} {BOUGHT} {MANY_UNITS}"),
        Some(_) => format!("{told} {BOUGHT}"),
        None => told,
    }
}

fn naive(run: &Run, pool_size: u16, with_others: bool) -> String {
    if run.audit.oversold_units > 0 {
        match (with_others, run.units) {
            (true, 1) => format!("{OVERSOLD} {OTHERS} {LINE} {STEPS}"),
            (true, _) => format!("{OVERSOLD} {OTHERS} {LINE} {ONE_UNIT}"),
            (false, _) => format!("{OVERSOLD} {DISAPPEAR}"),
        }
    } else if run.audit.lost_updates > 0 {
        LOST_UPDATE.to_owned()
    } else if is_sold_exactly(run) {
        match race(run, pool_size) {
            Race::Alone => ALONE.to_owned(),
            Race::InLine => IN_LINE.to_owned(),
            Race::Possible => NOT_MET.to_owned(),
            Race::Certain => MENDED.to_owned(),
        }
    } else {
        NEITHER.to_owned()
    }
}

/// Phases that promise exact books.
fn exact(run: &Run, pool_size: u16) -> String {
    match race(run, pool_size) {
        Race::Alone => ALONE.to_owned(),
        Race::InLine => IN_LINE.to_owned(),
        Race::Possible | Race::Certain => EXACT.to_owned(),
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
    use crate::run::Outcomes;
    use crate::run::tests::{audit, sale, told};

    fn run(strategy: Strategy, (units, buyers): (u32, u32), orders: u32) -> Run {
        let left = i64::from(units.saturating_sub(orders));
        let audit = audit(units, orders.into(), left);
        let told = told(orders, buyers - orders);
        sale(strategy, (units, buyers), told, audit)
    }

    fn naive(terms: (u32, u32), orders: u32) -> Run {
        run(Strategy::Naive, terms, orders)
    }

    #[test]
    fn a_mended_phase_one_is_praised_and_not_called_lucky() {
        let mended = naive((100, 1000), 100);
        assert!(is_mended(&mended, 32));
        let text = of(&[mended], 32);
        assert!(text.contains("your change held"), "{text}");
    }

    #[test]
    fn what_cannot_happen_is_not_called_luck() {
        let alone = naive((1, 1), 1);
        assert!(!is_mended(&alone, 32));
        assert_eq!(of(&[alone], 32), ALONE);
        let in_line = naive((100, 1000), 100);
        assert!(!is_mended(&in_line, 1));
        assert_eq!(of(&[in_line], 1), IN_LINE);
        let exact = run(Strategy::Hybrid, (5, 40), 5);
        assert_eq!(of(std::slice::from_ref(&exact), 1), IN_LINE);
        assert_eq!(of(&[exact], 32), EXACT);
    }

    #[test]
    fn few_units_may_be_luck() {
        let lucky = naive((1, 1000), 1);
        assert!(!is_mended(&lucky, 32));
        assert_eq!(of(&[lucky], 32), NOT_MET);
    }

    #[test]
    fn nobody_is_sent_to_the_command_that_was_just_run() {
        let exact = run(Strategy::Pessimistic, (1, 1000), 1);
        let one_unit = of(&[naive((1, 1000), 20), exact], 32);
        assert!(!one_unit.contains("--units 1"), "{one_unit}");
        assert!(one_unit.contains("interleave"), "{one_unit}");

        let unlocked = run(Strategy::Pessimistic, (100, 1000), 1000);
        let text = of(&[unlocked], 32);
        assert!(!text.contains("demo-oversell"), "{text}");
        assert!(text.contains(".for_update()"), "{text}");
    }

    #[test]
    fn hybrid_and_the_engine_are_told_apart_by_the_run_that_shows_it() {
        let both = |terms: (u32, u32)| {
            let sold = terms.0.min(terms.1);
            let by = |strategy| run(strategy, terms, sold);
            of(&[by(Strategy::Hybrid), by(Strategy::Engine)], 32)
        };
        assert!(both((100, 1000)).ends_with(MANY_UNITS));
        let text = both((1000, 1000));
        assert!(text.ends_with(BOUGHT), "{text}");
        let alone = of(&[run(Strategy::Hybrid, (100, 1000), 100)], 32);
        assert_eq!(alone, EXACT);
    }

    #[test]
    fn a_server_that_answers_nobody_is_not_praised() {
        let silent = Run {
            outcomes: Outcomes {
                failed: 900,
                ..told(100, 0)
            },
            ..naive((100, 1000), 100)
        };
        assert!(!is_mended(&silent, 32));
        assert_eq!(of(&[silent], 32), NEITHER);
    }
}
