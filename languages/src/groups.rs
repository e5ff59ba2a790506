//! A second look at languages that are near each other: within a group a linear model over words, pairs of words and
//! character n-grams decides between its members.
//!
//! fastText has a vector of a few dozen numbers for two hundred languages; what tells nine Arabic varieties apart is not in
//! it. A linear model over the words themselves needs no more than the few thousand that tell most (Zampieri et al.,
//! VarDial 2014–: linear models over n-grams lead in telling near languages apart). [`crate::group_training`] makes it.

use crate::scorer::softmax;
use crate::tag::Tag;

/// First bytes of the file.
const MAGIC: &[u8; 8] = b"tongues2";
/// Characters of the longest n-gram.
const LONGEST: usize = 5;
/// Bits of a feature's hash: sixteen million values, of which a group keeps some thousand.
pub(crate) const HASH_BITS: u32 = 24;
/// Weight of the first look's own opinion within the group, as a power of its probabilities.
const FIRST_LOOK: f32 = 0.35;

/// The groups of an identifier.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Groups(Vec<Group>);

/// One group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub tags: Vec<Tag>,
    /// A weight is so much times its byte.
    pub scale: f32,
    /// Hashes of the features, ascending.
    pub features: Vec<u32>,
    /// Feature after feature, one for each tag.
    pub weights: Vec<i8>,
    /// Places of `features` by hash, open addressing; `u32::MAX` is free.
    table: Vec<u32>,
}

impl Groups {
    pub(crate) fn new(groups: Vec<Group>) -> Groups {
        Groups(groups)
    }

    /// Reads what [`Groups::to_bytes`] wrote.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Groups, String> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or("no file of groups: it begins otherwise")?;
        let mut take = |count: usize| -> Result<&[u8], String> {
            let (head, tail) = rest.split_at_checked(count).ok_or_else(|| {
                format!("a file of groups that is cut short: {} bytes left, {count} wanted", rest.len())
            })?;
            rest = tail;
            Ok(head)
        };
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes were taken"));
        let mut groups = Vec::new();
        for _ in 0..number(take(4)?) {
            let (tags, features) = (number(take(4)?) as usize, number(take(4)?) as usize);
            let scale = f32::from_bits(number(take(4)?));
            let tag = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<Tag>().ok();
            let tags = take(tags * 8)?.chunks(8).map(tag).collect::<Option<Vec<_>>>().ok_or("a group of no tags")?;
            let hash = |bytes: &[u8]| u32::from(bytes[0]) | u32::from(bytes[1]) << 8 | u32::from(bytes[2]) << 16;
            let hashes = take(features * 3)?.chunks(3).map(hash).collect();
            let weights = take(features * tags.len())?.iter().map(|byte| *byte as i8).collect();
            groups.push(Group::new(tags, scale, hashes, weights));
        }
        if rest.is_empty() { Ok(Groups(groups)) } else { Err(format!("{} bytes behind the last group", rest.len())) }
    }

    /// Magic, count; of each group the counts of tags and features, the scale, tags, hashes of three bytes, weights.
    /// Numbers are of four bytes, the least first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((self.0.len() as u32).to_le_bytes());
        for group in &self.0 {
            bytes.extend((group.tags.len() as u32).to_le_bytes());
            bytes.extend((group.features.len() as u32).to_le_bytes());
            bytes.extend(group.scale.to_le_bytes());
            group.tags.iter().for_each(|tag| bytes.extend(tag.as_str().bytes()));
            group.features.iter().for_each(|hash| bytes.extend(&hash.to_le_bytes()[..3]));
            bytes.extend(group.weights.iter().map(|weight| *weight as u8));
        }
        bytes
    }

    /// Deals the probability that the first look gave a group out again among its members, where its first answer is one
    /// of them. `all` are the candidates; a line is as [`crate::prepare`] made it.
    pub(crate) fn look_again(&self, line: &str, all: &mut [(Tag, f32)]) {
        let Some((first, _)) = all.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))) else { return };
        let Some(group) = self.0.iter().find(|group| group.tags.contains(first)) else { return };
        let members: Vec<(usize, usize)> = all
            .iter()
            .enumerate()
            .filter_map(|(place, (tag, _))| Some((place, group.tags.iter().position(|one| one == tag)?)))
            .collect();
        if members.len() < 2 {
            return;
        }
        let Some(scores) = group.scores(line) else { return };
        let mass: f32 = members.iter().map(|(place, _)| all[*place].1).sum();
        let logs: Vec<f32> =
            members.iter().map(|(place, member)| scores[*member] + FIRST_LOOK * all[*place].1.max(1e-9).ln()).collect();
        for ((place, _), share) in members.iter().zip(softmax(logs)) {
            all[*place].1 = mass * share;
        }
    }
}

impl Group {
    pub fn new(tags: Vec<Tag>, scale: f32, features: Vec<u32>, weights: Vec<i8>) -> Group {
        let mut table = vec![u32::MAX; (2 * features.len()).next_power_of_two().max(2)];
        for (place, hash) in (0..).zip(&features) {
            let mut slot = *hash as usize & (table.len() - 1);
            while table[slot] != u32::MAX {
                slot = (slot + 1) & (table.len() - 1);
            }
            table[slot] = place;
        }
        Group { tags, scale, features, weights, table }
    }

    fn place(&self, hash: u32) -> Option<usize> {
        let mut slot = hash as usize & (self.table.len() - 1);
        loop {
            match self.table[slot] {
                u32::MAX => return None,
                place if self.features[place as usize] == hash => return Some(place as usize),
                _ => slot = (slot + 1) & (self.table.len() - 1),
            }
        }
    }

