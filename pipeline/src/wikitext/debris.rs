//! The last pass: quotes, switches, emptied parentheses and doubled spaces, and the pairs of brackets nobody closed.

/// ASCII characters that mean something to markup are kept out of its way in a private-use plane.
const HIDDEN: u32 = 0xF0000;

/// A character that is text and never markup; [`finish`] shows it again.
pub(super) fn hide(c: char) -> char {
    let marks = matches!(c, '\n' | '\'' | '=' | '*' | '#' | ':' | ';' | '|' | '_' | '{' | '}' | '[' | ']' | '-');
    if marks { char::from_u32(HIDDEN + c as u32).expect("within the private-use plane") } else { c }
}

fn show(c: char) -> char {
    match c as u32 {
        code @ HIDDEN..=0xF007F => char::from_u32(code - HIDDEN).expect("ASCII"),
        _ => c,
    }
}

/// Cleans the text of one paragraph, heading or item.
pub(super) fn clean(text: &str) -> String {
    let plain = without_quotes_and_switches(text);
    let mut out: Vec<char> = Vec::with_capacity(plain.len());
    let mut opened: Vec<usize> = Vec::new();
    for c in plain.chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        match c {
            ' ' if matches!(out.last(), None | Some(' ' | '(' | '（')) => {}
            ',' | ';' | '،' | '、' if matches!(out.last(), Some('(' | '（')) => {}
            '(' | '（' => {
                opened.push(out.len());
                out.push(c);
            }
            ')' | '）' => match opened.pop().filter(|at| *at < out.len()) {
                Some(at) => {
                    if out[at + 1..].iter().all(|c| is_separator(*c)) {
                        out.truncate(at);
                    } else {
                        while out.last().is_some_and(|last| matches!(last, ' ' | ',' | ';')) {
                            out.pop();
                        }
                        out.push(c);
                    }
                }
                None => out.push(c),
            },
            ',' | '.' if out.last() == Some(&' ') => {
                // A template or reference stood before the sign.
                out.pop();
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out.iter().collect::<String>().trim().to_owned()
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | ',' | ';' | ':' | '-' | '–' | '—' | '/' | '،' | '、' | '·' | '.')
}

/// `'''bold'''` loses its quotes, `__NOTOC__` goes.
fn without_quotes_and_switches(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '_']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mark = if rest.starts_with('\'') { '\'' } else { '_' };
        let run = rest.bytes().take_while(|byte| *byte == mark as u8).count();
        if mark == '\'' {
            // Two, three and five are markup; of four one is text, of more than five the surplus.
            let kept = match run {
                1 | 4 => 1,
                2 | 3 | 5 => 0,
                more => more - 5,
            };
            out.extend(std::iter::repeat_n('\'', kept));
            rest = &rest[run..];
            continue;
        }
        let word = rest[run..].char_indices().take(40).find(|(_, c)| !c.is_alphabetic() && *c != '\u{94d}');
        match word {
            Some((end, '_')) if run == 2 && end > 0 && rest[run + end..].starts_with("__") => {
                rest = &rest[run + end + 2..]
            }
            _ => {
                out.push_str(&rest[..run]);
                rest = &rest[run..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Shows what was hidden, trims every line, and takes out pairs of brackets that are left.
pub(super) fn finish(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut breaks = 0;
    for line in text.chars().map(show).collect::<String>().split('\n') {
        let line = without_pairs(line);
        let line = line.trim();
        if !line.is_empty() {
            if !out.is_empty() {
                out.push_str(if breaks > 1 { "\n\n" } else { "\n" });
            }
            out.push_str(line);
            breaks = 0;
        }
        breaks += 1;
    }
    out
}

fn without_pairs(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        let pair = matches!(
            (out.as_bytes().last(), c),
            (Some(b'{'), '{' | '|')
                | (Some(b'}' | b'|'), '}')
                | (Some(b'['), '[')
                | (Some(b']'), ']')
                | (Some(b'<'), '!')
        );
        if pair {
            out.pop();
        } else if c != ' ' || !out.ends_with(' ') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_that_were_emptied_go_and_others_stay() {
        for (dirty, wanted) in [
            ("X ( , ) is", "X is"),
            ("X (; born 1900; ) is", "X (born 1900) is"),
            ("X (a (b), (–)) is", "X (a (b)) is"),
            ("f(x) )(", "f(x) )("),
            ("word , next .", "word, next."),
            ("a __NOTOC__b __init__ c_d", "a b c_d"),
        ] {
            assert_eq!(clean(dirty), wanted);
        }
    }

    #[test]
    fn hidden_characters_come_back() {
        let hidden: String = "a''b\nc = [d]".chars().map(hide).collect();
        assert_eq!(finish(&clean(&hidden)), "a''b\nc = [d]");
    }
}
