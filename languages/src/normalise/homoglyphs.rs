//! Latin letters that were typed into Cyrillic words, and Cyrillic ones in Latin words, because they look the same.

use crate::tag::Tag;

/// Latin and Cyrillic letters that look the same (Unicode Technical Standard 39, confusables).
const PAIRS: [(char, char); 31] = [
    ('a', 'а'),
    ('c', 'с'),
    ('e', 'е'),
    ('i', 'і'),
    ('j', 'ј'),
    ('o', 'о'),
    ('p', 'р'),
    ('s', 'ѕ'),
    ('x', 'х'),
    ('y', 'у'),
    ('ï', 'ї'),
    ('ë', 'ё'),
    ('A', 'А'),
    ('B', 'В'),
    ('C', 'С'),
    ('E', 'Е'),
    ('H', 'Н'),
    ('I', 'І'),
    ('J', 'Ј'),
    ('K', 'К'),
    ('M', 'М'),
    ('O', 'О'),
    ('P', 'Р'),
    ('S', 'Ѕ'),
    ('T', 'Т'),
    ('X', 'Х'),
    ('Y', 'У'),
    ('Ï', 'Ї'),
    ('Ë', 'Ё'),
    ('h', 'һ'),
    ('v', 'ѵ'),
];

fn is_latin(c: char) -> bool {
    c.is_alphabetic() && crate::script::of(c) == "Latn"
}

fn is_cyrillic(c: char) -> bool {
    crate::script::of(c) == "Cyrl"
}

/// The line with each word that mixes the two scripts in that of the language, and how many letters changed. A word
/// stays as it is where a letter of the other script looks like none of the language's.
pub(super) fn repaired(line: &str, tag: Tag) -> Option<(String, u64)> {
    let cyrillic = match tag.script() {
        "Cyrl" => true,
        "Latn" => false,
        _ => return None,
    };
    let own = |c: char| if cyrillic { is_cyrillic(c) } else { is_latin(c) };
    let foreign = |c: char| if cyrillic { is_latin(c) } else { is_cyrillic(c) };
    let twin = |c: char| {
        let found = PAIRS.iter().find(|(latin, cyrillic_one)| c == if cyrillic { *latin } else { *cyrillic_one });
        found.map(|(latin, cyrillic_one)| if cyrillic { *cyrillic_one } else { *latin })
    };
    let (mut out, mut changed) = (String::with_capacity(line.len()), 0);
    let mut rest = line;
    while !rest.is_empty() {
        let letter = rest.starts_with(char::is_alphabetic);
        let end = rest.find(|c: char| c.is_alphabetic() != letter).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let mixed = letter && word.chars().any(own) && word.chars().any(foreign);
        if mixed && word.chars().filter(|c| foreign(*c)).all(|c| twin(c).is_some()) {
            for c in word.chars() {
                changed += u64::from(foreign(c));
                out.push(if foreign(c) { twin(c).expect("asked above") } else { c });
            }
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    (changed > 0).then_some((out, changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_words_become_of_one_script() {
        let fixed = |line: &str, tag: &str| repaired(line, tag.parse().unwrap());
        // Latin o and a in the first word, Latin i in the second.
        assert_eq!(fixed("Мoсквa i Кuїв, Дніпро", "ukr_Cyrl"), Some(("Москва i Кuїв, Дніпро".to_owned(), 2)));
        assert_eq!(fixed("Lаtgola", "ltg_Latn"), Some(("Latgola".to_owned(), 1)));
        for (line, tag) in
            [("Москва and Kyiv", "ukr_Cyrl"), ("WWW-сайт", "rus_Cyrl"), ("Lаtgola", "ell_Grek"), ("", "ltg_Latn")]
        {
            assert_eq!(fixed(line, tag), None, "{line}");
        }
    }
}
