//! The Universal Scalability Law: what one more buyer adds, and what it costs the rest.
//!
//! X(N) = λN / (1 + σ(N − 1) + κN(N − 1)): λ is the throughput of a lone buyer, σ the
//! share of the work that is done one at a time, κ what the others have to be told.
//!
//! # Source
//!
//! Gunther, Guerrilla Capacity Planning, chapter 4.

use serde::Serialize;

/// A law that was fitted to measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Law {
    /// Orders per second of a lone buyer.
    pub(crate) lambda: f64,
    /// Contention.
    pub(crate) sigma: f64,
    /// Coherency.
    pub(crate) kappa: f64,
    /// Buyers beyond whom throughput falls; null where it never does.
    pub(crate) peak_buyers: Option<f64>,
    /// Orders per second there, or what infinitely many buyers would reach; null where
    /// there is no bound.
    pub(crate) peak_per_second: Option<f64>,
}

impl Law {
    /// The throughput at so many buyers.
    pub(crate) fn at(&self, buyers: f64) -> f64 {
        let others = buyers - 1.0;
        self.lambda * buyers
            / (1.0 + self.sigma * others + self.kappa * buyers * others)
    }

    fn new(lambda: f64, sigma: f64, kappa: f64) -> Self {
        let mut law = Self {
            lambda,
            sigma,
            kappa,
            peak_buyers: None,
            peak_per_second: None,
        };
        if kappa > 0.0 {
            let peak = ((1.0 - sigma).max(0.0) / kappa).sqrt().max(1.0);
            law.peak_buyers = Some(peak);
            law.peak_per_second = Some(law.at(peak));
        } else if sigma > 0.0 {
            law.peak_per_second = Some(lambda / sigma);
        }
        law
    }
}

/// Fits the law to pairs of buyers and throughput; none with fewer than three.
///
/// N / X is linear in 1, N − 1 and N(N − 1). Each equation is divided by its N / X, so
/// that relative errors count, not those of the largest crowd. A coefficient that would
/// be negative has no meaning and is left out.
pub(crate) fn fit(points: &[(f64, f64)]) -> Option<Law> {
    if points.len() < 3 || points.iter().any(|(n, x)| *n < 1.0 || *x <= 0.0) {
        return None;
    }
    let rows: Vec<_> = points
        .iter()
        .map(|(n, x)| [1.0, n - 1.0, n * (n - 1.0)].map(|it| it * x / n))
        .collect();
    [[true, true], [true, false], [false, true], [false, false]]
        .into_iter()
        .filter_map(|[sigma, kappa]| least_squares(&rows, [true, sigma, kappa]))
        .filter(|(_, found)| found[0] > 0.0 && found[1] >= 0.0 && found[2] >= 0.0)
        .min_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, [base, sigma, kappa])| {
            Law::new(1.0 / base, sigma / base, kappa / base)
        })
}

/// Solves rows · c = 1 with the coefficients that are not used left zero; returns the sum
/// of the squares that remain, and c.
fn least_squares(rows: &[[f64; 3]], used: [bool; 3]) -> Option<(f64, [f64; 3])> {
    let mut system = [[0.0; 4]; 3];
    for (i, equation) in system.iter_mut().enumerate() {
        if !used[i] {
            equation[i] = 1.0;
            continue;
        }
        for row in rows {
            for j in (0..3).filter(|j| used[*j]) {
                equation[j] += row[i] * row[j];
            }
            equation[3] += row[i];
        }
    }
    let found = solve(system)?;
    let rest = |row: &[f64; 3]| {
        let value: f64 = row.iter().zip(found).map(|(a, c)| a * c).sum();
        (value - 1.0).powi(2)
    };
    Some((rows.iter().map(rest).sum(), found))
}

/// Gaussian elimination with the largest pivot first; none for a singular system.
fn solve(mut system: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3)
            .max_by(|i, j| {
                system[*i][column]
                    .abs()
                    .total_cmp(&system[*j][column].abs())
            })
            .filter(|pivot| system[*pivot][column].abs() > f64::MIN_POSITIVE)?;
        system.swap(column, pivot);
        let top = system[column];
        for (_, row) in system.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = row[column] / top[column];
            for (cell, above) in row.iter_mut().zip(top) {
                *cell -= factor * above;
            }
        }
    }
    Some([0, 1, 2].map(|i| system[i][3] / system[i][i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROWDS: [f64; 5] = [1.0, 16.0, 64.0, 256.0, 1_000.0];

    fn points(law: Law) -> Vec<(f64, f64)> {
        CROWDS.map(|n| (n, law.at(n))).to_vec()
    }

    #[track_caller]
    fn assert_near(found: f64, expected: f64) {
        let error = (found - expected).abs() / expected.abs().max(1e-9);
        assert!(error < 1e-3, "{found} is not {expected}");
    }

    #[test]
    fn a_law_is_found_again_from_its_own_points() {
        let law = Law::new(1_500.0, 0.02, 0.000_1);
        let found = fit(&points(law)).expect("a fit");
        assert_near(found.lambda, law.lambda);
        assert_near(found.sigma, law.sigma);
        assert_near(found.kappa, law.kappa);
        assert_near(found.peak_buyers.expect("a peak"), 98.99);
    }

    #[test]
    fn without_coherency_there_is_a_ceiling_and_no_peak() {
        let found = fit(&points(Law::new(100.0, 0.5, 0.0))).expect("a fit");
        assert!(found.kappa < 1e-9);
        assert_near(found.peak_per_second.expect("a ceiling"), 200.0);
    }

    #[test]
    fn growth_beyond_linear_gives_no_negative_coefficient() {
        let found = fit(&[(1.0, 1.0), (2.0, 3.0), (4.0, 9.0)]).expect("a fit");
        assert!(found.sigma >= 0.0 && found.kappa >= 0.0);
    }

    #[test]
    fn two_points_fit_anything_and_so_say_nothing() {
        assert_eq!(fit(&[(1.0, 1.0), (2.0, 2.0)]), None);
        assert_eq!(fit(&[(1.0, 1.0), (2.0, 0.0), (3.0, 1.0)]), None);
    }
}
