//! One token after another, each drawn by its probability: with temperature (Ackley, Hinton and Sejnowski 1985), from the
//! likeliest so many (Fan, Lewis and Dauphin 2018), from the smallest set of a given mass (Holtzman et al. 2020).

use super::reader::Reader;
use super::{Continuation, Settings, log_probabilities};
use crate::error::{Error, Result};
use crate::random::Key;
use tongues_pipeline::progress::Progress;

/// From which tokens is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// What the logits are divided by: below 1 the likely get likelier; 0: the likeliest is taken each time.
    pub temperature: f64,
    /// The likeliest so many tokens; 0: all.
    pub top_k: usize,
    /// Of those, the smallest number of likeliest ones whose probabilities sum to this or more; 1: all.
    pub top_p: f64,
}

impl Default for Sampling {
    /// As the model has it, without the long tail (Holtzman et al. 2020 find 0.95 nearest to people's text).
    fn default() -> Sampling {
        Sampling { temperature: 1.0, top_k: 0, top_p: 0.95 }
    }
}

impl Sampling {
    /// The likeliest token each time.
    pub const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0 };

    /// What cannot work.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            faults.push(format!("temperature is {}; expected 0 or more", self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            faults.push(format!("top_p is {}; expected more than 0, at most 1", self.top_p));
        }
        faults
    }

    /// The tokens that may be drawn and their weights, the likeliest first, from log-probabilities by id (`-∞`: never).
    /// Of equals the lower id comes first. Empty where no log-probability is a number.
    pub fn candidates(&self, log_probabilities: &[f64]) -> Vec<(u32, f64)> {
        let possible = log_probabilities.iter().enumerate().filter(|(_, log)| **log > f64::NEG_INFINITY);
        let mut all: Vec<(u32, f64)> = possible.map(|(id, log)| (id as u32, *log)).collect();
        let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        let limit = if self.temperature == 0.0 { 1 } else { self.top_k };
        if 0 < limit && limit < all.len() {
            all.select_nth_unstable_by(limit - 1, order);
            all.truncate(limit);
        }
        all.sort_unstable_by(order);
        let most = all.first().map_or(0.0, |(_, log)| *log);
        // At temperature 0 one is left, and its weight is 1.
        let heat = if self.temperature == 0.0 { 1.0 } else { self.temperature };
        all.iter_mut().for_each(|(_, log)| *log = ((*log - most) / heat).exp());
        if self.top_p < 1.0 {
            let wanted = self.top_p * all.iter().map(|(_, weight)| weight).sum::<f64>();
            let mut mass = 0.0;
            let enough = all.iter().position(|(_, weight)| {
                mass += weight;
                mass >= wanted
            });
            all.truncate(enough.map_or(all.len(), |last| last + 1));
        }
        all
    }
}

/// Which of the weighted `candidates` the number `uniform` in [0, 1) falls on.
fn chosen(candidates: &[(u32, f64)], uniform: f64) -> Option<u32> {
    let mut left = uniform * candidates.iter().map(|(_, weight)| weight).sum::<f64>();
    let found = candidates.iter().find(|(_, weight)| {
        left -= weight;
        left < 0.0
    });
    found.or(candidates.last()).map(|(id, _)| *id) // rounding can leave a crumb above the last
}

