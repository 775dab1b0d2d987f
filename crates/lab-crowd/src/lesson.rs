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
        let unanswered = run.outcomes.without_answer().to_string();
        return in_one_line(broken(run))
            .replace("{strategy}", &run.seller.name)
            .replace("{unanswered}", &unanswered);
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
    in_one_line(&told.join(" "))
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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

fn broken(run: &Run) -> &'static str {
    let lost = run.audit.oversold_units > 0 || run.audit.lost_updates > 0;
    match (run.seller.strategy, lost, run.audit.verdict) {
        (Some(Strategy::Pessimistic), true, _) => UNLOCKED,
        (None, true, _) => NO_LOCK_KNOWN,
        (_, true, _) => NO_LOCK,
        (_, false, Verdict::Exact) if run.outcomes.without_answer() > 0 => NO_ANSWER,
        (_, false, _) => TOO_FEW,
    }
}

const OVERSOLD: &str = include_str!("lesson/oversold.txt");
const OTHERS: &str = include_str!("lesson/others.txt");
const BOUGHT: &str = include_str!("lesson/bought.txt");
const MANY_UNITS: &str = include_str!("lesson/many-units.txt");
const LINE: &str = include_str!("lesson/line.txt");
const ONE_UNIT: &str = include_str!("lesson/one-unit.txt");
const STEPS: &str = include_str!("lesson/steps.txt");
const DISAPPEAR: &str = include_str!("lesson/disappear.txt");
const LOST_UPDATE: &str = include_str!("lesson/lost-update.txt");
const ALONE: &str = include_str!("lesson/alone.txt");
const IN_LINE: &str = include_str!("lesson/in-line.txt");
const NOT_MET: &str = include_str!("lesson/not-met.txt");
const MENDED: &str = include_str!("lesson/mended.txt");
const NEITHER: &str = include_str!("lesson/neither.txt");
const EXACT: &str = include_str!("lesson/exact.txt");
const UNLOCKED: &str = include_str!("lesson/unlocked.txt");
const NO_LOCK_KNOWN: &str = include_str!("lesson/no-lock-known.txt");
const NO_LOCK: &str = include_str!("lesson/no-lock.txt");
const NO_ANSWER: &str = include_str!("lesson/no-answer.txt");
const TOO_FEW: &str = include_str!("lesson/too-few.txt");

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
            assert_eq!(of(&runs, pool_size), in_one_line(text), "{runs:?}");
            let is_praised = text == MENDED;
            assert_eq!(is_mended(&runs[0], pool_size), is_praised, "{runs:?}");
        }
    }

    #[test]
    fn nobody_is_sent_to_the_command_that_was_just_run() {
        let exact = run(Pessimistic, (1, 1000), 1);
        let text = of(&[run(Naive, (1, 1000), 20), exact], 32);
        let expected = [OVERSOLD, OTHERS, LINE, STEPS].join(" ");
        assert_eq!(text, in_one_line(&expected));
        let unlocked = run(Pessimistic, (100, 1000), 1000);
        assert_eq!(of(&[unlocked], 32), in_one_line(UNLOCKED));
        let wrong = of(&[run(Hybrid, (100, 1000), 1000)], 32);
        assert!(
            wrong.contains("`./just interleave --strategy hybrid`"),
            "{wrong}"
        );
    }

    #[test]
    fn a_server_that_answers_nobody_is_not_praised() {
        let outcomes = Outcomes {
            failed: 900,
            ..told(100, 0)
        };
        let silent = sale(Naive, (100, 1000), outcomes, (100, 0));
        assert!(!is_mended(&silent, 32));
        assert_eq!(of(&[silent], 32), in_one_line(NEITHER));
    }
}
