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
    let per_second = |it: &Block| it.orders() / it.seconds;
    of_pairs(run, "pessimistic", |[slow, fast]| {
        per_second(fast) / per_second(slow)
    })
}

/// 99 of 100 buyers of `engine` have an answer after so many milliseconds.
fn p99_ms(run: &Run) -> Claim {
    of_pairs(run, "half-load", |[_, engine]| engine.p99_ms())
}

/// One row takes so many orders per second, before anybody has measured it.
fn one_row_per_second(run: &Run) -> f64 {
    let pairs = run.pairs("half-load");
    let lone = pairs.first().map_or(f64::NAN, |[lone, _]| lone.p50_ms());
    1e3 / lone
}

/// The median over all pairs that say something, if the orders were kept at all.
fn of_pairs(run: &Run, section: &str, of: impl Fn([&Block; 2]) -> f64) -> Claim {
    let pairs = run.pairs(section).into_iter();
    let valid = pairs.filter(|pair| pair.iter().all(|it| it.void.is_none()));
    Claim::median_of(valid.map(of))
}
// END