    /// The logit of each member: the weights of the distinct features of the line over the root of their number; none
    /// where the line has no feature of the group.
    pub fn scores(&self, line: &str) -> Option<Vec<f32>> {
        let mut sums = vec![0i32; self.tags.len()];
        let mut seen = vec![0u64; self.features.len().div_ceil(64)];
        let mut count = 0u32;
        features(line, &mut |hash| {
            let Some(place) = self.place(hash) else { return };
            let bit = 1 << (place % 64);
            if seen[place / 64] & bit == 0 {
                seen[place / 64] |= bit;
                count += 1;
                let weights = &self.weights[place * sums.len()..(place + 1) * sums.len()];
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += i32::from(*weight));
            }
        });
        let scale = self.scale / (count as f32).sqrt();
        (count > 0).then(|| sums.into_iter().map(|sum| sum as f32 * scale).collect())
    }
}

/// Hands over the hash of every feature of a line, repeated ones too: character n-grams of words with marks at both ends,
/// whole words, pairs of words.
pub(crate) fn features(line: &str, each: &mut dyn FnMut(u32)) {
    let mut last: Option<u32> = None;
    let mut marked: Vec<u8> = Vec::with_capacity(64);
    for word in line.split_ascii_whitespace() {
        marked.clear();
        marked.push(b'<');
        marked.extend_from_slice(word.as_bytes());
        marked.push(b'>');
        let continues = |at: usize| marked.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        for start in (0..marked.len()).filter(|start| !continues(*start)) {
            let (mut hash, mut at) = (OFFSET, start);
            for length in 1..=LONGEST {
                if at >= marked.len() {
                    break;
                }
                loop {
                    hash = step(hash, marked[at]);
                    at += 1;
                    if !continues(at) {
                        break;
                    }
                }
                if length > 1 || (start > 0 && at < marked.len()) {
                    each(folded(hash));
                }
            }
        }
        let whole = marked.iter().fold(OFFSET, |hash, byte| step(hash, *byte));
        each(folded(whole ^ 0x5555_5555));
        if let Some(last) = last {
            each(folded(marked.iter().fold(step(last, b' '), |hash, byte| step(hash, *byte))));
        }
        last = Some(whole);
    }
}

/// FNV-1a, 32 bits.
const OFFSET: u32 = 0x811c_9dc5;

fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

fn folded(hash: u32) -> u32 {
    (hash ^ (hash >> HASH_BITS)) & ((1 << HASH_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group_training::{GroupTraining, Line, train};

    fn tags() -> Vec<Tag> {
        ["aaa_Latn", "bbb_Latn"].map(|tag| tag.parse().unwrap()).to_vec()
    }

    /// Two languages of the same words but one, in another order of pairs.
    fn examples() -> Vec<(usize, String)> {
        let words = ["kala", "upe", "mežs", "kolns", "azars", "piļs"];
        let line = |n: usize, own: &str| format!("{} {own} {} {}", words[n % 6], words[n / 6 % 6], words[n * 5 % 6]);
        (0..60).map(|n| (n % 2, line(n / 2, ["jei", "vej"][n % 2]))).collect()
    }

    #[test]
    fn what_tells_members_apart_is_kept_and_read_again() {
        let settings = GroupTraining { features_per_tag: 20, own_source: 0.2 };
        let examples = examples();
        let lines: Vec<Line> =
            examples.iter().map(|(member, text)| Line { member: *member, source: 0, text }).collect();
        let group = train(tags(), &lines, settings);
        assert_eq!((group.features.len(), group.weights.len()), (40, 80));
        assert!(group.features.windows(2).all(|pair| pair[0] < pair[1]));
        let first = |line: &str| group.scores(line).map(|scores| scores[0] > scores[1]);
        assert_eq!((first("upe jei upe"), first("upe vej upe"), first("xx qq")), (Some(true), Some(false), None));
        assert_eq!(train(tags(), &lines, settings), group);

        let groups = Groups::new(vec![group]);
        let bytes = groups.to_bytes();
        assert_eq!(Groups::from_bytes(&bytes), Ok(groups.clone()));
        assert!(Groups::from_bytes(&bytes[..bytes.len() - 1]).unwrap_err().contains("cut short"));
        assert!(Groups::from_bytes(&[bytes, vec![0]].concat()).unwrap_err().contains("1 bytes behind"));
        assert!(Groups::from_bytes(b"fastText").unwrap_err().contains("begins otherwise"));

        // The group has 0.8 of the probability before and after; another language keeps its own.
        let [a, b] = [tags()[0], tags()[1]];
        let other = "ccc_Latn".parse().unwrap();
        let mut all = vec![(a, 0.5), (other, 0.2), (b, 0.3)];
        groups.look_again("upe vej upe", &mut all);
        assert!(all[2].1 > all[0].1 && (all[0].1 + all[2].1 - 0.8).abs() < 1e-6 && all[1].1 == 0.2, "{all:?}");
        let before = [(other, 0.6), (a, 0.3), (b, 0.1)];
        let mut all = before.to_vec();
        groups.look_again("upe vej upe", &mut all);
        assert_eq!(all, before);
    }

    #[test]
    fn features_are_counted_by_hand() {
        let count = |line: &str| {
            let mut count = 0;
            features(line, &mut |_| count += 1);
            count
        };
        // <ab>: a b, <a ab b>, <ab ab>, <ab>, the word; the second the same, and the pair.
        assert_eq!((count("ab"), count("ab ab"), count("")), (9, 19, 0));
        // Characters, not bytes.
        assert_eq!(count("āž"), 9);
    }
}
