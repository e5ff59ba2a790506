//! The learning rate by step: linear warm-up, then half a cosine down to a floor (Loshchilov and Hutter 2017).

use serde::{Deserialize, Serialize};

/// Warm-up and cosine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// The highest rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up; the last of them has the highest rate.
    pub warmup_steps: u64,
    /// The rate at the end, as a share of the highest.
    pub final_share: f64,
}

impl Default for Schedule {
    fn default() -> Schedule {
        Schedule { learning_rate: 1e-3, warmup_steps: 100, final_share: 0.1 }
    }
}

impl Schedule {
    /// The rate of optimiser step `step`, 1 to `steps`.
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        if step <= self.warmup_steps {
            return self.learning_rate * step as f64 / self.warmup_steps as f64;
        }
        let length = steps.saturating_sub(self.warmup_steps).max(1);
        let done = ((step - self.warmup_steps) as f64 / length as f64).min(1.0);
        let fall = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        self.learning_rate * (self.final_share + (1.0 - self.final_share) * fall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values() {
        let schedule = Schedule { learning_rate: 1.0, warmup_steps: 4, final_share: 0.1 };
        let at = |step| schedule.at(step, 12);
        assert_eq!((at(1), at(4)), (0.25, 1.0));
        assert!((at(6) - (0.1 + 0.9 * 0.853_553_390_593)).abs() < 1e-9); // a quarter of the way: (1 + cos 45°) / 2
        assert!((at(8) - 0.55).abs() < 1e-12); // half way
        assert!((at(12) - 0.1).abs() < 1e-12 && (at(99) - 0.1).abs() < 1e-12);
        assert_eq!(Schedule { warmup_steps: 0, ..schedule }.at(1, 1), 0.1);
    }
}
