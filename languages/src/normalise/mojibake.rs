//! Text that was UTF-8 and was read as Windows-1252 (or Latin-1) or Windows-1251: `RÄ“zekne` is `Rēzekne`.
//!
//! A line is repaired where every character of it stands for a byte, all bytes together are valid UTF-8, and the letters
//! that come out are of the language's script. Text that means what it says passes this by accident hardly ever: each
//! letter beyond ASCII would have to be followed by signs that no orthography puts there.

use crate::script;
use crate::tag::Tag;

/// Bytes 80 to 9F of Windows-1252; 0 where there is none, and the control character of that number stands for it.
const WINDOWS_1252: [u16; 32] = [
    0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0, 0,
    0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
];
/// Bytes 80 to BF of Windows-1251; from C0 on stand А to я.
const WINDOWS_1251: [u16; 64] = [
    0x0402, 0x0403, 0x201A, 0x0453, 0x201E, 0x2026, 0x2020, 0x2021, 0x20AC, 0x2030, 0x0409, 0x2039, 0x040A, 0x040C,
    0x040B, 0x040F, 0x0452, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0, 0x2122, 0x0459, 0x203A, 0x045A,
    0x045C, 0x045B, 0x045F, 0x00A0, 0x040E, 0x045E, 0x0408, 0x00A4, 0x0490, 0x00A6, 0x00A7, 0x0401, 0x00A9, 0x0404,
    0x00AB, 0x00AC, 0x00AD, 0x00AE, 0x0407, 0x00B0, 0x00B1, 0x0406, 0x0456, 0x0491, 0x00B5, 0x00B6, 0x00B7, 0x0451,
    0x2116, 0x0454, 0x00BB, 0x0458, 0x0405, 0x0455, 0x0457,
];
/// Characters beyond ASCII that a repaired line of Windows-1251 has at least: `Ті` alone would be one of them.
const LEAST_OF_1251: usize = 3;

fn byte_1252(c: char) -> Option<u8> {
    match c as u32 {
        code @ 0..=0xFF => Some(code as u8),
        code => WINDOWS_1252.iter().position(|one| u32::from(*one) == code).map(|at| 0x80 + at as u8),
    }
}

fn byte_1251(c: char) -> Option<u8> {
    match c as u32 {
        code @ (0..=0x7F | 0x98) => Some(code as u8),
        code @ 0x0410..=0x044F => Some((code - 0x0410 + 0xC0) as u8),
        code => WINDOWS_1251.iter().position(|one| u32::from(*one) == code).map(|at| 0x80 + at as u8),
    }
}

/// The line as it was before it was misread once; none where it was not.
pub(super) fn repaired(line: &str, tag: Tag) -> Option<String> {
    if line.is_ascii() || tag.script() == "Zzzz" {
        return None;
    }
    let foreign = line.bytes().position(|byte| byte >= 0x80)?;
    let beyond = |text: &str| text.chars().filter(|c| !c.is_ascii()).count();
    // The first two characters beyond ASCII tell almost every line apart: signs for a leading byte (C2 to F4) and for
    // another one.
    let mut first = line[foreign..].chars();
    let (lead, next) = (first.next()?, first.next()?);
    let begins = |byte: fn(char) -> Option<u8>| byte(next).is_some_and(|next| (0x80..=0xBF).contains(&next));
    match lead {
        'Â'..='ô' if begins(byte_1252) => decoded(line, tag, byte_1252),
        'В'..='ф' if begins(byte_1251) => decoded(line, tag, byte_1251).filter(|text| beyond(text) >= LEAST_OF_1251),
        _ => None,
    }
}

fn decoded(line: &str, tag: Tag, byte: fn(char) -> Option<u8>) -> Option<String> {
    let bytes: Vec<u8> = line.chars().map(byte).collect::<Option<_>>()?;
    let text = String::from_utf8(bytes).ok()?;
    let fits = |c: char| !c.is_alphabetic() || script::fits(c, tag);
    text.chars().filter(|c| !c.is_ascii()).all(|c| fits(c) && !c.is_control()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misread(text: &str, byte_to_char: impl Fn(u8) -> char) -> String {
        text.bytes().map(byte_to_char).collect()
    }

    fn as_1252(byte: u8) -> char {
        (0..=0xFFFF)
            .filter_map(char::from_u32)
            .find(|c| *c as u32 > 0xFF && byte_1252(*c) == Some(byte))
            .unwrap_or(byte as char)
    }

    fn as_1251(byte: u8) -> char {
        (0..=0xFFFF).filter_map(char::from_u32).find(|c| byte_1251(*c) == Some(byte)).unwrap()
    }

    #[test]
    fn misread_lines_come_back() {
        for (text, tag) in [
            ("Rēzekne ira piļsāta — «Latgolys sirds».", "ltg_Latn"),
            ("Сьогодні йде дощ.", "ukr_Cyrl"),
            ("नदी लंबी है।", "hin_Deva"),
            ("ሰላም፡ለዓለም።", "amh_Ethi"),
        ] {
            let tag = tag.parse().unwrap();
            for wrong in [misread(text, as_1252), misread(text, as_1251), misread(text, char::from)] {
                assert_ne!(wrong, text);
                assert_eq!(repaired(&wrong, tag).as_deref(), Some(text), "{wrong}");
            }
            assert_eq!(repaired(text, tag), None, "{text}");
        }
    }

    #[test]
    fn what_means_what_it_says_stays() {
        for (text, tag) in [
            ("Ã", "por_Latn"),
            ("São João, à «noite», NÃO © 2020 ½ ¿Qué?", "por_Latn"),
            ("Ті", "ukr_Cyrl"),              // as UTF-8 this would be ҳ
            ("RÄ“zekne i Рига", "ltg_Latn"), // half of it
            ("РќРѕРІРѕСЃС‚Рё", "ltg_Latn"),  // another script comes out
            ("Ä“Ä“", "und_Zzzz"),
        ] {
            assert_eq!(repaired(text, tag.parse().unwrap()), None, "{text}");
        }
    }
}
