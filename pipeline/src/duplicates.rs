//! Exact duplicates over all documents: the same text up to case and white space. The first one stays.
//!
//! Texts are compared by a 128-bit hash, where two different ones of a billion collide with a chance of 10⁻²¹.
//! Which one is first is a matter of [`Position`], not of the order of the calls.

use crate::document::{Document, Reason, Verdict};
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// Where a document stands in a run: source, file in the source, document in the file.
pub type Position = (u32, u32, u64);

/// The hash of a text in NFC (documents are, after normalising): lower case, white space as one space, none around.
pub fn fingerprint(text: &str) -> u128 {
    let mut hash = Xxh3::new();
    let mut buffer = String::new();
    for word in text.split_whitespace() {
        buffer.clear();
        buffer.extend(word.chars().flat_map(char::to_lowercase));
        buffer.push(' ');
        hash.update(buffer.as_bytes());
    }
    hash.digest128()
}

/// Documents that share a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cluster {
    first: Position,
    id: String,
    size: u32,
}

/// All texts of a run.
#[derive(Debug, Default)]
pub struct Clusters(HashMap<u128, Cluster>);

impl Clusters {
    /// Adds a document; the order of calls does not matter.
    pub fn add(&mut self, fingerprint: u128, position: Position, id: &str) {
        let cluster =
            self.0.entry(fingerprint).or_insert_with(|| Cluster { first: position, id: id.to_owned(), size: 0 });
        cluster.size += 1;
        if position < cluster.first {
            (cluster.first, cluster.id) = (position, id.to_owned());
        }
    }

    /// Whether a document that was added is the first of its text.
    pub fn is_first(&self, fingerprint: u128, position: Position) -> bool {
        self.0.get(&fingerprint).is_none_or(|cluster| cluster.first == position)
    }

    /// Writes cluster and size into the document and judges it. Meant for documents that were added.
    pub fn judge(&self, fingerprint: u128, position: Position, document: &mut Document) -> Verdict {
        let Some(cluster) = self.0.get(&fingerprint).filter(|cluster| cluster.size > 1) else { return Verdict::Keep };
        document.cluster_id = Some(cluster.id.clone());
        document.cluster_size = cluster.size;
        if position == cluster.first {
            return Verdict::Keep;
        }
        let found = format!("the text of {}", cluster.id);
        let limit = "the first of its text".to_owned();
        Verdict::Drop(Reason { stage: "duplicates", reason: "exact_duplicate", found, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_white_space_do_not_count_and_words_do() {
        assert_eq!(fingerprint(" Šudiņ  līst.\n\nReit snigs. "), fingerprint("šudiņ līst. reit\tsnigs."));
        assert_ne!(fingerprint("ab c"), fingerprint("a bc"));
        assert_ne!(fingerprint("vīns"), fingerprint("vins"));
    }

    #[test]
    fn the_first_stays_whatever_the_order_of_adding() {
        let documents = [((1, 0, 0), "b:0", 7), ((0, 2, 5), "a:5", 7), ((0, 2, 6), "a:6", 8), ((0, 10, 0), "a:10", 7)];
        for turn in 0..documents.len() {
            let mut order = documents;
            order.rotate_left(turn);
            let mut clusters = Clusters::default();
            order.iter().for_each(|(position, id, print)| clusters.add(*print, *position, id));
            for (position, id, print) in documents {
                let mut document = Document {
                    id: id.into(),
                    language: tongues_languages::Tag::UNDETERMINED,
                    title: None,
                    text: String::new(),
                    source: String::new(),
                    url: None,
                    timestamp: None,
                    licence: None,
                    identified: None,
                    identification_score: None,
                    signals: Default::default(),
                    cluster_id: None,
                    cluster_size: 1,
                    page_kind: None,
                    series_id: None,
                    series_size: 1,
                };
                assert_eq!(clusters.is_first(print, position), matches!(id, "a:5" | "a:6"), "{id}");
                let kept = clusters.judge(print, position, &mut document) == Verdict::Keep;
                assert_eq!(kept, matches!(id, "a:5" | "a:6"), "{id}");
                let wanted = if print == 7 { (Some("a:5"), 3) } else { (None, 1) };
                assert_eq!((document.cluster_id.as_deref(), document.cluster_size), wanted);
            }
        }
    }
}
