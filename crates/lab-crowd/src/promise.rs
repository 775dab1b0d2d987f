//! What each strategy owes, and whether it paid.

use flash_core::Verdict;

use crate::cli::{DEFAULT_BUYERS, DEFAULT_POOL_SIZE, DEFAULT_UNITS, Strategy};
use crate::error::Ending;
use crate::lesson::is_mended;
use crate::run::{Run, live_units};

/// Says in one clause which promise a run broke, if it broke one.
///
/// - Every run: the outcomes add up to the buyers, somebody got an answer, and the
///   database has one order for each accepted buyer and none for anybody else, except
///   for those whose outcome is unknown.
/// - Naive oversells under the default parameters, and promises nothing about stock.
/// - The others are exact, turn nobody away while units are left, and sell
///   to as many buyers as there are units; to fewer only where buyers got no answer.
fn broken_promise(run: &Run, pool_size: u16) -> Option<String> {
    // Other parameters may leave the race too little room to show.
    let parameters = (run.units, run.buyers, pool_size);
    let is_default = parameters == (DEFAULT_UNITS, DEFAULT_BUYERS, DEFAULT_POOL_SIZE);
    broken_books(run).or_else(|| match run.seller.strategy {
        Some(Strategy::Naive) => (is_default && run.audit.oversold_units == 0)
            .then(|| NO_OVERSELL.to_owned()),
        _ => broken_exactness(run),
    })
}

const NO_OVERSELL: &str = "it did not oversell, which it does with these parameters";

fn broken_books(run: &Run) -> Option<String> {
    let (outcomes, buyers) = (&run.outcomes, run.buyers);
    let orders = live_units(&run.audit);
    let least = i64::from(outcomes.accepted);
    let most = least + i64::from(outcomes.unknown);
    if outcomes.total() != buyers {
        Some(format!("{} outcomes for {buyers} buyers", outcomes.total()))
    } else if outcomes.without_answer() == buyers {
        Some("no buyer got an answer".to_owned())
    } else if !(least..=most).contains(&orders) {
        Some(format!(
            "{least} buyers were told that they have an order, {} cannot know, and the \
             database has {orders} orders",
            outcomes.unknown
        ))
    } else {
        None
    }
}

fn broken_exactness(run: &Run) -> Option<String> {
    let (verdict, undersold) = (run.audit.verdict, run.undersold_units);
    let sold = live_units(&run.audit);
    let wanted = i64::from(run.units.min(run.buyers));
    let all_answered = run.outcomes.without_answer() == 0;
    if verdict != Verdict::Exact {
        Some(format!("{verdict:?} instead of exact").to_lowercase())
    } else if undersold != 0 {
        Some(format!(
            "buyers were turned away while {undersold} units were left"
        ))
    } else if sold > wanted || (all_answered && sold != wanted) {
        Some(format!("sold {sold} units, not {wanted}"))
    } else {
        None
    }
}

/// Checks what each strategy owes. A phase 1 that was mended does not do what the demo
/// promises of it either, and is told so in other words.
///
/// # Errors
///
/// The exit code, and which strategy did what.
pub fn keep_promises(runs: &[Run], pool_size: u16) -> anyhow::Result<()> {
    let mut is_better = false;
    let mut broken = Vec::new();
    for run in runs {
        match broken_promise(run, pool_size) {
            Some(_) if is_mended(run, pool_size) => is_better = true,
            Some(how) => broken.push(format!("{}: {how}", run.seller)),
            None => {}
        }
    }
    if !broken.is_empty() {
        let text = format!("not as promised: {}", broken.join("; "));
        return Err(Ending::NotAsPromised(text).into());
    }
    if is_better {
        return Err(Ending::BetterThanPromised(BETTER.to_owned()).into());
    }
    Ok(())
}

const BETTER: &str = "\
better than promised: phase 1 is there to oversell, and did not; scripts see exit code 3 \
and as_promised false";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Outcomes;
    use crate::run::tests::{sale, told};

    const NAIVE: &[Strategy] = &[Strategy::Naive];
    const EXACT: &[Strategy] =
        &[Strategy::Pessimistic, Strategy::Hybrid, Strategy::Engine];
    const ANY: &[Strategy] = &Strategy::ALL;

    #[test]
    fn a_broken_promise_is_told_and_a_kept_one_is_not() {
        let of = |accepted, sold_out, [busy, failed, unknown]: [u32; 3]| Outcomes {
            busy,
            failed,
            unknown,
            ..told(accepted, sold_out)
        };
        for (strategies, told, books, how) in [
            (EXACT, told(100, 900), (100, 0), ""),
            (NAIVE, told(912, 88), (912, 12), ""),
            (EXACT, told(912, 88), (912, 12), "oversold instead of"),
            (NAIVE, told(100, 900), (100, 0), "did not oversell"),
            // An undersell is never promised.
            (EXACT, told(99, 901), (99, 1), "1 units were left"),
            (EXACT, told(99, 901), (99, 0), "drifted instead of"),
            // Fewer may be sold where buyers got no answer.
            (EXACT, of(60, 0, [940, 0, 0]), (60, 40), ""),
            // An unknown outcome may be an order, and a failure may not.
            (EXACT, of(99, 900, [0, 0, 1]), (100, 0), ""),
            (EXACT, of(99, 900, [0, 1, 0]), (100, 0), "has 100 orders"),
            // Nobody may be told of an order that is not there.
            (ANY, told(101, 899), (100, 0), "101 buyers were told"),
            // Outcomes have to add up, and silence proves nothing.
            (ANY, told(500, 499), (500, 0), "999 outcomes for 1000"),
            (ANY, of(0, 0, [0, 1000, 0]), (0, 100), "no buyer got"),
        ] {
            for strategy in strategies {
                let run = sale(*strategy, (100, 1000), told.clone(), books);
                let broken = broken_promise(&run, DEFAULT_POOL_SIZE);
                let broken = broken.unwrap_or_default();
                assert!(broken.contains(how), "{run:?}: {broken}");
                assert_eq!(broken.is_empty(), how.is_empty(), "{run:?}: {broken}");
            }
        }
    }

    #[test]
    fn naive_owes_its_oversell_under_the_default_parameters_only() {
        for (buyers, pool_size) in [(1000, 1), (999, DEFAULT_POOL_SIZE)] {
            let told = told(100, buyers - 100);
            let exact = sale(Strategy::Naive, (100, buyers), told, (100, 0));
            assert_eq!(broken_promise(&exact, pool_size), None);
        }
    }
}
