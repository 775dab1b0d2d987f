//! Claims about a run: what it says, and nothing else.

use flash_workshop::given::{Block, Claim, Claims, Run};

pub(crate) const CLAIMS: Claims = Claims {
    times_as_many,
    p99_ms,
    one_row_per_second,
};

// YOUR PART
/// While `pessimistic` sells one unit, `engine` sells so many.
fn times_as_many(run: &Run) -> Claim {
    let pairs = run.pairs("pessimistic");
    let per_second = |it: &Block| it.orders() / it.seconds;
    let best = |rates: Vec<f64>| rates.into_iter().fold(0.0, f64::max);
    let slow = best(pairs.iter().map(|[slow, _]| per_second(slow)).collect());
    let fast = best(pairs.iter().map(|[_, fast]| per_second(fast)).collect());
    Claim::number(fast / slow)
}

/// 99 of 100 buyers of `engine` have an answer after so many milliseconds.
fn p99_ms(run: &Run) -> Claim {
    let pairs = run.pairs("pessimistic");
    let all = pairs.iter().map(|[_, engine]| engine.p99_ms());
    Claim::number(all.fold(f64::INFINITY, f64::min))
}

/// One row takes so many orders per second, before anybody has measured it.
fn one_row_per_second(run: &Run) -> f64 {
    1e6 / run.fsync_us()
}
// END
