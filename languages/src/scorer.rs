//! The hidden vector and the probabilities of a fastText model with a flat softmax, many times faster than by the
//! library: rows are unpacked once, n-grams are hashed as they grow and looked up in a flat table, nothing is allocated
//! per n-gram.
//!
//! The figures are the library's but for the order of sums; a test compares them.

use crate::labels::LABEL;
use fasttext::FastText;
use fasttext::args::LossName;
use fasttext::dictionary::EntryType;
use std::collections::HashMap;

/// fastText's word for the end of a line, which every line has.
const END: &str = "</s>";
/// Numbers in unpacked rows, at most: a larger model stays with the library, which has it in memory already.
const MOST_NUMBERS: usize = 64 << 20;

/// What a model comes to, ready for lookups.
pub(crate) struct Scorer {
    dimension: usize,
    /// Row after row.
    rows: Vec<f32>,
    /// Label after label.
    output: Vec<f32>,
    shortest: usize,
    longest: usize,
    /// Which buckets have a row, where not all have one; rows are in the order of buckets then, so that this is all there
    /// is to look up, and it fits a core's cache.
    present: Vec<Present>,
    buckets: u32,
    /// Row of the first bucket.
    first: u32,
    words: HashMap<Box<str>, u32>,
    end: Option<u32>,
}

impl Scorer {
    /// That of a model, if it is of this kind.
    pub fn of(model: &FastText) -> Option<Scorer> {
        let args = model.args();
        if args.loss != LossName::Softmax || model.quant_output().is_some() || args.word_ngrams > 1 || args.bucket <= 0
        {
            return None;
        }
        let dimension = usize::try_from(args.dim).ok()?;
        let mut rows = unpacked(model, dimension)?;
        let dictionary = model.dict();
        let words: HashMap<Box<str>, u32> = (0..)
            .zip(dictionary.words())
            .filter(|(_, entry)| entry.entry_type == EntryType::Word)
            .map(|(row, entry)| (entry.word.clone().into_boxed_str(), row))
            .collect();
        let buckets = args.bucket as u32;
        let first = dictionary.nwords() as u32;
        let mut present = Vec::new();
        if dictionary.pruneidx_size() >= 0 {
            let mut pairs: Vec<(u32, u32)> = Vec::new();
            for (bucket, row) in dictionary.pruneidx() {
                pairs.push((u32::try_from(*bucket).ok().filter(|bucket| *bucket < buckets)?, first + *row as u32));
            }
            pairs.sort_unstable();
            let of_buckets = pairs.iter().map(|(_, row)| *row);
            rows = reordered(&rows, dimension, (0..first).chain(of_buckets))?;
            present = Present::of(pairs.into_iter().map(|(bucket, _)| bucket), buckets, first);
        } else if (first + buckets) as usize * dimension > rows.len() {
            return None;
        }
        Some(Scorer {
            dimension,
            rows,
            output: model.output_matrix().data().to_vec(),
            shortest: args.minn.max(0) as usize,
            longest: args.maxn.max(0) as usize,
            present,
            buckets,
            first,
            end: words.get(END).copied(),
            words,
        })
    }

    /// The probability of each label for a line, in the model's order; empty where the model knows nothing of it.
    pub fn probabilities(&self, line: &str) -> Vec<f32> {
        let mut sum = vec![0.0f32; self.dimension];
        let mut count = 0usize;
        let mut marked = Vec::with_capacity(64);
        for word in line.split_ascii_whitespace() {
            // As the library does: the mark of the end inside a line ends it.
            if word == END {
                break;
            }
            if word.starts_with(LABEL) {
                continue;
            }
            if let Some(row) = self.words.get(word) {
                self.add(*row, &mut sum);
                count += 1;
            }
            marked.clear();
            marked.push(b'<');
            marked.extend_from_slice(word.as_bytes());
            marked.push(b'>');
            count += self.ngrams(&marked, &mut sum);
        }
        if count == 0 {
            return Vec::new();
        }
        if let Some(row) = self.end {
            self.add(row, &mut sum);
            count += 1;
        }
        let scale = 1.0 / count as f32;
        sum.iter_mut().for_each(|x| *x *= scale);
        softmax(self.output.chunks_exact(self.dimension).map(|weights| dot(weights, &sum)).collect())
    }

    fn add(&self, row: u32, sum: &mut [f32]) {
        let start = row as usize * self.dimension;
        for (x, y) in sum.iter_mut().zip(&self.rows[start..start + self.dimension]) {
            *x += y;
        }
    }

    /// Adds the rows of a word's n-grams; how many there are.
    fn ngrams(&self, word: &[u8], sum: &mut [f32]) -> usize {
        let mut count = 0;
        let continues = |at: usize| word.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        for start in (0..word.len()).filter(|start| !continues(*start)) {
            let (mut hash, mut at) = (OFFSET, start);
            for length in 1..=self.longest {
                if at >= word.len() {
                    break;
                }
                loop {
                    hash = step(hash, word[at]);
                    at += 1;
                    if !continues(at) {
                        break;
                    }
                }
                // A mark of the word's beginning or end says nothing by itself.
                if length < self.shortest || (length == 1 && (start == 0 || at == word.len())) {
                    continue;
                }
                if let Some(row) = self.row(self.bucket(hash)) {
                    self.add(row, sum);
                    count += 1;
                }
            }
        }
        count
    }

    fn bucket(&self, hash: u32) -> u32 {
        // A division takes as long as the rest of the lookup.
        if self.buckets.is_power_of_two() { hash & (self.buckets - 1) } else { hash % self.buckets }
    }

