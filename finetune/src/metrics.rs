//! Scores of predicted labels, and their mean and deviation over seeds. All are shares between 0 and 1.

/// How well one set of predictions agrees with the truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Share of right predictions.
    pub accuracy: f64,
    /// Unweighted mean of the F1 of the labels that occur in truth or predictions.
    pub macro_f1: f64,
    /// `confusion[truth][predicted]`: number of examples.
    pub confusion: Vec<Vec<u64>>,
}

/// Scores `predicted` against `truth`, both indices below `labels`. Without examples, both scores are 0.
///
/// ```
/// let scores = tongues_finetune::metrics::score(&[0, 0, 1, 1], &[0, 0, 1, 0], 2);
/// assert_eq!(scores.accuracy, 0.75);
/// assert_eq!(scores.confusion, [[2, 0], [1, 1]]);
/// ```
///
/// # Panics
/// When the lengths differ or an index is not below `labels`.
pub fn score(truth: &[usize], predicted: &[usize], labels: usize) -> Scores {
    assert_eq!(truth.len(), predicted.len(), "one prediction for each example");
    let mut confusion = vec![vec![0u64; labels]; labels];
    for (&truth, &predicted) in truth.iter().zip(predicted) {
        confusion[truth][predicted] += 1;
    }
    let right: u64 = (0..labels).map(|label| confusion[label][label]).sum();
    let f1: Vec<f64> = (0..labels)
        .filter_map(|label| {
            let true_positives = confusion[label][label];
            let in_truth: u64 = confusion[label].iter().sum();
            let in_predictions: u64 = confusion.iter().map(|row| row[label]).sum();
            let either = in_truth + in_predictions;
            // F1 = 2 TP / (2 TP + FP + FN), and 2 TP + FP + FN = in truth + in predictions.
            (either > 0).then(|| 2.0 * true_positives as f64 / either as f64)
        })
        .collect();
    Scores {
        accuracy: if truth.is_empty() { 0.0 } else { right as f64 / truth.len() as f64 },
        macro_f1: mean(&f1),
        confusion,
    }
}

/// Arithmetic mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Population standard deviation (divided by n, not n - 1); 0 of nothing.
pub fn deviation(values: &[f64]) -> f64 {
    let mean_value = mean(values);
    let squares: Vec<f64> = values.iter().map(|value| (value - mean_value).powi(2)).collect();
    mean(&squares).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_labels_by_hand() {
        // truth      0 0 0 1 1 2
        // predicted  0 0 1 1 2 2
        let scores = score(&[0, 0, 0, 1, 1, 2], &[0, 0, 1, 1, 2, 2], 3);
        assert_eq!(scores.confusion, [[2, 1, 0], [0, 1, 1], [0, 0, 1]]);
        assert!((scores.accuracy - 4.0 / 6.0).abs() < 1e-12);
        // F1: 2·2/(3+2) = 0.8, 2·1/(2+2) = 0.5, 2·1/(1+2) = 2/3; mean = 0.65555…
        assert!((scores.macro_f1 - (0.8 + 0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn always_one_label_is_exposed_by_macro_f1() {
        // 8 of label 0, 2 of label 1, always 0: accuracy 0.8; F1 16/18 and 0; mean 0.4444…
        let truth = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        let scores = score(&truth, &[0; 10], 2);
        assert_eq!(scores.accuracy, 0.8);
        assert!((scores.macro_f1 - 4.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn a_label_nowhere_does_not_count_and_nothing_is_zero() {
        assert_eq!(score(&[0, 1], &[0, 1], 3).macro_f1, 1.0);
        let nothing = score(&[], &[], 2);
        assert_eq!((nothing.accuracy, nothing.macro_f1), (0.0, 0.0));
    }

    #[test]
    fn the_deviation_is_of_the_population() {
        // mean 5; squares 9 1 1 1 0 0 4 16, sum 32, of 8 = 4
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!((mean(&values), deviation(&values)), (5.0, 2.0));
        assert_eq!((mean(&[]), deviation(&[]), deviation(&[3.0])), (0.0, 0.0, 0.0));
    }
}
