//! The learning rate by step.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The course of the rate from the first step to the last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Warm-up, then half a cosine down to `final_share` (Loshchilov and Hutter 2017).
    #[default]
    Cosine,
    /// Warm-up, stable, decay (MiniCPM, Hu et al. 2024, section 4.2). The decay here is a straight line down to
    /// `final_share` (one of those compared by Hägele et al. 2024), which, unlike MiniCPM's halvings, can reach 0.
    Wsd,
    /// Warm-up, then a straight line down to `final_share`.
    Linear,
    /// Half a cosine up and half a cosine down, far below the start (Smith and Topin 2018; the cosines, 30 % of the way
    /// up, a start at 1/25 and an end at 1/10,000 of the start are fastai's).
    OneCycle,
    /// A short straight rise, a long straight fall (ULMFiT, Howard and Ruder 2018, eq. 3; the rise takes a tenth of the
    /// steps, the lowest rate is 1/32 of the highest).
    SlantedTriangular,
    /// Warm-up, then the highest rate to the end.
    Constant,
}

/// A shape with its numbers. Each shape reads those it names.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// The course.
    #[serde(rename = "schedule")]
    pub shape: Shape,
    /// The highest rate.
    pub learning_rate: f64,
    /// `cosine`, `wsd`, `linear`, `constant`: steps of linear warm-up; the last of them has the highest rate. None: a tenth
    /// of all steps, as Goldfish has it (Chang et al. 2024, table 4), and 2,000 at most, as GPT had (Radford et al. 2018).
    pub warmup_steps: Option<u64>,
    /// `cosine`, `wsd`, `linear`: the rate at the end, as a share of the highest.
    pub final_share: f64,
    /// `wsd`: the share of the steps, at the end, in which the rate falls; MiniCPM finds a tenth to be enough.
    pub decay_share: f64,
    /// `one_cycle`, `slanted_triangular`: the share of the steps in which the rate rises; none: 0.3 and 0.1.
    pub rise_share: Option<f64>,
    /// `one_cycle`, `slanted_triangular`: the rate at the start, as a share of the highest; none: 1/25 and 1/32.
    pub start_share: Option<f64>,
}

impl Default for Schedule {
    fn default() -> Schedule {
        let shape = Shape::default();
        let (learning_rate, warmup_steps, final_share) = (1e-3, None, 0.1);
        Schedule {
            shape,
            learning_rate,
            warmup_steps,
            final_share,
            decay_share: 0.1,
            rise_share: None,
            start_share: None,
        }
    }
}

impl Schedule {
    /// Steps of linear warm-up out of `steps`.
    pub fn warmup_over(&self, steps: u64) -> u64 {
        self.warmup_steps.unwrap_or((steps / 10).min(2_000))
    }

    /// The rate of optimiser step `step`, 1 to `steps`.
    pub fn at(&self, step: u64, steps: u64) -> f64 {
        let warmup = self.warmup_over(steps);
        self.learning_rate
            * match self.shape {
                Shape::OneCycle => self.one_cycle(step, steps),
                Shape::SlantedTriangular => self.slanted_triangular(step, steps),
                _ if step <= warmup => step as f64 / warmup as f64,
                Shape::Constant => 1.0,
                Shape::Linear => self.fall(1.0 - done(step, warmup, steps)),
                Shape::Cosine => self.fall(0.5 * (1.0 + (PI * done(step, warmup, steps)).cos())),
                Shape::Wsd => {
                    let decay = (self.decay_share * steps as f64).round() as u64;
                    let stable_until = steps.saturating_sub(decay).max(warmup);
                    if step <= stable_until { 1.0 } else { self.fall(1.0 - done(step, stable_until, steps)) }
                }
            }
    }

    /// What cannot work, in words.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            faults.push(format!("learning_rate is {}; expected more than 0", self.learning_rate));
        }
        let shares = [
            ("final_share", Some(self.final_share)),
            ("decay_share", Some(self.decay_share)),
            ("rise_share", self.rise_share),
            ("start_share", self.start_share),
        ];
        for (name, share) in shares {
            if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                faults.push(format!("{name} is {share}; expected 0 to 1"));
            }
        }
        faults
    }

    /// Between `final_share` (at 0) and 1 (at 1).
    fn fall(&self, left: f64) -> f64 {
        self.final_share + (1.0 - self.final_share) * left
    }

    fn one_cycle(&self, step: u64, steps: u64) -> f64 {
        let start = self.start_share.unwrap_or(1.0 / 25.0);
        let end = start * 1e-4;
        let top = self.rise_share.unwrap_or(0.3) * steps as f64;
        let step = step.min(steps) as f64;
        let (from, done) =
            if step <= top { (start, step / top) } else { (end, (steps as f64 - step) / (steps as f64 - top)) };
        from + (1.0 - from) * 0.5 * (1.0 - (PI * done).cos())
    }

    /// Eq. 3 with T - cut for cut · (1/cut_frac - 1): the same, but for cuts that had to be rounded.
    fn slanted_triangular(&self, step: u64, steps: u64) -> f64 {
        let lowest = self.start_share.unwrap_or(1.0 / 32.0);
        let cut = (self.rise_share.unwrap_or(0.1) * steps as f64).floor() as u64;
        let p = if step < cut { step as f64 / cut as f64 } else { 1.0 - done(step, cut, steps) };
        lowest + (1.0 - lowest) * p // (1 + p · (ratio - 1)) / ratio, where lowest = 1 / ratio
    }
}

