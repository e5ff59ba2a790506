//! One sentence: a pattern of the language with its slots filled.

use super::lexicon::{Lexicon, TOPICS};
use super::names::{Name, capitalised};
use super::random::Random;

/// A plain sentence and what markup may hold on to.
#[derive(Clone)]
pub(super) struct Sentence {
    /// What the reader sees.
    pub text: String,
    /// The name of another subject, where the sentence has one.
    pub other: Option<String>,
    /// A topic phrase, where the sentence has one.
    pub phrase: Option<&'static str>,
}

/// A phrase from a list separated by `|`.
pub(super) fn phrase(list: &'static str, random: &mut Random) -> &'static str {
    let phrases: Vec<&str> = list.split('|').collect();
    phrases[random.below(phrases.len())]
}

fn another(list: &'static str, than: &str, random: &mut Random) -> &'static str {
    loop {
        let found = phrase(list, random);
        if found != than {
            return found;
        }
    }
}

impl Sentence {
    /// A sentence about `subject` with words of a topic.
    pub fn on_topic(lexicon: &'static Lexicon, topic: usize, subject: &str, random: &mut Random) -> Sentence {
        let pattern = *random.pick(lexicon.patterns);
        Sentence::fill(lexicon, pattern, topic, subject, random)
    }

    /// A sentence that fits every topic.
    pub fn filler(lexicon: &'static Lexicon, subject: &str, random: &mut Random) -> Sentence {
        let pattern = *random.pick(lexicon.fillers);
        Sentence::fill(lexicon, pattern, 0, subject, random)
    }

    fn fill(lexicon: &'static Lexicon, pattern: &str, topic: usize, subject: &str, random: &mut Random) -> Sentence {
        let words = &lexicon.topics[topic];
        let thing = phrase(words.things, random);
        // What a subject is and how many live there follow from its name, so that a page does not contradict itself.
        let mut facts = Random::new(topic as u64, subject);
        let kind = phrase(words.kinds, &mut facts);
        let act = phrase(words.acts, random);
        let other = Name::draw(random).write(lexicon.tag);
        let mut text = pattern
            .replace("{N}", subject)
            .replace("{M}", &other)
            .replace("{k}", kind)
            .replace("{t}", thing)
            .replace("{u}", another(words.things, thing, random))
            .replace("{a}", act)
            .replace("{b}", another(words.acts, act, random))
            .replace("{p}", phrase(words.places, random))
            .replace("{y}", &(1820 + random.below(200)).to_string())
            .replace("{d}", &(10 * (40 + facts.below(900))).to_string())
            .replace("{h}", &(5 + random.below(15)).to_string());
        if lexicon.code == "be" {
            // After a vowel, Belarusian writes u as its short form.
            for vowel in "аеёіоуыэюя".chars() {
                text = text.replace(&format!("{vowel} у"), &format!("{vowel} ў"));
            }
        }
        let phrase = if pattern.contains("{k}") {
            Some(kind)
        } else if pattern.contains("{t}") {
            Some(thing)
        } else {
            None
        };
        Sentence { text: capitalised(&text), other: pattern.contains("{M}").then_some(other), phrase }
    }

    /// A fresh sentence about an invented subject: its text and the label of its topic.
    pub fn labelled(lexicon: &'static Lexicon, topic: usize, random: &mut Random) -> (String, &'static str) {
        let subject = Name::draw(random).write(lexicon.tag);
        (Sentence::on_topic(lexicon, topic, &subject, random).text, TOPICS[topic])
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexicon::LEXICONS;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_subject_is_one_kind_of_thing() {
        let mut random = Random::new(2, "kind");
        let mut draw = || Sentence::fill(LEXICONS[0], "{N} es {k}, {d}.", 0, "Tolu", &mut random).text;
        assert_eq!(draw(), draw());
    }

    #[test]
    fn belarusian_shortens_u_after_a_vowel() {
        let belarusian = LEXICONS[5];
        let mut random = Random::new(2, "u");
        let text = Sentence::fill(belarusian, "{N} жыве у лесе у {p}.", 0, "Толу", &mut random).text;
        assert!(text.starts_with("Толу жыве ў лесе ў "), "{text}");
    }

    #[test]
    fn no_slot_is_left_over_in_any_language() {
        for lexicon in LEXICONS {
            for pattern in lexicon.patterns.iter().chain(lexicon.fillers) {
                for topic in 0..TOPICS.len() {
                    let sentence = Sentence::fill(lexicon, pattern, topic, "X", &mut Random::new(5, pattern));
                    assert!(!sentence.text.contains(['{', '}', '|']), "{}", sentence.text);
                    assert!(sentence.text.ends_with(['.', '।']), "{}", sentence.text);
                }
            }
        }
    }

    #[test]
    fn every_topic_has_forty_words_of_its_own() {
        for lexicon in LEXICONS {
            let words: Vec<HashSet<&str>> = lexicon
                .topics
                .iter()
                .map(|topic| {
                    [topic.kinds, topic.things, topic.acts, topic.places]
                        .iter()
                        .flat_map(|list| list.split([' ', '|']))
                        .collect()
                })
                .collect();
            for topic in 0..words.len() {
                let own = words[topic]
                    .iter()
                    .filter(|word| (0..words.len()).all(|other| other == topic || !words[other].contains(*word)))
                    .count();
                assert!(own >= 40, "{} {}: {own}", lexicon.tag, TOPICS[topic]);
            }
        }
    }

    #[test]
    fn lists_repeat_nothing() {
        for lexicon in LEXICONS {
            for topic in &lexicon.topics {
                for (list, least) in [(topic.kinds, 10), (topic.things, 12), (topic.acts, 10), (topic.places, 7)] {
                    let phrases: HashSet<&str> = list.split('|').collect();
                    assert_eq!(phrases.len(), list.split('|').count(), "{list}");
                    assert!(phrases.len() >= least, "{list}");
                }
            }
        }
    }
}
