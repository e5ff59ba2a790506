//! The training tokens of one language, `<s>` before and `</s>` after each document.

use crate::batch::TokenSource;
use tongues_languages::Tag;
use tongues_pipeline::tokens::Split;

/// Which of `count` things are taken when at most `limit` are: evenly spread, since neighbours have one source.
pub fn spread(count: usize, limit: Option<usize>) -> impl Iterator<Item = usize> {
    let taken = count.min(limit.unwrap_or(usize::MAX));
    (0..taken).map(move |number| number * count / taken)
}

/// Documents one after another.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// `<s>` document `</s>`, for each document.
    pub ids: Vec<u32>,
    /// Id of `<s>`.
    pub beginning: u32,
    /// Ids are below this.
    pub vocabulary_size: usize,
    /// Documents taken.
    pub documents: u64,
    /// Their tokens, `</s>` included.
    pub tokens: u64,
}

impl Text {
    /// The training documents of `language`: all, or so many of them, evenly spread, as have at most `limit` tokens.
    pub fn read(source: &dyn TokenSource, language: Tag, (beginning, end): (u32, u32), limit: u64) -> Text {
        let count = source.documents(language, Split::Train);
        let tokens = |document| source.tokens(language, Split::Train, document);
        let total: u64 = (0..count).map(|document| tokens(document).len() as u64 + 1).sum();
        let share = (limit as f64 / total.max(1) as f64).min(1.0);
        let mut text = Text { beginning, vocabulary_size: source.vocabulary_size(), ..Default::default() };
        for document in spread(count, Some((count as f64 * share) as usize)) {
            let ids = tokens(document);
            if text.tokens + ids.len() as u64 + 1 > limit {
                continue; // the documents taken are longer than the mean
            }
            text.push(&ids, end);
        }
        text
    }

    /// Adds a document.
    pub fn push(&mut self, tokens: &[u32], end: u32) {
        self.ids.push(self.beginning);
        self.ids.extend_from_slice(tokens);
        self.ids.push(end);
        self.documents += 1;
        self.tokens += tokens.len() as u64 + 1;
    }

    /// Each document with its `<s>` and `</s>`.
    pub fn documents(&self) -> impl Iterator<Item = &[u32]> {
        self.ids.chunk_by(|_, next| *next != self.beginning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::InMemory;

    #[test]
    fn a_limit_takes_from_everywhere() {
        assert_eq!(spread(10, Some(4)).collect::<Vec<_>>(), [0, 2, 5, 7]);
        assert_eq!(spread(3, Some(4)).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(0, None).count(), 0);
    }

    #[test]
    fn a_text_holds_no_more_tokens_than_it_may() {
        let tag: Tag = "ltg_Latn".parse().unwrap();
        let documents = (0..10).map(|i| (vec![3 + i; 4], 8)).collect();
        let source = InMemory { documents: [((tag, Split::Train), documents)].into(), vocabulary_size: 20 };
        let all = Text::read(&source, tag, (1, 2), 50);
        assert_eq!((all.documents, all.tokens, all.ids.len()), (10, 50, 60));
        assert_eq!(all.documents().nth(1).unwrap(), [1, 4, 4, 4, 4, 2]);
        let part = Text::read(&source, tag, (1, 2), 29); // 29 of 50 tokens: 5 of 10 documents of 5
        assert_eq!((part.documents, part.tokens), (5, 25));
        assert_eq!(part.documents().map(|ids| ids[1]).collect::<Vec<_>>(), [3, 5, 7, 9, 11]);
        // Every second document is long, and these are the ones spread evenly: 5 of 10 would be 50 of 60 tokens.
        let documents = (0..10).map(|i| (vec![3; if i % 2 == 0 { 9 } else { 1 }], 8)).collect();
        let source = InMemory { documents: [((tag, Split::Train), documents)].into(), vocabulary_size: 20 };
        let part = Text::read(&source, tag, (1, 2), 30);
        assert_eq!((part.documents, part.tokens), (3, 30));
    }
}
