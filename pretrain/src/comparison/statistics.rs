//! Mean, deviation and interval of a handful of figures, one a seed.

use serde::{Deserialize, Serialize};

/// What figures of several seeds come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// One a seed, in the order of the seeds.
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (divided by n − 1); 0 of one figure.
    pub deviation: f64,
    /// Between which the mean over all seeds lies with 95 % confidence, by Student's t; none of one figure. It takes the
    /// figures for independent and normal, which so few cannot show.
    pub interval: Option<(f64, f64)>,
}

impl Summary {
    /// Of one figure or more.
    ///
    /// # Panics
    /// When there is none.
    pub fn new(values: Vec<f64>) -> Summary {
        assert!(!values.is_empty(), "a summary is of something");
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        let interval = (values.len() > 1).then(|| {
            let half = student(values.len() - 1) * deviation / n.sqrt();
            (mean - half, mean + half)
        });
        Summary { values, mean, deviation, interval }
    }
}

/// Between which Σ `differences` / Σ `bytes` lies with 95 % confidence for documents of the same kind: the ratio
/// estimator's variance (Cochran 1977, section 2.11) and Student's t. None of fewer than two documents.
pub fn over_documents(differences: &[f64], bytes: &[u64]) -> Option<(f64, f64)> {
    let (n, total) = (differences.len() as f64, bytes.iter().sum::<u64>() as f64);
    if differences.len() < 2 || total == 0.0 {
        return None;
    }
    let ratio = differences.iter().sum::<f64>() / total;
    let residual = |(difference, bytes): (&f64, &u64)| (difference - ratio * *bytes as f64).powi(2);
    let variance = differences.iter().zip(bytes).map(residual).sum::<f64>() / (n - 1.0);
    let half = student(differences.len() - 1) * (n * variance).sqrt() / total;
    Some((ratio - half, ratio + half))
}

/// The 97.5 % quantile of Student's t by degrees of freedom, from 1; beyond the table that of the normal distribution
/// with the first two terms of its expansion (Abramowitz and Stegun 1964, 26.7.5), off by less than 0.003 there.
fn student(freedom: usize) -> f64 {
    const QUANTILES: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    const NORMAL: f64 = 1.959_964;
    let expanded = || {
        let (z, n) = (NORMAL, freedom as f64);
        z + (z.powi(3) + z) / (4.0 * n) + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
    };
    QUANTILES.get(freedom - 1).copied().unwrap_or_else(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_seeds_by_hand() {
        let found = Summary::new(vec![1.0, 2.0, 6.0]);
        // mean 3; squares 4 + 1 + 9 = 14, over 2 = 7; 4.303 · √7 / √3 = 6.573
        assert_eq!(found.mean, 3.0);
        assert!((found.deviation - 7f64.sqrt()).abs() < 1e-12);
        let (low, high) = found.interval.unwrap();
        assert!((low + 3.573).abs() < 1e-3 && (high - 9.573).abs() < 1e-3, "{low} {high}");
        let one = Summary::new(vec![2.5]);
        assert_eq!((one.mean, one.deviation, one.interval), (2.5, 0.0, None));
    }

    #[test]
    fn documents_count_by_their_bytes() {
        // -12 bits over 60 bytes: -0.2; residuals 1, -1 and 0, variance 2 / 2 = 1; 4.303 · √3 / 60 = 0.1242
        let (low, high) = over_documents(&[-1.0, -5.0, -6.0], &[10, 20, 30]).unwrap();
        assert!((low + 0.3242).abs() < 1e-4 && (high + 0.0758).abs() < 1e-4, "{low} {high}");
        assert_eq!(over_documents(&[-1.0], &[10]), None);
        assert_eq!(over_documents(&[], &[]), None);
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // scipy.stats.t.ppf(0.975, n)
        for (freedom, wanted) in [(1, 12.7062), (2, 4.3027), (10, 2.2281), (11, 2.2010), (30, 2.0423), (100, 1.9840)] {
            let found = student(freedom);
            assert!((found - wanted).abs() < 0.003, "{freedom}: {found}, wanted {wanted}");
        }
    }
}