/// How much of the way from `start` to `end` is done at `step`, 0 to 1.
fn done(step: u64, start: u64, end: u64) -> f64 {
    ((step - start) as f64 / end.saturating_sub(start).max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rates of some steps of `steps`, the highest being 1.
    #[track_caller]
    fn check(schedule: Schedule, steps: u64, expected: &[(u64, f64)]) {
        let schedule = Schedule { learning_rate: 1.0, ..schedule };
        for (step, rate) in expected {
            let found = schedule.at(*step, steps);
            assert!((found - rate).abs() < 1e-9, "{:?}, step {step}: {found}, expected {rate}", schedule.shape);
        }
    }

    fn of(shape: Shape) -> Schedule {
        Schedule { shape, warmup_steps: Some(4), ..Default::default() }
    }

    #[test]
    fn shapes_with_a_warm_up() {
        // A quarter of the way down the cosine is (1 + cos 45°) / 2 of the height, half way a half.
        let quarter = 0.1 + 0.9 * 0.853_553_390_593;
        let cosine = [(1, 0.25), (4, 1.0), (6, quarter), (8, 0.55), (12, 0.1), (99, 0.1)];
        check(of(Shape::Cosine), 12, &cosine);
        check(Schedule { warmup_steps: Some(0), ..of(Shape::Cosine) }, 1, &[(1, 0.1)]);
        // Not given: a tenth of 40 steps are 4, and of 100,000 no more than 2,000.
        let by_steps = Schedule { warmup_steps: None, ..of(Shape::Constant) };
        check(by_steps, 40, &[(2, 0.5), (4, 1.0)]);
        check(by_steps, 100_000, &[(1_000, 0.5), (2_000, 1.0)]);
        // 0.1 + 0.9 · 6/8 and 0.1 + 0.9 · 4/8.
        check(of(Shape::Linear), 12, &[(2, 0.5), (4, 1.0), (6, 0.775), (8, 0.55), (12, 0.1), (99, 0.1)]);
        check(of(Shape::Constant), 12, &[(3, 0.75), (4, 1.0), (12, 1.0), (99, 1.0)]);
        // The last 20 % of 20 steps are 4: after the first of them 0.1 + 0.9 · 3/4.
        let wsd = Schedule { decay_share: 0.2, ..of(Shape::Wsd) };
        check(wsd, 20, &[(2, 0.5), (4, 1.0), (16, 1.0), (17, 0.775), (18, 0.55), (20, 0.1), (99, 0.1)]);
        // A decay longer than what the warm-up leaves begins right after it.
        check(Schedule { decay_share: 1.0, ..wsd }, 8, &[(4, 1.0), (6, 0.55), (8, 0.1)]);
    }

    #[test]
    fn slanted_triangular_is_equation_3() {
        // T = 100, cut_frac 0.1, ratio 32: cut = 10. At 5, p = 1/2: (1 + 31/2) / 32; at 55, p = 1 - 45/90.
        let half = (1.0 + 15.5) / 32.0;
        check(
            of(Shape::SlantedTriangular),
            100,
            &[(5, half), (10, 1.0), (55, half), (100, 1.0 / 32.0), (199, 1.0 / 32.0)],
        );
        // ⌊0.1 · 19⌋ = 1: the first step is the top. Fewer steps than ten have no rise.
        check(of(Shape::SlantedTriangular), 19, &[(1, 1.0), (10, half), (19, 1.0 / 32.0)]);
        check(of(Shape::SlantedTriangular), 5, &[(5, 1.0 / 32.0)]);
        // fastai's frozen stages of the classifier: ratio 8, a third of the way up.
        let frozen = Schedule { start_share: Some(0.125), rise_share: Some(1.0 / 3.0), ..of(Shape::SlantedTriangular) };
        check(frozen, 9, &[(3, 1.0), (6, 0.125 + 0.875 * 0.5), (9, 0.125)]);
    }

    #[test]
    fn one_cycle_goes_up_and_down_by_cosines() {
        // 30 of 100 steps up from 1/25; half way the mean of the ends; the end is 1/250,000.
        let (up, down) = (0.5 * (1.0 + 0.04), 0.5 * (1.0 + 4e-6));
        check(of(Shape::OneCycle), 100, &[(15, up), (30, 1.0), (65, down), (100, 4e-6), (199, 4e-6)]);
        // A third of the way up: 0.04 + 0.96 · (1 - cos 60°) / 2.
        check(of(Shape::OneCycle), 100, &[(10, 0.04 + 0.96 * 0.25)]);
        check(Schedule { rise_share: Some(0.0), ..of(Shape::OneCycle) }, 2, &[(1, down), (2, 4e-6)]);
        check(Schedule { rise_share: Some(1.0), ..of(Shape::OneCycle) }, 2, &[(1, up), (2, 1.0)]);
    }

    #[test]
    fn keys_are_flat_and_a_shape_is_chosen_by_name() {
        let schedule: Schedule =
            serde_json::from_str(r#"{"schedule":"slanted_triangular","learning_rate":0.01}"#).unwrap();
        assert_eq!(schedule, Schedule { shape: Shape::SlantedTriangular, learning_rate: 0.01, ..Default::default() });
        assert_eq!(serde_json::from_str::<Schedule>("{}").unwrap().shape, Shape::Cosine);
        let wrong = Schedule { learning_rate: 0.0, rise_share: Some(2.0), ..schedule };
        assert_eq!(wrong.faults(), ["learning_rate is 0; expected more than 0", "rise_share is 2; expected 0 to 1"]);
    }
}
