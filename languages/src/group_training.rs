//! Training the second look at near languages ([`crate::groups`]): multinomial naive Bayes over words, pairs of words and
//! character n-grams, each counted once a line.
//!
//! What tells near languages apart is best learned where all say the same: in a text that every member has, such as the
//! sentences of FLORES-200, nothing differs but the language. A source that only some members have also teaches what
//! was written about there; it counts for little, so that the member is still known in such text.

use crate::groups::{Group, HASH_BITS, features};
use crate::tag::Tag;

/// How a group is trained.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupTraining {
    /// Features kept, by member.
    pub features_per_tag: usize,
    /// What a source that not all members have counts beside all those that all have, at most.
    pub own_source: f32,
}

/// Lines that every member is taken to have each feature in, beside its own.
const SMOOTHING: f32 = 0.5;
/// Fewest lines with a feature that can be kept.
const LEAST_LINES: u32 = 2;

/// A line of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub member: usize,
    pub source: u32,
    pub text: &'a str,
}

/// Trains a group.
pub(crate) fn train(tags: Vec<Tag>, lines: &[Line], settings: GroupTraining) -> Group {
    let counts = Counts::of(tags.len(), lines, settings.own_source);
    let mut order: Vec<(f32, usize)> = (0..counts.hashes.len())
        .filter(|place| counts.lines[*place] >= LEAST_LINES)
        .map(|place| (counts.gain(place), place))
        .collect();
    let known = order.len();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(counts.hashes[a.1].cmp(&counts.hashes[b.1])));
    order.truncate(settings.features_per_tag * tags.len());
    let mut kept: Vec<usize> = order.into_iter().map(|(_, place)| place).collect();
    kept.sort_by_key(|place| counts.hashes[*place]);
    let weights: Vec<f32> = kept.iter().flat_map(|place| counts.weights(*place, known)).collect();
    let mut sizes: Vec<f32> = weights.iter().map(|weight| weight.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    // The few largest are cut: for them all others would be coarse.
    let most = sizes.get(sizes.len() * 999 / 1000).copied().unwrap_or_default().max(f32::MIN_POSITIVE);
    let scale = most / 127.0;
    let weights = weights.iter().map(|weight| (weight / scale).round().clamp(-127.0, 127.0) as i8).collect();
    Group::new(tags, scale, kept.into_iter().map(|place| counts.hashes[place]).collect(), weights)
}

/// How much lines count, by feature and member.
struct Counts {
    members: usize,
    hashes: Vec<u32>,
    /// Lines with the feature.
    lines: Vec<u32>,
    /// Feature after feature, what its lines count for each member.
    counts: Vec<f32>,
    /// Of each member, over all features.
    totals: Vec<f32>,
}

impl Counts {
    fn of(members: usize, lines: &[Line], own_source: f32) -> Counts {
        let weights = line_weights(members, lines, own_source);
        let mut places = vec![u32::MAX; 1 << HASH_BITS];
        let mut found =
            Counts { members, hashes: Vec::new(), lines: Vec::new(), counts: Vec::new(), totals: vec![0.0; members] };
        for (line, weight) in lines.iter().zip(weights) {
            let distinct = distinct(line.text);
            found.totals[line.member] += weight * distinct.len() as f32;
            for hash in distinct {
                let place = &mut places[hash as usize];
                if *place == u32::MAX {
                    *place = found.hashes.len() as u32;
                    found.hashes.push(hash);
                    found.lines.push(0);
                    found.counts.resize(found.counts.len() + members, 0.0);
                }
                let place = *place as usize;
                found.lines[place] += 1;
                found.counts[place * members + line.member] += weight;
            }
        }
        found
    }

    fn of_feature(&self, place: usize) -> &[f32] {
        &self.counts[place * self.members..(place + 1) * self.members]
    }