    fn row(&self, bucket: u32) -> Option<u32> {
        match self.present.get(bucket as usize / 64) {
            Some(present) => present.row(bucket % 64),
            None => Some(self.first + bucket),
        }
    }
}

/// Sixty-four buckets.
struct Present {
    /// A bit for each with a row.
    bits: u64,
    /// Row of the first of them.
    first: u32,
}

impl Present {
    /// Those of all buckets; `with_row` ascend, and `first` is the row of the first.
    fn of(with_row: impl Iterator<Item = u32>, buckets: u32, first: u32) -> Vec<Present> {
        let mut all: Vec<Present> = (0..buckets.div_ceil(64)).map(|_| Present { bits: 0, first: 0 }).collect();
        with_row.for_each(|bucket| all[bucket as usize / 64].bits |= 1 << (bucket % 64));
        let mut row = first;
        for one in &mut all {
            one.first = row;
            row += one.bits.count_ones();
        }
        all
    }

    fn row(&self, place: u32) -> Option<u32> {
        let before = self.bits & ((1 << place) - 1);
        (self.bits >> place & 1 == 1).then(|| self.first + before.count_ones())
    }
}

/// Rows in another order; none where one is missing.
fn reordered(rows: &[f32], dimension: usize, order: impl Iterator<Item = u32>) -> Option<Vec<f32>> {
    let mut all = Vec::with_capacity(rows.len());
    for row in order {
        let start = row as usize * dimension;
        all.extend_from_slice(rows.get(start..start + dimension)?);
    }
    Some(all)
}

/// FNV-1a with 32 bits, whose bytes are signed in fastText.
const OFFSET: u32 = 0x811c_9dc5;

fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as i8 as i32 as u32).wrapping_mul(0x0100_0193)
}

/// All rows of a model as numbers; none where they are too many.
fn unpacked(model: &FastText, dimension: usize) -> Option<Vec<f32>> {
    if !model.is_quant() {
        let data = model.input_matrix().data();
        return (data.len() <= MOST_NUMBERS).then(|| data.to_vec());
    }
    let packed = model.quant_input()?;
    let count = usize::try_from(packed.m).ok()?;
    if count.checked_mul(dimension)? > MOST_NUMBERS {
        return None;
    }
    let parts = packed.codes.len() / count.max(1);
    let mut rows = Vec::with_capacity(count * dimension);
    for (row, codes) in packed.codes.chunks_exact(parts.max(1)).enumerate() {
        let norm = match (&packed.norm_codes, &packed.npq) {
            (Some(norms), Some(quantiser)) => quantiser.get_centroids(0, *norms.get(row)?)[0],
            _ => 1.0,
        };
        let start = rows.len();
        for (part, code) in codes.iter().enumerate() {
            rows.extend(packed.pq.get_centroids(part, *code).iter().map(|x| x * norm));
        }
        rows.resize(start + dimension, 0.0);
    }
    Some(rows)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side, which is what the processor adds at once.
    let mut sums = [0.0f32; 8];
    let (chunks, rest) = (a.chunks_exact(8), a.len() / 8 * 8);
    for (x, y) in chunks.zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f32>() + a[rest..].iter().zip(&b[rest..]).map(|(x, y)| x * y).sum::<f32>()
}

/// Probabilities of scores.
pub(crate) fn softmax(mut scores: Vec<f32>) -> Vec<f32> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - most).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shipped model by the library and by us, on words that it has and has not, marks, other scripts.
    #[test]
    fn probabilities_are_those_of_the_library() {
        let bytes = include_bytes!("../models/identifier.ftz");
        let model = FastText::load(&mut bytes.as_slice()).unwrap();
        let scorer = Scorer::of(&model).unwrap();
        let (labels, _) = model.get_labels();
        for line in [
            "the river is long",
            "itei ir upe latgolā",
            "это длинная река",
            "ሰላም ለዓለም",
            "ab",
            "a",
            "नदी लंबी है xyz",
            "的",
        ] {
            let ours = scorer.probabilities(line);
            for found in model.predict(line, labels.len(), 0.0) {
                let place = labels.iter().position(|label| *label == found.label).unwrap();
                // The library adds 0.00001 before its logarithm.
                assert!(
                    (found.prob - 1e-5 - ours[place]).abs() < 2e-5,
                    "{line}: {} {} {}",
                    found.label,
                    found.prob,
                    ours[place]
                );
            }
        }
        assert!(scorer.probabilities("").is_empty());
    }

    #[test]
    fn rows_are_found_by_the_buckets_before() {
        let present = Present::of([3, 64, 66, 130].into_iter(), 200, 10);
        let row = |bucket: u32| present[bucket as usize / 64].row(bucket % 64);
        assert_eq!([3, 64, 66, 130].map(row), [Some(10), Some(11), Some(12), Some(13)]);
        assert_eq!([0, 63, 65, 127, 199].map(row), [None; 5]);
        assert_eq!(reordered(&[1.0, 2.0, 3.0, 4.0], 2, [1, 0].into_iter()), Some(vec![3.0, 4.0, 1.0, 2.0]));
        assert_eq!(reordered(&[1.0, 2.0], 2, [1].into_iter()), None);
    }

    #[test]
    fn a_dot_product_has_no_length_it_likes() {
        let a: Vec<f32> = (0..19).map(|x| x as f32).collect();
        // 0² + 1² + … + 18² = 18 · 19 · 37 / 6
        assert_eq!(dot(&a, &a), 2109.0);
        // 4-byte FNV-1a of fastText's signed bytes: those of ASCII are plain FNV-1a, "a" = 0xe40c292c.
        assert_eq!(step(OFFSET, b'a'), 0xe40c_292c);
    }
}
