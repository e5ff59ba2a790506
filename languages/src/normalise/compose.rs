//! NFC of the few characters around a mark, so that a text of many marks costs little more than one without.
//!
//! A character of combining class 0 that never composes with what stands before it begins a cluster: clusters are
//! composed one by one (Unicode Standard Annex 15, section 9.1).

use super::clean::{self, CLASSES};
use super::parts::{KNOWN, Known, Parts, pair, parts};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The combining class of the mark at byte `at` of a line; none where it composes with what stands before it, or puts
/// that in another order. What stands before is in NFC, its last combining class `last`.
pub(super) fn class_if_kept(line: &str, at: usize, last: u8) -> Option<u8> {
    let known = &*KNOWN;
    let (before, mark) = (&line[..at], line[at..].chars().next().expect("a mark stands here"));
    let Parts { class: own, undivided, .. } = parts(known, mark);
    let kept = |composes: bool| (!composes).then_some(own);
    let mut earlier = before.chars().rev();
    if own != 0 && last > own {
        return None;
    }
    if !undivided {
        // Its first part may compose alone.
        let cluster = before.char_indices().rev().find(|(_, c)| clean::class(*c) == 0).map_or(0, |(at, _)| at);
        return kept(!is_nfc(&line[cluster..at + mark.len_utf8()]));
    }
    if own == 0 {
        // Whatever stands between would keep them apart.
        return kept(earlier.next().is_some_and(|starter| pair(known, starter, mark).is_some()));
    }
    // Marks are in the order of their classes: the first is the least, and one of the same class keeps them apart.
    let (mut least, mut length) = (own, 0);
    for c in earlier {
        length += c.len_utf8();
        let Parts { class, last_class, .. } = parts(known, c);
        if class == 0 {
            return kept(match last_class > least {
                true => !is_nfc(&line[at - length..at + mark.len_utf8()]),
                false => last != own && pair(known, c, mark).is_some(),
            });
        }
        least = class;
    }
    Some(own)
}

/// A line in NFC.
pub(super) fn composed(line: &str) -> String {
    let known = &*KNOWN;
    let bytes = line.as_bytes();
    let mut out = String::with_capacity(line.len());
    // From `begin` on goes what a mark may compose with; up to `copied` all is written.
    let (mut at, mut begin, mut copied) = (0, 0, 0);
    let mut marks = Vec::new();
    while at < bytes.len() {
        let length = match length_of_mark(bytes, at) {
            Err(length) => {
                begin = at;
                at += length;
                continue;
            }
            Ok(length) => length,
        };
        at += length;
        while let Some(Ok(length)) = (at < bytes.len()).then(|| length_of_mark(bytes, at)) {
            at += length;
        }
        out.push_str(&line[copied..begin]);
        push_cluster(known, &line[begin..at], &mut marks, &mut out);
        (copied, begin) = (at, at);
    }
    out.push_str(&line[copied..]);
    out
}

/// The length of the character at a byte, as an error where it begins a cluster.
#[inline]
fn length_of_mark(bytes: &[u8], at: usize) -> Result<usize, usize> {
    if bytes[at] < 0x80 {
        return Err(1);
    }
    let (code, length) = clean::decoded(bytes, at);
    if CLASSES.at(code) == 0 { Err(length) } else { Ok(length) }
}

/// Adds a cluster in NFC. One that is made of a letter and marks in order is composed here (D117 of the standard); the
/// library does the others.
fn push_cluster(known: &Known, cluster: &str, marks: &mut Vec<char>, out: &mut String) {
    let mut characters = cluster.chars();
    let mut starter = characters.next().expect("a cluster is a mark at least");
    let Parts { class, last_class, undivided, .. } = parts(known, starter);
    // A letter that is made of others stays one, where no mark belongs before its own last.
    if class != 0 || !(undivided || clean::class(starter) == 0) {
        return out.extend(cluster.nfc());
    }
    marks.clear();
    let (mut class_before, mut kept) = (last_class, 0);
    for mark in characters {
        let Parts { class, undivided, .. } = parts(known, mark);
        if class < class_before && class != 0 || !undivided {
            return out.extend(cluster.nfc());
        }
        class_before = class;
        let both = pair(known, starter, mark);
        if class == 0 {
            // A vowel sign or a part of Hangul: behind a mark, or where it does not compose, it begins anew.
            match both.filter(|_| marks.is_empty()) {
                Some(both) => starter = both,
                None => return out.extend(cluster.nfc()),
            }
            continue;
        }
        match both.filter(|_| kept != class) {
            Some(both) => starter = both,
            None => {
                marks.push(mark);
                kept = class;
            }
        }
    }
    out.push(starter);
    out.extend(marks.iter());
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::normalise::clean::{MAYBE, State, state};
    use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

    /// All characters that composing has to do with: those that compose or decompose and what they are made of, one
    /// mark of each class, letters without any.
    pub fn alphabet() -> Vec<char> {
        let mut found = std::collections::BTreeSet::from(['a', 'q', 'ක', '한']);
        let mut classes = std::collections::BTreeSet::new();
        for c in (0..0x20000).filter_map(char::from_u32).filter(|c| !('가'..='힣').contains(c)) {
            let mut parts = Vec::new();
            decompose_canonical(c, |part| parts.push(part));
            if parts != [c] {
                found.insert(c);
                found.extend(parts);
            }
            if clean::class(c) == MAYBE || classes.insert(canonical_combining_class(c)) {
                found.insert(c);
            }
        }
        found.retain(|c| clean::class(*c) != 255 && *c != ' ');
        found.into_iter().collect()
    }

    fn check(text: &str) {
        let nfc: String = text.nfc().collect();
        assert_eq!(state(text), if nfc == text { State::Clean } else { State::Uncomposed }, "{text:?}");
        assert_eq!(composed(text), nfc, "{text:?}");
    }

    #[test]
    fn clusters_are_composed_as_the_library_does() {
        let alphabet = alphabet();
        assert!(alphabet.len() > 2000 && alphabet.contains(&'\u{9BE}') && alphabet.contains(&'\u{1161}'));
        let marks: Vec<char> = alphabet.iter().copied().filter(|c| clean::class(*c) > 1).collect();
        let mut state = 7_u64;
        let mut random = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        for _ in 0..200_000 {
            let mut text = String::new();
            for _ in 0..1 + random(4) {
                text.push(alphabet[random(alphabet.len())]);
                text.extend((0..random(4)).map(|_| marks[random(marks.len())]));
            }
            check(&text);
            check(&text.nfc().collect::<String>());
        }
    }

    /// Every letter that has a spelling in parts, with every mark behind one of its own spellings.
    #[test]
    fn marks_behind_letters_that_are_composed_already() {
        let alphabet = alphabet();
        let marks: Vec<char> = alphabet.iter().copied().filter(|c| clean::class(*c) > 1).collect();
        for letter in alphabet.iter().copied().filter(|c| clean::class(*c) == 0) {
            for mark in marks.iter().copied().step_by(3) {
                check(&String::from_iter([letter, mark]));
            }
        }
    }
}
