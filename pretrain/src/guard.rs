//! Which steps are not taken: a loss or a gradient that is not finite, and a loss that jumps.
//!
//! A spike is a loss above the running mean by more than so many running deviations. Both are those of the steps taken
//! lately, so they follow a loss that falls and one that plateaus; the mean and deviation of what was skipped never enter.
//! PaLM (Chowdhery et al. 2022, section 5.1) found that leaving out the batches at a spike gets a run past it; the
//! running z-score is that of ZClip (Kumar et al. 2025), with the loss for its gradient norm.

use serde::{Deserialize, Serialize};

/// Steps skipped one after the other that end a run.
pub const MOST_IN_A_ROW: u32 = 3;

/// A running deviation below this share of the mean counts as this share: on a tiny corpus that is nearly learnt by
/// heart all losses are alike, and nothing there is a spike.
const LEAST_DEVIATION: f64 = 0.01;

/// What counts as a spike.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardSettings {
    /// Deviations above the mean from which on a loss is a spike; 0: none is. At six, chance alone skips one step in a
    /// thousand million if losses are normal; one mislabelled document among the windows of a batch does not reach it.
    pub spike_deviations: f64,
    /// Steps that mean and deviation look back on, and that have to be taken before anything is called a spike.
    pub spike_steps: u64,
}

impl Default for GuardSettings {
    fn default() -> GuardSettings {
        GuardSettings { spike_deviations: 6.0, spike_steps: 50 }
    }
}

/// Why a step was not taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reason {
    /// The loss is infinite or not a number.
    LossNotFinite,
    /// The gradient's norm is infinite or not a number.
    GradientNotFinite,
    /// The loss is above this, nats per token.
    LossSpike(f64),
}

impl Reason {
    /// Its name in files.
    pub fn id(&self) -> &'static str {
        match self {
            Reason::LossNotFinite => "loss_not_finite",
            Reason::GradientNotFinite => "gradient_not_finite",
            Reason::LossSpike(_) => "loss_spike",
        }
    }

    /// The loss it would have had to stay below, nats per token.
    pub fn limit(&self) -> Option<f64> {
        match self {
            Reason::LossSpike(limit) => Some(*limit),
            _ => None,
        }
    }
}

/// What the guard remembers; part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Running mean of the loss, nats per token.
    mean: f64,
    /// Running mean of the squared distance from it.
    variance: f64,
    /// Steps taken.
    taken: u64,
    /// Steps skipped since.
    in_a_row: u32,
    /// Ids of the documents in those, once each.
    documents: Vec<String>,
}

impl Guard {
    /// Why this step must not be taken, if so.
    pub fn judge(&self, settings: &GuardSettings, loss: f64, gradient_norm: f64) -> Option<Reason> {
        if !loss.is_finite() {
            return Some(Reason::LossNotFinite);
        }
        if !gradient_norm.is_finite() {
            return Some(Reason::GradientNotFinite);
        }
        if settings.spike_deviations == 0.0 || self.taken < settings.spike_steps {
            return None;
        }
        let deviation = self.variance.sqrt().max(LEAST_DEVIATION * self.mean);
        let limit = self.mean + settings.spike_deviations * deviation;
        (loss > limit).then_some(Reason::LossSpike(limit))
    }

    /// A step of this loss was taken. Mean and variance are exact over the first `spike_steps` steps (Welford 1962), then
    /// old steps fade by 1 / `spike_steps` each.
    pub fn took(&mut self, settings: &GuardSettings, loss: f64) {
        self.taken += 1;
        let share = 1.0 / self.taken.min(settings.spike_steps.max(1)) as f64;
        let distance = loss - self.mean;
        self.mean += share * distance;
        self.variance = (1.0 - share) * (self.variance + share * distance * distance);
        (self.in_a_row, self.documents) = (0, Vec::new());
    }

    /// A step with these documents was skipped; gives those of all in the row when they are [`MOST_IN_A_ROW`].
    pub fn skipped(&mut self, documents: Vec<String>) -> Option<&[String]> {
        self.in_a_row += 1;
        self.documents.extend(documents);
        self.documents.sort();
        self.documents.dedup();
        (self.in_a_row >= MOST_IN_A_ROW).then_some(&self.documents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: GuardSettings = GuardSettings { spike_deviations: 2.0, spike_steps: 4 };

    fn after(losses: &[f64]) -> Guard {
        let mut guard = Guard::default();
        losses.iter().for_each(|loss| guard.took(&SETTINGS, *loss));
        guard
    }

    #[test]
    fn mean_and_deviation_by_hand() {
        // Of 4, 6, 4, 6 the mean is 5 and the variance 1: the limit is 5 + 2 · 1.
        let guard = after(&[4.0, 6.0, 4.0, 6.0]);
        assert!((guard.mean - 5.0).abs() < 1e-12 && (guard.variance - 1.0).abs() < 1e-12, "{guard:?}");
        assert_eq!(guard.judge(&SETTINGS, 6.9, 1.0), None);
        let Some(Reason::LossSpike(limit)) = guard.judge(&SETTINGS, 7.1, 1.0) else { panic!("no spike") };
        assert!((limit - 7.0).abs() < 1e-12);
        // From then on the old fade by a quarter: a loss of 9 gives 5 + 1 and 3/4 · (1 + 1/4 · 16) = 3.75.
        let guard = after(&[4.0, 6.0, 4.0, 6.0, 9.0]);
        assert!((guard.mean - 6.0).abs() < 1e-12 && (guard.variance - 3.75).abs() < 1e-12, "{guard:?}");
    }

    #[test]
    fn what_is_no_spike() {
        assert_eq!(after(&[4.0, 6.0, 4.0]).judge(&SETTINGS, 99.0, 1.0), None, "too few steps to tell");
        let off = GuardSettings { spike_deviations: 0.0, ..SETTINGS };
        assert_eq!(after(&[4.0, 6.0, 4.0, 6.0]).judge(&off, 99.0, 1.0), None, "off");
        assert_eq!(after(&[5.0; 9]).judge(&SETTINGS, 5.09, 1.0), None, "1 % of 5, twice, is 0.1");
        assert!(after(&[5.0; 9]).judge(&SETTINGS, 5.11, 1.0).is_some());
        assert_eq!(after(&[4.0, 6.0, 4.0, 6.0]).judge(&SETTINGS, 0.0, 1.0), None, "less is better");
    }

    #[test]
    fn numbers_that_are_none_and_the_third_in_a_row() {
        let mut guard = after(&[5.0]);
        assert_eq!(guard.judge(&SETTINGS, f64::NAN, 1.0), Some(Reason::LossNotFinite));
        assert_eq!(guard.judge(&SETTINGS, 5.0, f64::INFINITY), Some(Reason::GradientNotFinite));
        let one = |name: &str| vec![name.to_owned()];
        assert_eq!(guard.skipped(one("b")), None);
        guard.took(&SETTINGS, 5.0);
        assert_eq!(guard.skipped(one("b")), None, "a step that was taken ends the row");
        assert_eq!(guard.skipped(one("a")), None);
        assert_eq!(guard.skipped(one("b")), Some(&["a".to_owned(), "b".to_owned()][..]));
    }
}
