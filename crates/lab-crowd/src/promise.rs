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
    broken_books(run).or_else(|| match run.seller.strategy() {
        Some(Strategy::Naive) => missing_oversell(run, pool_size),
        _ => broken_exactness(run),
    })
}

fn broken_books(run: &Run) -> Option<String> {
    let outcomes = &run.outcomes;
    if outcomes.total() != run.buyers {
        return Some(format!(
            "{} outcomes for {} buyers",
            outcomes.total(),
            run.buyers
        ));
    }
    if outcomes.without_answer() == run.buyers {
        return Some("no buyer got an answer".to_owned());
    }
    let orders = live_units(&run.audit);
    let least = i64::from(outcomes.accepted);
    let most = least + i64::from(outcomes.unknown);
    if !(least..=most).contains(&orders) {
        return Some(format!(
            "{least} buyers were told that they have an order, {} cannot know, and the \
             database has {orders} orders",
            outcomes.unknown
        ));
    }
    None
}

/// Other parameters may leave the race too little room to show.
fn missing_oversell(run: &Run, pool_size: u16) -> Option<String> {
    let parameters = (run.units, run.buyers, pool_size);
    let default = parameters == (DEFAULT_UNITS, DEFAULT_BUYERS, DEFAULT_POOL_SIZE);
    (default && run.audit.oversold_units == 0)
        .then(|| "it did not oversell, which it does with these parameters".to_owned())
}

fn broken_exactness(run: &Run) -> Option<String> {
    let audit = &run.audit;
    if audit.verdict != Verdict::Exact {
        return Some(format!("{:?} instead of exact", audit.verdict).to_lowercase());
    }
    if run.undersold_units != 0 {
        return Some(format!(
            "buyers were turned away while {} units were left",
            run.undersold_units
        ));
    }
    let sold = live_units(audit);
    let wanted = i64::from(run.units.min(run.buyers));
    let all_answered = run.outcomes.without_answer() == 0;
    (sold > wanted || (all_answered && sold != wanted))
        .then(|| format!("sold {sold} units, not {wanted}"))
}

/// Checks what each strategy owes. A phase 1 that was mended does not do what the demo
/// promises of it either, and is told so in other words.
///
/// # Errors
///
/// The exit code, and which strategy did what.
pub fn keep_promises(runs: &[Run], pool_size: u16) -> anyhow::Result<()> {
    let mut mended = Ok(());
    let mut broken = Vec::new();
    for run in runs {
        match broken_promise(run, pool_size) {
            Some(_) if is_mended(run, pool_size) => {
                mended = Err(better_than_promised())
            }
            Some(how) => broken.push(format!("{}: {how}", run.seller)),
            None => {}
        }
    }
    if broken.is_empty() {
        return mended;
    }
    let broken = broken.join("; ");
    Err(Ending::NotAsPromised(format!("not as promised: {broken}")).into())
}

fn better_than_promised() -> anyhow::Error {
    let text = "better than promised: phase 1 is there to oversell, and did not; scripts \
                see exit code 3 and as_promised false";
    Ending::BetterThanPromised(text.to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Outcomes;
    use crate::run::tests::{audit, sale, told};

    fn run(strategy: Strategy, outcomes: Outcomes, orders: i64, available: i64) -> Run {
        let audit = audit(100, orders, available);
        sale(strategy, (100, 1000), outcomes, audit)
    }

    fn broken(run: &Run) -> Option<String> {
        broken_promise(run, DEFAULT_POOL_SIZE)
    }

    const EXACT: [Strategy; 3] =
        [Strategy::Pessimistic, Strategy::Hybrid, Strategy::Engine];

    #[test]
    fn an_exact_sale_is_as_promised() {
        for strategy in EXACT {
            assert_eq!(broken(&run(strategy, told(100, 900), 100, 0)), None);
        }
    }

    #[test]
    fn an_oversell_is_promised_by_naive_alone() {
        let oversell = |strategy| run(strategy, told(912, 88), 912, 12);
        assert_eq!(broken(&oversell(Strategy::Naive)), None);
        for strategy in EXACT {
            assert!(broken(&oversell(strategy)).is_some());
        }
    }

    #[test]
    fn naive_owes_its_oversell_under_the_default_parameters_only() {
        let exact = run(Strategy::Naive, told(100, 900), 100, 0);
        assert!(broken(&exact).is_some());
        assert_eq!(broken_promise(&exact, 1), None);
        let fewer_buyers = Run {
            buyers: 999,
            outcomes: told(100, 899),
            ..exact
        };
        assert_eq!(broken(&fewer_buyers), None);
    }

    #[test]
    fn an_undersell_is_never_promised() {
        for strategy in EXACT {
            assert!(broken(&run(strategy, told(99, 901), 99, 1)).is_some());
        }
    }

    #[test]
    fn fewer_may_be_sold_where_buyers_got_no_answer() {
        let outcomes = Outcomes {
            busy: 940,
            ..told(60, 0)
        };
        for strategy in EXACT {
            assert_eq!(broken(&run(strategy, outcomes.clone(), 60, 40)), None);
        }
    }

    #[test]
    fn an_unknown_outcome_may_be_an_order_and_a_failure_may_not() {
        let unknown = Outcomes {
            unknown: 1,
            ..told(99, 900)
        };
        let failed = Outcomes {
            failed: 1,
            ..told(99, 900)
        };
        for strategy in EXACT {
            assert_eq!(broken(&run(strategy, unknown.clone(), 100, 0)), None);
            assert!(broken(&run(strategy, failed.clone(), 100, 0)).is_some());
        }
    }

    #[test]
    fn nobody_may_be_told_of_an_order_that_is_not_there() {
        for strategy in [Strategy::Naive, Strategy::Hybrid] {
            assert!(broken(&run(strategy, told(101, 899), 100, 0)).is_some());
        }
    }

    #[test]
    fn outcomes_have_to_add_up_and_silence_proves_nothing() {
        assert!(broken(&run(Strategy::Naive, told(500, 499), 500, 0)).is_some());
        let silence = Outcomes {
            failed: 1000,
            ..Outcomes::default()
        };
        assert!(broken(&run(Strategy::Hybrid, silence, 0, 100)).is_some());
    }

    #[test]
    fn lost_units_break_exactness() {
        let drifted = broken(&run(Strategy::Hybrid, told(99, 901), 99, 0));
        assert_eq!(drifted.as_deref(), Some("drifted instead of exact"));
    }
}
