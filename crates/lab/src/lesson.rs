//! What a reader of the demo's table has just seen.

use crate::cli::Strategy;
use crate::run::Run;

/// Two sentences: what was seen, and what to run next.
pub(crate) fn of(runs: &[Run]) -> &'static str {
    let sold_by = |strategy| runs.iter().any(|run| run.strategy == strategy);
    let oversold = runs.iter().any(|run| run.audit.oversold_units > 0);
    let lost = runs.iter().any(|run| run.audit.unaccounted_units < 0);
    match (
        oversold,
        lost,
        sold_by(Strategy::Naive),
        sold_by(Strategy::Pessimistic),
    ) {
        (true, _, true, true) => {
            "Naive buyers read the same stock at the same time, and each wrote back what \
             it had\ncomputed; the others decide under the row's lock, so their books \
             balance.\nSee the difference with `./just diff 1 2`, then let two buyers \
             race for one unit with\n`./just demo-oversell --strategy naive --units 1`."
        }
        (true, ..) => {
            "Buyers read the same stock at the same time, and each wrote back what it \
             had computed:\nmore orders than units.\nSee it disappear with \
             `./just demo-oversell --strategy pessimistic`, and why with\n\
             `./just diff 1 2`."
        }
        (false, true, ..) => {
            "There was enough for all, and yet the naive stock row forgot orders: buyers \
             overwrote\neach other's number, which is a lost update.\nWith fewer units \
             it becomes an oversell: `./just demo-oversell`; what is missing is\n\
             in `./just diff 1 2`."
        }
        (false, false, true, _) => {
            "This time no buyer overwrote another's number, which is luck and not a \
             promise.\nGive the race more room with `./just demo-oversell --strategy \
             naive --buyers 5000`, and see\nwhat is missing with `./just diff 1 2`."
        }
        (false, false, false, _) => {
            "Each unit was sold once, and the rest of the crowd was told so.\nSee what \
             happens without a lock with `./just demo-oversell --strategy naive`, and \
             what\nchanges between the two with `./just diff 1 2`."
        }
    }
}
