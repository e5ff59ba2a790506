//! A linear support vector machine: squared hinge loss, L2 penalty on weights and intercept, one against the rest.
//!
//! Dual coordinate descent after Hsieh and others, "A Dual Coordinate Descent Method for Large-scale Linear SVM"
//! (ICML 2008), algorithm 1 with the L2 loss. The intercept is the weight of a feature that is always 1, so it is
//! penalised too, as LIBLINEAR does. The optimum is unique; the order of the steps is drawn from a fixed seed.

use super::features::Sparse;
use rayon::prelude::*;

/// When to stop, and how much an error costs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Cost of an error beside the penalty, `C`.
    pub cost: f64,
    /// Stop when the projected gradients of a round differ by no more.
    pub tolerance: f64,
    /// Stop after so many rounds in any case.
    pub rounds: usize,
}

/// Weights of one decision: positive means yes.
#[derive(Clone, Debug)]
struct Plane {
    weights: Vec<f64>,
    intercept: f64,
}

impl Plane {
    fn score(&self, text: &[(u32, f64)]) -> f64 {
        text.iter().map(|&(feature, weight)| self.weights[feature as usize] * weight).sum::<f64>() + self.intercept
    }

    fn add(&mut self, text: &[(u32, f64)], amount: f64) {
        for &(feature, weight) in text {
            self.weights[feature as usize] += amount * weight;
        }
        self.intercept += amount;
    }
}

/// One plane for each label.
pub struct Machine {
    planes: Vec<Plane>,
}

impl Machine {
    /// Trains on `texts` with `features` features, of labels below `labels` (at least two).
    pub fn train(texts: &[Sparse], truth: &[usize], features: usize, labels: usize, limits: Limits) -> Machine {
        // With two labels one plane says all: the other is its mirror image.
        let needed: Vec<usize> = if labels == 2 { vec![1] } else { (0..labels).collect() };
        let mut planes: Vec<Plane> =
            needed.par_iter().map(|&label| separate(texts, truth, label, features, limits)).collect();
        if labels == 2 {
            let mirror = Plane {
                weights: planes[0].weights.iter().map(|weight| -weight).collect(),
                intercept: -planes[0].intercept,
            };
            planes.insert(0, mirror);
        }
        Machine { planes }
    }

    /// Distance to the plane of each label, in units of the margin.
    pub fn scores(&self, text: &[(u32, f64)]) -> Vec<f64> {
        self.planes.iter().map(|plane| plane.score(text)).collect()
    }

    /// The label with the highest score; of equal ones the first.
    pub fn predict(&self, text: &[(u32, f64)]) -> usize {
        let scores = self.scores(text);
        (0..scores.len()).fold(0, |best, label| if scores[label] > scores[best] { label } else { best })
    }
}

/// Separates `label` from the rest: minimises |w|²/2 + C Σ max(0, 1 - y w·x)² by its dual.
fn separate(texts: &[Sparse], truth: &[usize], label: usize, features: usize, limits: Limits) -> Plane {
    let diagonal = 0.5 / limits.cost;
    let signs: Vec<f64> = truth.iter().map(|&truth| if truth == label { 1.0 } else { -1.0 }).collect();
    let curvatures: Vec<f64> =
        texts.iter().map(|text| text.iter().map(|(_, weight)| weight * weight).sum::<f64>() + 1.0 + diagonal).collect();
    let mut plane = Plane { weights: vec![0.0; features], intercept: 0.0 };
    let mut multipliers = vec![0.0f64; texts.len()];
    let mut order: Vec<usize> = (0..texts.len()).collect();
    let mut state = 0u64;
    for round in 0..limits.rounds {
        shuffle(&mut order, &mut state);
        let (mut highest, mut lowest) = (f64::NEG_INFINITY, f64::INFINITY);
        for &row in &order {
            let gradient = signs[row] * plane.score(&texts[row]) - 1.0 + multipliers[row] * diagonal;
            let projected = if multipliers[row] == 0.0 { gradient.min(0.0) } else { gradient };
            (highest, lowest) = (highest.max(projected), lowest.min(projected));
            if projected != 0.0 {
                let moved = (multipliers[row] - gradient / curvatures[row]).max(0.0);
                plane.add(&texts[row], (moved - multipliers[row]) * signs[row]);
                multipliers[row] = moved;
            }
        }
        if highest - lowest <= limits.tolerance {
            tracing::debug!(label, rounds = round + 1, "linear machine converged");
            return plane;
        }
    }
    tracing::warn!(label, rounds = limits.rounds, "linear machine did not converge");
    plane
}

/// Fisher-Yates with SplitMix64.
fn shuffle(order: &mut [usize], state: &mut u64) {
    for last in (1..order.len()).rev() {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let chosen = ((z ^ (z >> 31)) % (last as u64 + 1)) as usize;
        order.swap(last, chosen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { cost: 1.0, tolerance: 1e-10, rounds: 10_000 };

    #[test]
    fn two_points_by_hand() {
        // x = +1 (yes) and -1 (no). By symmetry the intercept is 0; w minimises w²/2 + 2 (1 - w)²: w - 4 (1 - w) = 0, w = 0.8.
        let machine = Machine::train(&[vec![(0, 1.0)], vec![(0, -1.0)]], &[1, 0], 1, 2, LIMITS);
        assert!((machine.planes[1].weights[0] - 0.8).abs() < 1e-8, "{:?}", machine.planes);
        assert!(machine.planes[1].intercept.abs() < 1e-8);
        assert_eq!((machine.predict(&[(0, 0.1)]), machine.predict(&[(0, -0.1)])), (1, 0));
    }

    #[test]
    fn the_intercept_is_penalised() {
        // Two texts without features, both yes: b²/2 + 2 (1 - b)², so b = 0.8 rather than 1.
        let plane = separate(&[vec![], vec![]], &[0, 0], 0, 0, LIMITS);
        assert!((plane.intercept - 0.8).abs() < 1e-8, "{plane:?}");
    }

    #[test]
    fn at_the_optimum_the_gradient_of_the_primal_is_zero() {
        let mut state = 7;
        let mut numbers: Vec<usize> = (0..40).collect();
        let mut texts: Vec<Sparse> = Vec::new();
        for _ in 0..30 {
            shuffle(&mut numbers, &mut state);
            let mut features: Vec<u32> = numbers[..5].iter().map(|&n| n as u32 % 8).collect();
            features.sort_unstable();
            features.dedup();
            texts.push(features.into_iter().map(|feature| (feature, 0.2 + 0.1 * f64::from(feature))).collect());
        }
        let truth: Vec<usize> = (0..30).map(|row| row % 3).collect();
        let machine = Machine::train(&texts, &truth, 8, 3, LIMITS);
        for (label, plane) in machine.planes.iter().enumerate() {
            // w - 2 C Σ max(0, 1 - y w·x) y x = 0
            let mut rest = plane.clone();
            for (text, &truth) in texts.iter().zip(&truth) {
                let sign = if truth == label { 1.0 } else { -1.0 };
                rest.add(text, -2.0 * (1.0 - sign * plane.score(text)).max(0.0) * sign);
            }
            assert!(rest.intercept.abs() < 1e-6 && rest.weights.iter().all(|w| w.abs() < 1e-6), "{rest:?}");
        }
    }
}