/// A continuation for each key, all of one `prompt`, which was read and has these logits.
pub(super) fn draw(
    (begun, logits, prompt): (&dyn Reader, &[f32], &[u32]),
    keys: &[Key],
    settings: &Settings,
    sampling: &Sampling,
    progress: &dyn Progress,
) -> Result<Vec<Continuation>> {
    let end = begun.end();
    let empty = Continuation { tokens: Vec::new(), ended: false, log_probability: 0.0 };
    let mut all = vec![empty; keys.len()];
    let mut going: Vec<usize> = (0..keys.len()).collect();
    let mut reader = begun.select(&vec![0; keys.len()])?;
    let mut logits = vec![logits.to_vec(); keys.len()];
    for place in 0..settings.tokens {
        let (mut next, mut rows) = (Vec::new(), Vec::new());
        for (row, number) in going.iter().enumerate() {
            let of_row = log_probabilities(&logits[row]);
            let mut possible = of_row.clone();
            for id in settings.forbidden(prompt, &all[*number].tokens) {
                if let Some(log) = possible.get_mut(id as usize) {
                    *log = f64::NEG_INFINITY;
                }
            }
            let token =
                chosen(&sampling.candidates(&possible), keys[*number].uniform(place as u64)).ok_or(Error::NoLogits)?;
            let continuation = &mut all[*number];
            continuation.log_probability += of_row[token as usize];
            if token == end {
                continuation.ended = true;
            } else {
                continuation.tokens.push(token);
                next.push(token);
                rows.push(row);
            }
        }
        progress.advance(going.len() as u64);
        if progress.interrupted() {
            return Err(Error::Interrupted);
        }
        if rows.is_empty() || place + 1 == settings.tokens {
            break;
        }
        if rows.len() < going.len() {
            reader = reader.select(&rows)?;
            going = rows.iter().map(|row| going[*row]).collect();
        }
        logits = reader.read(&next)?;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of probabilities 0.1, 0.4, 0.05, 0.3, 0.15.
    fn candidates(sampling: Sampling) -> Vec<(u32, f64)> {
        let logs: Vec<f64> = [0.1f64, 0.4, 0.05, 0.3, 0.15].iter().map(|p| p.ln()).collect();
        let found = sampling.candidates(&logs);
        let total: f64 = found.iter().map(|(_, weight)| weight).sum();
        found.into_iter().map(|(id, weight)| (id, (weight / total * 1e6).round() / 1e6)).collect()
    }

    #[test]
    fn the_smallest_set_with_the_mass_by_hand() {
        let of = |top_p| candidates(Sampling { temperature: 1.0, top_k: 0, top_p });
        assert_eq!(of(1.0), [(1, 0.4), (3, 0.3), (4, 0.15), (0, 0.1), (2, 0.05)]);
        assert_eq!(of(0.39), [(1, 1.0)]);
        assert_eq!(of(0.41), [(1, 0.571429), (3, 0.428571)]); // 0.4 is not enough, 0.7 is: 4/7 and 3/7
        assert_eq!(of(0.71).len(), 3);
        assert_eq!(of(1e-9), [(1, 1.0)], "one is left always");
    }

    #[test]
    fn temperature_and_number_by_hand() {
        let of = |temperature, top_k, top_p| candidates(Sampling { temperature, top_k, top_p });
        assert_eq!(of(1.0, 2, 1.0), [(1, 0.571429), (3, 0.428571)]);
        assert_eq!(of(0.5, 2, 1.0), [(1, 0.64), (3, 0.36)]); // 0.16 : 0.09
        // The mass is of what is left by number and temperature: 0.64 is enough for 0.6, and 0.57 would not be.
        assert_eq!(of(0.5, 2, 0.6), [(1, 1.0)]);
        assert_eq!(of(1.0, 2, 0.6).len(), 2);
        assert_eq!(of(0.0, 0, 1.0), [(1, 1.0)]);
        assert_eq!(of(1e-3, 0, 1.0)[0], (1, 1.0), "near 0 the likeliest has it all");
        assert_eq!(Sampling::GREEDY.candidates(&[0.0, 1.0, 1.0]), [(1, 1.0)], "of equals the lower id");
        let never = [f64::NEG_INFINITY, f64::NAN];
        assert_eq!(Sampling::default().candidates(&never), []);
    }

    #[test]
    fn draws_follow_the_weights() {
        let key = Key::new(3);
        let weights = [(7, 3.0), (2, 1.0)];
        let first = (0..10_000).filter(|i| chosen(&weights, key.uniform(*i)) == Some(7)).count();
        assert!((7_300..7_700).contains(&first), "{first} of 10,000 at 3 : 1");
        assert_eq!((chosen(&weights, 0.0), chosen(&weights, 0.75), chosen(&[], 0.5)), (Some(7), Some(2), None));
    }
}
