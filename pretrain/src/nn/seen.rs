//! Which keys a query sees. Texts lie one after the other in a sequence and what fills a sequence up is a text too, at the
//! end, so each query sees one range of keys: causal and bidirectional attention, padding and the boundaries of packed
//! documents are one kernel with other ranges.

use crate::error::{Error, Result};
use std::ops::Range;
use std::sync::Arc;

/// The keys each query sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether keys after the query are seen.
    later: bool,
    /// The text each token is of, row by row (B·T); none: each sequence is one text.
    texts: Option<Arc<[Range<u32>]>>,
}

impl Seen {
    /// Keys up to the query.
    pub fn causal() -> Seen {
        Seen { later: false, texts: None }
    }

    /// All keys.
    pub fn bidirectional() -> Seen {
        Seen { later: true, texts: None }
    }

    /// Of these, only the keys of the query's own text. `starts` says of each sequence where its texts begin, in
    /// ascending order and the first at 0; `t` is T.
    ///
    /// # Errors
    /// Beginnings that are not so, or beyond the sequence.
    pub fn apart(self, starts: &[Vec<usize>], t: usize) -> Result<Seen> {
        let mut texts = Vec::with_capacity(starts.len() * t);
        for starts in starts {
            let ends = starts.iter().skip(1).copied().chain([t]);
            for (&start, end) in starts.iter().zip(ends) {
                if start >= end || (texts.len() % t) != start {
                    return Err(Error::Settings(format!(
                        "texts that begin at {starts:?} in a sequence of {t} tokens; expected 0 and then ever more"
                    )));
                }
                texts.extend(std::iter::repeat_n(start as u32..end as u32, end - start));
            }
        }
        Ok(Seen { texts: Some(texts.into()), ..self })
    }

    /// Of these, only the keys of the query's own text, where each sequence is one text of `lengths` tokens (1 to T),
    /// filled up to `t`. What it is filled up with sees itself, and nothing else sees it.
    pub fn padded(self, lengths: &[usize], t: usize) -> Result<Seen> {
        let starts = lengths.iter().map(|&length| if length < t { vec![0, length] } else { vec![0] });
        self.apart(&starts.collect::<Vec<_>>(), t)
    }

    /// The text of token `row` of sequence `sequence`, of T = `t`.
    #[inline]
    fn text(&self, sequence: usize, row: usize, t: usize) -> Range<usize> {
        match &self.texts {
            None => 0..t,
            Some(texts) => {
                let text = &texts[sequence * t + row];
                text.start as usize..text.end as usize
            }
        }
    }

    /// The keys that query `row` of sequence `sequence` sees, of T = `t`.
    #[inline]
    pub(crate) fn keys(&self, sequence: usize, row: usize, t: usize) -> Range<usize> {
        let text = self.text(sequence, row, t);
        if self.later { text } else { text.start..row + 1 }
    }

    /// The queries that see key `row` of sequence `sequence`, of T = `t`.
    #[inline]
    pub(crate) fn queries(&self, sequence: usize, row: usize, t: usize) -> Range<usize> {
        let text = self.text(sequence, row, t);
        if self.later { text } else { row..text.end }
    }

    /// The keys that any of the queries `rows` sees. Neither end of the ranges ever goes back from a query to the next.
    pub(crate) fn keys_of_block(&self, sequence: usize, rows: Range<usize>, t: usize) -> Range<usize> {
        self.keys(sequence, rows.start, t).start..self.keys(sequence, rows.end - 1, t).end
    }

    /// The place of each token in its text (B·T), from 0; none where each sequence is one text.
    pub fn positions(&self, t: usize) -> Option<Vec<u32>> {
        let texts = self.texts.as_ref()?;
        Some(texts.iter().enumerate().map(|(at, text)| (at % t) as u32 - text.start).collect())
    }

    /// Refuses other numbers of sequences or tokens than it was made for.
    pub(crate) fn check(&self, b: usize, t: usize) -> candle_core::Result<()> {
        match &self.texts {
            Some(texts) if texts.len() != b * t => {
                candle_core::bail!("attention: texts of {} tokens for {b} sequences of {t}", texts.len())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_by_hand() {
        let starts = [vec![0, 2], vec![0]];
        let keys = |seen: &Seen, sequence| (0..4).map(|row| seen.keys(sequence, row, 4)).collect::<Vec<_>>();
        let causal = Seen::causal().apart(&starts, 4).unwrap();
        assert_eq!(keys(&causal, 0), [0..1, 0..2, 2..3, 2..4]);
        assert_eq!(keys(&causal, 1), [0..1, 0..2, 0..3, 0..4]);
        let both = Seen::bidirectional().apart(&starts, 4).unwrap();
        assert_eq!(keys(&both, 0), [0..2, 0..2, 2..4, 2..4]);
        for seen in [&causal, &both] {
            for (query, key) in (0..16).map(|pair| (pair / 4, pair % 4)) {
                let sees = seen.keys(0, query, 4).contains(&key);
                assert_eq!(seen.queries(0, key, 4).contains(&query), sees, "query {query}, key {key}");
            }
        }
        assert_eq!(both.keys_of_block(0, 1..3, 4), 0..4);
        assert_eq!(causal.keys_of_block(0, 2..3, 4), 2..3);
        assert_eq!(both.positions(4).unwrap(), [0, 1, 0, 1, 0, 1, 2, 3]);
        assert_eq!(Seen::causal().positions(4), None);
        // What fills up is a text of its own.
        assert_eq!(Seen::bidirectional().padded(&[2, 4], 4).unwrap(), both);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for starts in [vec![], vec![1], vec![0, 0], vec![0, 3, 2], vec![0, 4]] {
            let seen = Seen::causal().apart(std::slice::from_ref(&starts), 4);
            // A sequence without a beginning has no tokens: too few are noticed where they are used.
            assert!(seen.is_err() || seen.unwrap().check(1, 4).is_err(), "{starts:?}");
        }
    }
}
