//! What a reader of the demo's table has just seen.

use crate::cli::Strategy;
use crate::run::Run;

/// Two sentences: what was seen, and what to run next. Lines of at most 78 characters.
pub(crate) fn of(runs: &[Run]) -> &'static str {
    let sold_by = |strategy| runs.iter().any(|run| run.strategy == strategy);
    let oversold = runs.iter().any(|run| run.audit.oversold_units > 0);
    let lost = runs.iter().any(|run| run.audit.lost_updates > 0);
    match (oversold, lost, sold_by(Strategy::Naive), runs.len() > 1) {
        (true, _, true, true) => SEEN_BOTH,
        (true, ..) => SEEN_OVERSELL,
        (false, true, ..) => SEEN_LOST_UPDATE,
        (false, false, true, _) => SEEN_LUCK,
        (false, false, false, _) => SEEN_EXACT,
    }
}

const SEEN_BOTH: &str = "\
Naive buyers read the same stock at the same time, and each wrote back what
it had computed; the others decide under the row's lock, and their books
balance. Look at the one line that makes the difference: `./just diff 1 2`.
Then sell a single unit: `./just demo-oversell --strategy naive --units 1`.";

const SEEN_OVERSELL: &str = "\
Buyers read the same stock at the same time, and each wrote back what it had
computed: more orders than units. See it disappear with
`./just demo-oversell --strategy pessimistic`, and why: `./just diff 1 2`.";

const SEEN_LOST_UPDATE: &str = "\
There was enough for all, and yet the naive stock row forgot orders: buyers
overwrote each other's number, which is a lost update. With fewer units it
becomes an oversell: `./just demo-oversell`. What is missing is one line:
`./just diff 1 2`.";

const SEEN_LUCK: &str = "\
This time no buyer overwrote another's number, which is luck and not a
promise. Run it again, or with more buyers at once, and look at what is
missing: `./just diff 1 2`.";

const SEEN_EXACT: &str = "\
Each unit was sold once. See what happens without a lock:
`./just demo-oversell --strategy naive`; the lock is one line:
`./just diff 1 2`.";
