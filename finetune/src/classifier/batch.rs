//! Batches of texts of about one length.

use crate::error::Result;
use candle_core::{Device, Tensor};
use tongues_pretrain::random::Key;

/// Batches whose texts are sorted by length together: enough that a batch has little padding, few enough that its
/// company changes from epoch to epoch.
const POOL: usize = 16;

/// Some texts, side by side.
pub struct Batch {
    /// (B, T) u32, filled up at the end, where a causal decoder does not look.
    pub ids: Tensor,
    /// Real tokens of each row.
    pub lengths: Vec<usize>,
}

impl Batch {
    /// The texts at `rows` of `texts`, filled up with `filler`.
    pub fn new(texts: &[Vec<u32>], rows: &[usize], filler: u32, device: &Device) -> Result<Batch> {
        let lengths: Vec<usize> = rows.iter().map(|&row| texts[row].len()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut ids = Vec::with_capacity(rows.len() * longest);
        for &row in rows {
            ids.extend_from_slice(&texts[row]);
            ids.resize(ids.len() + longest - texts[row].len(), filler);
        }
        Ok(Batch { ids: Tensor::from_vec(ids, (rows.len(), longest), device)?, lengths })
    }

    /// The token after each position, row by row (B·T); `none` after the last real one.
    pub fn next_tokens(&self, texts: &[Vec<u32>], rows: &[usize], none: u32) -> Vec<u32> {
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        let following = |&row: &usize| {
            texts[row][1..].iter().copied().chain(std::iter::repeat(none)).take(longest).collect::<Vec<u32>>()
        };
        rows.iter().flat_map(following).collect()
    }
}

/// Rows in batches of at most `size`, shortest texts first.
pub fn by_length(lengths: &[usize], size: usize) -> Vec<Vec<usize>> {
    let mut rows: Vec<usize> = (0..lengths.len()).collect();
    rows.sort_by_key(|&row| lengths[row]);
    rows.chunks(size).map(<[usize]>::to_vec).collect()
}

/// Every row once, in batches of at most `size` of about one length; which with which, and in what order, is a function
/// of `key` alone.
pub fn epoch(lengths: &[usize], size: usize, key: Key) -> Vec<Vec<usize>> {
    let order = key.named("rows").permutation(lengths.len());
    let mut batches = Vec::new();
    for pool in order.chunks(size * POOL) {
        let mut pool: Vec<usize> = pool.iter().map(|&row| row as usize).collect();
        pool.sort_by_key(|&row| lengths[row]);
        batches.extend(pool.chunks(size).map(<[usize]>::to_vec));
    }
    let order = key.named("batches").permutation(batches.len());
    order.into_iter().map(|number| std::mem::take(&mut batches[number as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_every_row_once_and_little_padding() {
        let lengths: Vec<usize> = (0..1000).map(|row| 5 + row * 7 % 60).collect();
        let batches = epoch(&lengths, 16, Key::new(1));
        let mut rows: Vec<usize> = batches.iter().flatten().copied().collect();
        assert_ne!(rows[..16], batches_of(&lengths)[..16]);
        rows.sort_unstable();
        assert_eq!(rows, (0..1000).collect::<Vec<_>>());
        let padded: usize =
            batches.iter().map(|batch| batch.len() * batch.iter().map(|&row| lengths[row]).max().unwrap()).sum();
        let real: usize = lengths.iter().sum();
        assert!(padded < real + real / 10, "{padded} positions for {real} tokens");
        assert_eq!(epoch(&lengths, 16, Key::new(1)), batches);
        assert_ne!(epoch(&lengths, 16, Key::new(2)), batches);
    }

    fn batches_of(lengths: &[usize]) -> Vec<usize> {
        by_length(lengths, 16).into_iter().flatten().collect()
    }

    #[test]
    fn a_batch_is_filled_up_at_the_end() {
        let texts = [vec![1, 7, 8, 2], vec![1, 9, 2]];
        let batch = Batch::new(&texts, &[1, 0], 0, &Device::Cpu).unwrap();
        assert_eq!(batch.ids.to_vec2::<u32>().unwrap(), [[1, 9, 2, 0], [1, 7, 8, 2]]);
        assert_eq!(batch.lengths, [3, 4]);
        assert_eq!(batch.next_tokens(&texts, &[1, 0], 99), [9, 2, 99, 99, 7, 8, 2, 99]);
    }
}
