//! NFC of the few characters around a mark, so that a text of many marks costs little more than one without.
//!
//! A character of combining class 0 that never composes with what stands before it begins a cluster: clusters are
//! composed one by one (Unicode Standard Annex 15, section 9.1).

use super::clean::{self, MAYBE, UNCOMPOSED};
use unicode_normalization::char::{canonical_combining_class, compose, decompose_canonical};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Whether the mark at byte `at` of a line composes with what stands before it, or puts that in another order. What
/// stands before is in NFC.
pub(super) fn composes(line: &str, at: usize) -> bool {
    let (before, mark) = (&line[..at], first(&line[at..]));
    let own = canonical_combining_class(mark);
    let mut earlier = before.chars().rev();
    if !is_undivided(mark) {
        // Its first part may compose alone.
        let cluster = before.char_indices().rev().find(|(_, c)| clean::class(*c) == 0).map_or(0, |(at, _)| at);
        return !is_nfc(&line[cluster..at + mark.len_utf8()]);
    }
    if own == 0 {
        // Whatever stands between would keep them apart.
        return earlier.next().is_some_and(|starter| compose(starter, mark).is_some());
    }
    // Marks are in the order of their classes: the one just before is the greatest, the first the least.
    let (mut least, mut greatest, mut length) = (own, 0, 0);
    for c in earlier {
        length += c.len_utf8();
        let class = canonical_combining_class(c);
        if class == 0 {
            if last_class(c) > least {
                let cluster = &line[at - length..at + mark.len_utf8()];
                return !is_nfc(cluster);
            }
            return greatest != own && compose(c, mark).is_some();
        }
        (least, greatest) = (class, greatest.max(class));
    }
    false
}

fn first(text: &str) -> char {
    text.chars().next().expect("a mark stands here")
}

/// Combining class of the last character that `c` is made of.
fn last_class(c: char) -> u8 {
    if c.is_ascii() {
        return 0;
    }
    let mut last = c;
    decompose_canonical(c, |part| last = part);
    canonical_combining_class(last)
}

/// A line in NFC.
pub(super) fn composed(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    // From `begin` on goes the cluster that is being read, up to it all is composed; `marked`: it has more than a
    // beginning.
    let (mut begin, mut copied, mut marked) = (0, 0, false);
    let mut marks = Vec::new();
    for (at, c) in line.char_indices() {
        if clean::class(c) == 0 {
            if marked {
                out.push_str(&line[copied..begin]);
                push_cluster(&line[begin..at], &mut marks, &mut out);
                copied = at;
            }
            (begin, marked) = (at, false);
        } else {
            marked = true;
        }
    }
    out.push_str(&line[copied..if marked { begin } else { line.len() }]);
    if marked {
        push_cluster(&line[begin..], &mut marks, &mut out);
    }
    out
}

/// Adds a cluster in NFC. One that is made of a letter and marks in order is composed here (D117 of the standard); the
/// library does the others.
fn push_cluster(cluster: &str, marks: &mut Vec<char>, out: &mut String) {
    let mut characters = cluster.chars();
    let Some(mut starter) = characters.next().filter(|c| is_simple(*c)) else {
        return out.extend(cluster.nfc());
    };
    marks.clear();
    let (mut class_before, mut kept) = (0, 0);
    for mark in characters {
        let class = canonical_combining_class(mark);
        if class == 0 || class < class_before || clean::class(mark) == UNCOMPOSED {
            return out.extend(cluster.nfc());
        }
        class_before = class;
        match compose(starter, mark).filter(|_| kept != class) {
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

/// Whether a character is a starter and made of nothing but itself.
fn is_simple(c: char) -> bool {
    c.is_ascii() || matches!(clean::class(c), 0 | MAYBE) && canonical_combining_class(c) == 0 && is_undivided(c)
}

/// Whether a character is made of nothing but itself.
fn is_undivided(c: char) -> bool {
    let mut alone = true;
    decompose_canonical(c, |part| alone &= part == c);
    alone
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::clean::{State, state};

    /// All characters that composing has to do with: those that compose or decompose and what they are made of, one
    /// mark of each class, letters without any.
    fn alphabet() -> Vec<char> {
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
