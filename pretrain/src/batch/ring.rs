//! One language's training text as a ring: `<s>`, or the language's token, document, `</s>` after document, the first after
//! the last. Tokens stay where the source has them; twelve bytes a document are kept, its number and where it begins.

use super::source::TokenSource;
use crate::random::Key;
use std::ops::Range;
use tongues_languages::Tag;
use tongues_pipeline::tokens::Split;

/// The training documents of a language in an order drawn once. What changes from epoch to epoch is where windows are cut
/// and in which order they come, so a place in the ring means the same token for the whole training.
#[derive(Debug, Clone)]
pub(super) struct Ring {
    /// Language.
    pub tag: Tag,
    /// Numbers of the documents, in the ring's order.
    documents: Vec<u32>,
    /// Where each begins, and after the last the length of the ring.
    starts: Vec<u64>,
}

/// Tokens of one document, one after the other.
struct Part {
    document: usize,
    /// In the document with its `<s>` and `</s>`.
    range: Range<usize>,
    /// Tokens of it, these two included.
    length: usize,
}

impl Ring {
    /// All training documents of a language; nothing where there are none.
    pub fn new(source: &dyn TokenSource, tag: Tag, key: Key) -> Option<Ring> {
        let documents = key.permutation(source.documents(tag, Split::Train));
        let mut starts = vec![0];
        let mut end = 0;
        for document in &documents {
            end += source.length(tag, Split::Train, *document as usize) as u64 + 2;
            starts.push(end);
        }
        (!documents.is_empty()).then_some(Ring { tag, documents, starts })
    }

    /// Tokens, `<s>` and `</s>` of every document included.
    pub fn length(&self) -> u64 {
        self.starts[self.documents.len()]
    }

    /// Appends `count` tokens from `start` on to `ids`; gives where among them documents begin.
    pub fn read(
        &self,
        source: &dyn TokenSource,
        (beginning, end): (u32, u32),
        start: u64,
        count: usize,
        ids: &mut Vec<u32>,
    ) -> Vec<usize> {
        let (first, mut beginnings) = (ids.len(), Vec::new());
        for Part { document, range, length } in self.parts(start, count) {
            if range.start == 0 {
                beginnings.push(ids.len() - first);
                ids.push(beginning);
            }
            let inner = range.start.max(1) - 1..range.end.min(length - 1) - 1;
            if !inner.is_empty() {
                source.read(self.tag, Split::Train, document, inner, ids);
            }
            if range.end == length {
                ids.push(end);
            }
        }
        beginnings
    }

    /// The numbers of the documents that `count` tokens from `start` on are of.
    pub fn documents(&self, start: u64, count: usize) -> impl Iterator<Item = usize> {
        self.parts(start, count).map(|part| part.document)
    }

    /// `count` tokens from `start` on, from 0 without end, by document.
    fn parts(&self, start: u64, count: usize) -> impl Iterator<Item = Part> {
        let (mut place, mut left) = (start % self.length(), count);
        let mut at = self.starts.partition_point(|begin| *begin <= place) - 1;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let length = (self.starts[at + 1] - self.starts[at]) as usize;
            let from = (place - self.starts[at]) as usize;
            let range = from..length.min(from + left);
            left -= range.len();
            let document = self.documents[at] as usize;
            at = (at + 1) % self.documents.len();
            place = self.starts[at];
            Some(Part { document, range, length })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::InMemory;

    /// Documents of 2, 0 and 3 tokens, whose ids are ten times their number and then counted up.
    fn source() -> InMemory {
        let documents = [2, 0, 3].iter().enumerate();
        let texts = documents.map(|(i, count)| ((0..*count).map(|at| 10 * (i as u32 + 1) + at).collect(), 9));
        let tag = "ltg_Latn".parse().unwrap();
        InMemory { documents: [((tag, Split::Train), texts.collect())].into(), vocabulary_size: 40 }
    }

    fn ring(source: &InMemory) -> Ring {
        let ring = Ring::new(source, "ltg_Latn".parse().unwrap(), Key::new(1)).unwrap();
        Ring { documents: vec![2, 1, 0], starts: vec![0, 5, 7, 11], ..ring }
    }

    #[test]
    fn tokens_from_every_place_by_hand() {
        let source = source();
        let ring = ring(&source);
        let all = [1, 30, 31, 32, 2, 1, 2, 1, 10, 11, 2];
        for start in 0..22 {
            for count in 0..25 {
                let mut ids = vec![99];
                let beginnings = ring.read(&source, (1, 2), start as u64, count, &mut ids);
                let expected: Vec<u32> = (start..start + count).map(|place| all[place % 11]).collect();
                assert_eq!(ids[1..], expected, "{count} from {start}");
                let found = expected.iter().enumerate().filter(|(_, id)| **id == 1).map(|(place, _)| place);
                assert_eq!(beginnings, found.collect::<Vec<_>>(), "{count} from {start}");
            }
        }
        let of = |start, count| ring.documents(start, count).collect::<Vec<_>>();
        assert_eq!((of(5, 2), of(4, 2), of(10, 2)), (vec![1], vec![2, 1], vec![0, 2]));
        assert_eq!((of(8, 14), of(0, 11)), (vec![0, 2, 1, 0], vec![2, 1, 0]));
    }

    #[test]
    fn every_document_is_in_it_once_and_without_any_there_is_none() {
        let source = source();
        let tag = "ltg_Latn".parse().unwrap();
        let ring = Ring::new(&source, tag, Key::new(1)).unwrap();
        assert_eq!(ring.length(), 11);
        let mut documents: Vec<usize> = ring.documents(0, 11).collect();
        documents.sort_unstable();
        assert_eq!(documents, [0, 1, 2]);
        assert!(Ring::new(&source, "lvs_Latn".parse().unwrap(), Key::new(1)).is_none());
    }
}
