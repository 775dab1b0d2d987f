//! What several measurements say together.

use indicatif::HumanFloatCount;
use serde::Serialize;

/// Resamples of the bootstrap; more do not move the interval by a digit that is shown.
const RESAMPLES: usize = 2_000;

/// A median with the interval that holds it in 95 of 100 repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The middle of what was measured.
    pub median: f64,
    /// Where the interval begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

/// Estimates the median; none without values. The same values give the same interval.
///
/// # Source
///
/// Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13: percentile
/// interval.
#[must_use]
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let median_of_all = median(values)?;
    let seed = values
        .iter()
        .fold(0x5eed, |seed: u64, it| seed.rotate_left(7) ^ it.to_bits());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut resampled = || {
        let resample = values.iter().filter_map(|_| random.choice(values).copied());
        median(&resample.collect::<Vec<_>>())
    };
    let mut medians: Vec<_> = (0..RESAMPLES).filter_map(|_| resampled()).collect();
    medians.sort_by(f64::total_cmp);
    let rank = |per_mille: usize| medians.get(RESAMPLES * per_mille / 1_000).copied();
    Some(Estimate {
        median: median_of_all,
        low: rank(25)?,
        high: rank(975)?,
    })
}

/// The middle value, or the mean of the two in the middle; none without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Of an odd number both are the same.
    Some(f64::midpoint(sorted[last / 2], sorted[values.len() / 2]))
}

/// A count as a number to divide; exact below 2^53.
pub(crate) fn number(count: u64) -> f64 {
    let half = |bits: u64| f64::from(u32::try_from(bits).unwrap_or(u32::MAX));
    half(count >> 32) * 4_294_967_296.0 + half(count & 0xffff_ffff)
}

/// A quotient; none where it has no meaning.
pub(crate) fn quotient(over: f64, under: f64) -> Option<f64> {
    let value = over / under;
    (under > 0.0 && value.is_finite()).then_some(value)
}

/// Three digits that mean something.
#[must_use]
pub fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => whole(value),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A number without a fraction, its thousands apart.
pub(crate) fn whole(value: f64) -> String {
    HumanFloatCount(value.round_ties_even()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_between_the_two_in_the_middle() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn the_interval_holds_the_median_is_the_same_again_and_as_wide_as_the_spread() {
        let of = |values: &[f64]| estimate(values).expect("there are values");
        let values = [0.9, 1.1, 1.0, 1.3, 0.8, 1.05];
        let it = of(&values);
        assert!(it.low <= it.median && it.median <= it.high);
        assert!(it.low >= 0.8 && it.high <= 1.3);
        assert_eq!(of(&values), it);
        let equal = of(&[2.0; 6]);
        assert_eq!((equal.low, equal.high), (2.0, 2.0));
        let (narrow, wide) = (of(&[1.0, 1.01, 0.99, 1.0]), of(&[1.0, 1.5, 0.5, 1.0]));
        assert!(wide.high - wide.low > narrow.high - narrow.low);
    }

    #[test]
    fn numbers_are_exact_and_have_the_digits_that_mean_something() {
        assert_eq!(number(4_294_967_296 + 5), 4_294_967_301.0);
        assert_eq!(quotient(1.0, 0.0), None);
        assert_eq!(quotient(1.0, 2.0), Some(0.5));
        assert_eq!(whole(1_234_567.4), "1,234,567");
        assert_eq!(whole(999.0), "999");
        assert_eq!(significant(49.96), "50.0");
        assert_eq!(significant(0.123_4), "0.12");
        assert_eq!(significant(0.004_21), "0.0042");
    }
}
