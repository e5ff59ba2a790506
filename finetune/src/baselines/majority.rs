//! The baseline that reads nothing: always the most frequent training label.

use crate::task::Example;

/// The most frequent label of `train`; of equally frequent ones the first. `None` without examples.
pub fn majority(train: &[Example]) -> Option<usize> {
    let mut counts = vec![0u64; train.iter().map(|example| example.label + 1).max()?];
    for example in train {
        counts[example.label] += 1;
    }
    let most = counts.iter().copied().max()?;
    counts.iter().position(|&count| count == most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(labels: &[usize]) -> Vec<Example> {
        labels.iter().map(|&label| Example { text: String::new(), label }).collect()
    }

    #[test]
    fn the_most_frequent_and_of_ties_the_first() {
        assert_eq!(majority(&examples(&[0, 2, 2, 1])), Some(2));
        assert_eq!(majority(&examples(&[2, 1, 2, 1])), Some(1));
        assert_eq!(majority(&[]), None);
    }
}
