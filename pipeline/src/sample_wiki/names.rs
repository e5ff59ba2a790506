//! Invented names, written in three scripts. They mean nothing in any topic, and are never inflected.

use super::random::Random;

/// The same consonant in Latin, Cyrillic and Devanagari.
const CONSONANTS: [[&str; 3]; 12] = [
    ["b", "б", "ब"],
    ["d", "д", "द"],
    ["f", "ф", "फ"],
    ["k", "к", "क"],
    ["l", "л", "ल"],
    ["m", "м", "म"],
    ["n", "н", "न"],
    ["p", "п", "प"],
    ["r", "р", "र"],
    ["s", "с", "स"],
    ["t", "т", "त"],
    ["v", "в", "व"],
];

/// Latin, Russian, Ukrainian, Belarusian, Devanagari inside a word and at its end.
const VOWELS: [[&str; 6]; 5] = [
    ["e", "е", "е", "е", "े", "े"],
    ["i", "и", "і", "і", "ि", "ी"],
    ["u", "у", "у", "у", "ु", "ू"],
    ["a", "а", "а", "а", "ा", "ा"],
    ["o", "о", "о", "а", "ो", "ो"],
];

/// A name as syllables: consonant and vowel.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Name(Vec<(usize, usize)>);

impl Name {
    /// Three or four syllables, the last in e, i or u: no language of ours declines such a foreign name.
    pub fn draw(random: &mut Random) -> Name {
        let count = 3 + usize::from(random.chance(30));
        Name(
            (0..count)
                .map(|place| {
                    (random.below(CONSONANTS.len()), random.below(if place + 1 == count { 3 } else { VOWELS.len() }))
                })
                .collect(),
        )
    }

    /// In the script of `tag`, with a capital where there are capitals.
    pub fn write(&self, tag: &str) -> String {
        let (consonant, vowel) = match &tag[..3] {
            "rus" => (1, 1),
            "ukr" => (1, 2),
            "bel" => (1, 3),
            "hin" | "mar" => (2, 4),
            _ => (0, 0),
        };
        let mut text = String::new();
        for (place, &(c, v)) in self.0.iter().enumerate() {
            let last = usize::from(vowel == 4 && place + 1 == self.0.len());
            text.push_str(CONSONANTS[c][consonant]);
            text.push_str(VOWELS[v][vowel + last]);
        }
        if vowel == 3 {
            // Belarusian d, t and r are always hard.
            for (soft, hard) in [("де", "дэ"), ("те", "тэ"), ("ре", "рэ"), ("ді", "ды"), ("ті", "ты"), ("рі", "ры")]
            {
                text = text.replace(soft, hard);
            }
        }
        capitalised(&text)
    }
}

/// The first character in upper case.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_every_script() {
        let name = Name(vec![(10, 1), (4, 4), (8, 1)]);
        let written = ["spa_Latn", "rus_Cyrl", "ukr_Cyrl", "bel_Cyrl", "hin_Deva"].map(|tag| name.write(tag));
        assert_eq!(written, ["Tilori", "Тилори", "Тілорі", "Тылары", "तिलोरी"]);
    }
}
