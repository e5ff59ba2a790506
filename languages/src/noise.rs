//! Lines that are in no language, made from a counter: what the identifier learns `zxx_Zzzz` from.

use crate::identify::hash;

/// Words that programs and markup are full of.
const CODE: &str = "int return const void static struct null true false if else for while var let fn def class import from \
    public private print self this new div span href src http https www com html css js json xml utf px id nbsp td tr th \
    width height style align center left right border bgcolor font size img alt png jpg svg pdf php index std vec str len \
    i32 u64 usize mut impl pub enum match use mod async await try catch throw lambda echo exit sudo usr bin lib etc tmp";

/// `count` lines: identifiers and keywords, letters at random, hexadecimal and base64.
///
/// ```
/// assert_eq!(tongues_languages::noise::lines(3), tongues_languages::noise::lines(3));
/// ```
pub fn lines(count: u64) -> Vec<String> {
    let words: Vec<&str> = CODE.split_whitespace().collect();
    (0..count).map(|line| one(line, &words)).collect()
}

fn one(line: u64, words: &[&str]) -> String {
    let draw = |place: u64, below: usize| (hash(&place.to_le_bytes(), line) % below as u64) as usize;
    let letters = |place: u64, alphabet: &[u8], length: usize| -> String {
        (0..length).map(|at| alphabet[draw(place * 1000 + at as u64, alphabet.len())] as char).collect()
    };
    let pieces = (0..4 + draw(1, 16) as u64).map(|piece| {
        let place = 100 + piece;
        let length = 3 + draw(place * 7, 10);
        match line % 4 {
            0 => words[draw(place, words.len())].to_owned(),
            1 => letters(place, b"abcdefghijklmnopqrstuvwxyz", length),
            2 => letters(place, b"0123456789abcdef", length),
            _ => letters(place, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 2 * length),
        }
    });
    pieces.collect::<Vec<_>>().join(if line % 8 < 4 { " " } else { "_" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_differ_and_have_letters() {
        let lines = lines(200);
        let distinct: std::collections::BTreeSet<&String> = lines.iter().collect();
        assert_eq!(distinct.len(), 200);
        assert!(lines.iter().all(|line| line.chars().any(char::is_alphabetic)));
    }
}