    /// How much a feature tells of the member: its lines times the divergence of its members from all features'.
    fn gain(&self, place: usize) -> f32 {
        let counts = self.of_feature(place);
        let (own, all): (f32, f32) = (counts.iter().sum(), self.totals.iter().sum());
        let pairs = counts.iter().zip(&self.totals).filter(|(count, _)| **count > 0.0);
        pairs.map(|(count, total)| count * (count * all / (own * total)).ln()).sum()
    }

    /// Logarithms of the feature's share of each member's, less their mean; `known` features have a share.
    fn weights(&self, place: usize, known: usize) -> impl Iterator<Item = f32> {
        let share = |(count, total): (&f32, &f32)| ((count + SMOOTHING) / (total + SMOOTHING * known as f32)).ln();
        let logs: Vec<f32> = self.of_feature(place).iter().zip(&self.totals).map(share).collect();
        let mean = logs.iter().sum::<f32>() / logs.len() as f32;
        logs.into_iter().map(move |log| log - mean)
    }
}

/// What each line counts: one in the sources that all members have; in another, so much that all of the source's lines
/// of a member are at most `own_source` of its lines in those.
fn line_weights(members: usize, lines: &[Line], own_source: f32) -> Vec<f32> {
    let sources = lines.iter().map(|line| line.source as usize + 1).max().unwrap_or(0);
    let mut sizes = vec![vec![0.0f32; members]; sources];
    lines.iter().for_each(|line| sizes[line.source as usize][line.member] += 1.0);
    let shared: Vec<bool> = sizes.iter().map(|of_members| of_members.iter().all(|size| *size > 0.0)).collect();
    let base = |member: usize| -> f32 {
        sizes.iter().zip(&shared).filter(|(_, shared)| **shared).map(|(sizes, _)| sizes[member]).sum()
    };
    let bases: Vec<f32> = (0..members).map(base).collect();
    let weight = |line: &Line| match shared[line.source as usize] {
        true => 1.0,
        false if bases[line.member] == 0.0 => 1.0, // nothing is shared
        false => (own_source * bases[line.member] / sizes[line.source as usize][line.member]).min(1.0),
    };
    lines.iter().map(weight).collect()
}

fn distinct(line: &str) -> Vec<u32> {
    let mut found = Vec::new();
    features(line, &mut |hash| found.push(hash));
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(member: usize, source: u32, text: &str) -> Line<'_> {
        Line { member, source, text }
    }

    #[test]
    fn what_all_have_counts_whole_and_what_one_has_a_little() {
        let lines = [
            line(0, 0, "a"),
            line(0, 0, "b"),
            line(1, 0, "a"),
            line(0, 2, "c"),
            line(0, 2, "d"),
            line(0, 2, "e"),
            line(0, 2, "f"),
            line(1, 1, "g"),
        ];
        // Source 2: a fifth of the two lines of source 0 is shared by four; source 1: a fifth of one line.
        assert_eq!(line_weights(2, &lines, 0.2), [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.2]);
        assert_eq!(line_weights(2, &lines[3..], 0.2), [1.0; 5]);
    }

    #[test]
    fn weights_by_hand() {
        // Member 0: a in three lines, b in one; member 1: b in two.
        let counts = Counts {
            members: 2,
            hashes: vec![1, 2],
            lines: vec![3, 3],
            counts: vec![3.0, 0.0, 1.0, 2.0],
            totals: vec![4.0, 2.0],
        };
        // a: (3 + 0.5) / (4 + 1) = 0.7 and 0.5 / 3 = 0.1667: half the logarithm of 4.2 on either side.
        let weights: Vec<f32> = counts.weights(0, 2).collect();
        assert!((weights[0] - 0.7175).abs() < 1e-3 && (weights[0] + weights[1]).abs() < 1e-6, "{weights:?}");
        // 3 · ln(3 · 6 / (3 · 4)) = 1.216; 1 · ln(6 / 12) + 2 · ln(12 / 6) = 0.693
        assert!((counts.gain(0) - 1.216).abs() < 1e-3 && (counts.gain(1) - 0.693).abs() < 1e-3);
    }
}
