//! How long answers take, as few numbers and as a curve.

use flash_lab_crowd::Latency;
use hdrhistogram::Histogram;

use crate::statistics::number;

/// Quantiles of the curve, as one part in so many above them: a line that is straight
/// where the tail is exponential.
const ONE_IN: [f64; 16] = [
    1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 33.0, 50.0, 100.0, 200.0, 333.0, 500.0,
    1_000.0, 2_000.0, 10_000.0,
];

/// Latencies in milliseconds; all zero where nothing was measured.
pub(crate) fn latency(micros: &Histogram<u64>) -> Latency {
    let at = |quantile| number(micros.value_at_quantile(quantile)) / 1e3;
    Latency {
        p999: Some(at(0.999)),
        max: number(micros.max()) / 1e3,
        ..Latency::at(|percent| at(f64::from(percent) / 1e2))
    }
}

/// Pairs of "one in so many waits longer" and milliseconds, as far as there are enough
/// answers to say so.
pub(crate) fn curve(micros: &Histogram<u64>) -> Vec<(f64, f64)> {
    let answers = number(micros.len());
    ONE_IN
        .into_iter()
        .filter(|one_in| one_in * 2.0 <= answers)
        .map(|one_in| {
            let value = micros.value_at_quantile(1.0 - 1.0 / one_in);
            (one_in, number(value) / 1e3)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut micros = Histogram::new(3).expect("a histogram");
        for value in 1..=1_000 {
            micros.record(value * 100).expect("within its range");
        }
        let latency = super::latency(&micros);
        assert!((latency.p50 - 50.0).abs() < 0.1, "{latency:?}");
        assert!((latency.p99 - 99.0).abs() < 0.1, "{latency:?}");
        let curve = curve(&micros);
        assert_eq!(curve.last().map(|(one_in, _)| *one_in), Some(500.0));
    }

    #[test]
    fn nothing_measured_is_no_curve() {
        let micros = Histogram::new(3).expect("a histogram");
        assert!(curve(&micros).is_empty());
        assert_eq!(latency(&micros).max, 0.0);
    }
}
