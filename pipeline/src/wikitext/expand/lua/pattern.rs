//! Lua's patterns (Lua 5.1 manual, §5.4.1) over bytes or over characters, with a count of steps: Lua's own matcher is
//! C code that no limit reaches, and a pattern of twenty `.-` runs for years in it.
//!
//! Over characters the classes are Unicode's general categories, as in `mw.ustring` (Extension:Scribunto/Lua reference
//! manual, "Ustring patterns").

use super::classes;

/// Captures of a pattern, as in Lua.
const CAPTURES: usize = 32;
/// Items of a pattern: what is matched by recursion must not reach the end of the stack.
const ITEMS: usize = 1000;
/// Calls inside calls.
const DEEPEST: usize = 220;

/// Why nothing was matched, apart from there being no match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The pattern is none.
    Malformed(&'static str),
    /// It took too long.
    Steps,
}

/// What a text is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Units {
    Bytes,
    /// UTF-8; a byte that is none stands for itself.
    Characters,
}

impl Units {
    /// The unit at `at` and where the next one begins.
    pub(super) fn at(self, text: &[u8], at: usize) -> Option<(u32, usize)> {
        let first = *text.get(at)?;
        if self == Units::Bytes || first < 0xC0 {
            return Some((u32::from(first), at + 1));
        }
        let length = if first < 0xE0 {
            2
        } else if first < 0xF0 {
            3
        } else {
            4
        };
        let found = text.get(at..at + length).and_then(|bytes| std::str::from_utf8(bytes).ok());
        Some(match found.and_then(|found| found.chars().next()) {
            Some(c) => (c as u32, at + length),
            None => (u32::from(first), at + 1),
        })
    }

    /// Where the unit before `at` begins.
    fn before(self, text: &[u8], at: usize) -> usize {
        let mut begin = at - 1;
        if self == Units::Characters {
            while begin > 0 && text[begin] & 0xC0 == 0x80 && at - begin < 4 {
                begin -= 1;
            }
            // A byte that is no UTF-8 stands alone.
            if self.at(text, begin).is_none_or(|(_, end)| end != at) {
                return at - 1;
            }
        }
        begin
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Class {
    Any,
    One(u32),
    /// `%a`; the letter in lower case, and whether it stood in upper case.
    Kind(u8, bool),
    Set {
        negated: bool,
        members: Vec<Member>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    Range(u32, u32),
    Kind(u8, bool),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Single(Class),
    /// `*`, and `+` with a single one before it.
    Many(Class),
    /// `-`
    Few(Class),
    /// `?`
    Maybe(Class),
    Open {
        position: bool,
    },
    Close,
    /// `%bxy`
    Balanced(u32, u32),
    /// `%f[set]`
    Frontier(Class),
    /// `%1`
    Back(usize),
    /// `$` at the end.
    End,
}

/// A pattern, read.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    items: Vec<Item>,
    /// Begins with `^`.
    pub(super) anchored: bool,
    units: Units,
}

/// What a capture holds, in bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capture {
    Text(usize, usize),
    Position(usize),
    Open(usize),
}

/// Where a pattern matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) begin: usize,
    pub(super) end: usize,
    pub(super) captures: Vec<Capture>,
}

impl Pattern {
    /// Reads a pattern; `^` counts only where `anchors` says so.
    pub(super) fn read(source: &[u8], units: Units, anchors: bool) -> Result<Pattern, Fault> {
        let anchored = anchors && source.first() == Some(&b'^');
        let mut reader = Reader { source, units, at: usize::from(anchored) };
        let mut items = Vec::new();
        let mut opened = 0;
        while reader.at < source.len() {
            reader.item(&mut items, &mut opened)?;
            if items.len() > ITEMS {
                return Err(Fault::Malformed("pattern too complex"));
            }
        }
        Ok(Pattern { items, anchored, units })
    }

    /// The first match at or behind `from`; each unit looked at takes one of `steps`.
    pub(super) fn find(&self, text: &[u8], from: usize, steps: &mut u64) -> Result<Option<Match>, Fault> {
        let mut begin = from;
        loop {
            if let Some(found) = self.match_at(text, begin, steps)? {
                return Ok(Some(found));
            }
            if self.anchored || begin >= text.len() {
                return Ok(None);
            }
            begin = self.units.at(text, begin).expect("before the end").1;
        }
    }

    /// Without the units of the pattern's first class at both ends.
    pub(super) fn trim<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(Item::Single(class)) = self.items.first() else { return text };
        let matcher =
            Matcher { items: &self.items, units: self.units, text, captures: Vec::new(), depth: 0, steps: &mut 0 };
        let (mut begin, mut end) = (0, text.len());
        while let Some(after) = matcher.one(class, begin) {
            begin = after;
        }
        while end > begin && matcher.one(class, self.units.before(text, end)).is_some() {
            end = self.units.before(text, end);
        }
        &text[begin..end]
    }

    /// The match that begins at `begin`.
    fn match_at(&self, text: &[u8], begin: usize, steps: &mut u64) -> Result<Option<Match>, Fault> {
        let mut matcher =
            Matcher { items: &self.items, units: self.units, text, captures: Vec::new(), depth: 0, steps };
        let end = matcher.run(0, begin)?;
        let captures = matcher.captures;
        if end.is_some() && captures.iter().any(|capture| matches!(capture, Capture::Open(_))) {
            return Err(Fault::Malformed("unfinished capture"));
        }
        Ok(end.map(|end| Match { begin, end, captures }))
    }
}

struct Reader<'p> {
    source: &'p [u8],
    units: Units,
    at: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u32> {
        let (unit, after) = self.units.at(self.source, self.at)?;
        self.at = after;
        Some(unit)
    }

    fn peek(&self) -> Option<u8> {
        self.source.get(self.at).copied()
    }

    fn item(&mut self, items: &mut Vec<Item>, opened: &mut usize) -> Result<(), Fault> {
        match self.peek().expect("before the end") {
            b'(' => {
                self.at += 1;
                let position = self.peek() == Some(b')');
                self.at += usize::from(position);
                *opened += 1;
                if *opened > CAPTURES {
                    return Err(Fault::Malformed("too many captures"));
                }
                items.push(Item::Open { position });
            }
            b')' => {
                self.at += 1;
                items.push(Item::Close);
            }
            b'$' if self.at + 1 == self.source.len() => {
                self.at += 1;
                items.push(Item::End);
            }
            b'%' => match self.source.get(self.at + 1) {
                Some(b'b') => {
                    self.at += 2;
                    let missing = Fault::Malformed("malformed pattern (missing arguments to '%b')");
                    let (Some(open), Some(close)) = (self.next(), self.next()) else { return Err(missing) };
                    items.push(Item::Balanced(open, close));
                }
                Some(b'f') => {
                    self.at += 2;
                    if self.peek() != Some(b'[') {
                        return Err(Fault::Malformed("missing '[' after '%f' in pattern"));
                    }
                    let class = self.class()?;
                    items.push(Item::Frontier(class));
                }
                Some(digit @ b'0'..=b'9') => {
                    self.at += 2;
                    match usize::from(digit - b'0') {
                        0 => return Err(Fault::Malformed("invalid capture index")),
                        number => items.push(Item::Back(number - 1)),
                    }
                }
                _ => self.single(items)?,
            },
            _ => self.single(items)?,
        }
        Ok(())
    }

    fn single(&mut self, items: &mut Vec<Item>) -> Result<(), Fault> {
        let class = self.class()?;
        let item = match self.peek() {
            Some(b'*') => Item::Many(class),
            Some(b'-') => Item::Few(class),
            Some(b'?') => Item::Maybe(class),
            Some(b'+') => {
                items.push(Item::Single(class.clone()));
                Item::Many(class)
            }
            _ => {
                items.push(Item::Single(class));
                return Ok(());
            }
        };
        self.at += 1;
        items.push(item);
        Ok(())
    }

    fn class(&mut self) -> Result<Class, Fault> {
        match self.next().expect("before the end") {
            0x2E => Ok(Class::Any),
            0x25 => {
                let escaped = self.next().ok_or(Fault::Malformed("malformed pattern (ends with '%')"))?;
                Ok(kind(escaped).map_or(Class::One(escaped), |(letter, negated)| Class::Kind(letter, negated)))
            }
            0x5B => self.set(),
            unit => Ok(Class::One(unit)),
        }
    }

    fn set(&mut self) -> Result<Class, Fault> {
        let missing = || Fault::Malformed("malformed pattern (missing ']')");
        let negated = self.peek() == Some(b'^');
        self.at += usize::from(negated);
        let (mut members, mut first) = (Vec::new(), true);
        loop {
            let unit = self.next().ok_or_else(missing)?;
            match unit {
                // A bracket that comes first is one of the set.
                0x5D if !first => return Ok(Class::Set { negated, members }),
                0x25 => {
                    let escaped = self.next().ok_or_else(missing)?;
                    members.push(match kind(escaped) {
                        Some((letter, negated)) => Member::Kind(letter, negated),
                        None => Member::Range(escaped, escaped),
                    });
                }
                _ if self.peek() == Some(b'-') && self.source.get(self.at + 1).is_some_and(|next| *next != b']') => {
                    self.at += 1;
                    let last = self.next().ok_or_else(missing)?;
                    members.push(Member::Range(unit, last));
                }
                _ => members.push(Member::Range(unit, unit)),
            }
            first = false;
        }
    }
}

/// The letter of a class, and whether it means all others.
fn kind(unit: u32) -> Option<(u8, bool)> {
    let byte = u8::try_from(unit).ok()?;
    let lower = byte.to_ascii_lowercase();
    b"acdlpsuwxz".contains(&lower).then_some((lower, byte != lower))
}

struct Matcher<'m> {
    items: &'m [Item],
    units: Units,
    text: &'m [u8],
    captures: Vec<Capture>,
    depth: usize,
    steps: &'m mut u64,
}

impl Matcher<'_> {
    fn spend(&mut self, steps: u64) -> Result<(), Fault> {
        *self.steps = self.steps.checked_sub(steps).ok_or(Fault::Steps)?;
        Ok(())
    }

    fn deeper(&mut self, item: usize, at: usize) -> Result<Option<usize>, Fault> {
        if self.depth == DEEPEST {
            return Err(Fault::Malformed("pattern too complex"));
        }
        self.depth += 1;
        let end = self.run(item, at);
        self.depth -= 1;
        end
    }

    /// The end of a match of the items from `item` on.
    fn run(&mut self, mut item: usize, mut at: usize) -> Result<Option<usize>, Fault> {
        let items = self.items;
        loop {
            self.spend(1)?;
            let Some(next) = items.get(item) else { return Ok(Some(at)) };
            match next {
                Item::Single(class) => match self.one(class, at) {
                    Some(after) => at = after,
                    None => return Ok(None),
                },
                Item::Many(class) => return self.many(class, item, at),
                Item::Few(class) => loop {
                    if let Some(end) = self.deeper(item + 1, at)? {
                        return Ok(Some(end));
                    }
                    match self.one(class, at) {
                        Some(after) => at = after,
                        None => return Ok(None),
                    }
                },
                Item::Maybe(class) => {
                    if let Some(after) = self.one(class, at)
                        && let Some(end) = self.deeper(item + 1, after)?
                    {
                        return Ok(Some(end));
                    }
                }
                Item::Open { position } => {
                    self.captures.push(if *position { Capture::Position(at) } else { Capture::Open(at) });
                    let end = self.deeper(item + 1, at)?;
                    if end.is_none() {
                        self.captures.pop();
                    }
                    return Ok(end);
                }
                Item::Close => {
                    let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
                    let open = open.ok_or(Fault::Malformed("invalid pattern capture"))?;
                    let Capture::Open(begin) = self.captures[open] else { unreachable!("just found") };
                    self.captures[open] = Capture::Text(begin, at);
                    let end = self.deeper(item + 1, at)?;
                    if end.is_none() {
                        self.captures[open] = Capture::Open(begin);
                    }
                    return Ok(end);
                }
                Item::Balanced(open, close) => match self.balanced(*open, *close, at)? {
                    Some(after) => at = after,
                    None => return Ok(None),
                },
                Item::Frontier(class) => {
                    let before = match at {
                        0 => 0,
                        _ => self.units.at(self.text, self.units.before(self.text, at)).map_or(0, |(unit, _)| unit),
                    };
                    let here = self.units.at(self.text, at).map_or(0, |(unit, _)| unit);
                    if self.holds(class, before) || !self.holds(class, here) {
                        return Ok(None);
                    }
                }
                Item::Back(number) => {
                    let Some(Capture::Text(begin, end)) = self.captures.get(*number).copied() else {
                        return Err(Fault::Malformed("invalid capture index"));
                    };
                    self.spend((end - begin) as u64)?;
                    if !self.text[at..].starts_with(&self.text[begin..end]) {
                        return Ok(None);
                    }
                    at += end - begin;
                }
                Item::End => return Ok((at == self.text.len()).then_some(at)),
            }
            item += 1;
        }
    }

    /// As many as there are, then fewer.
    fn many(&mut self, class: &Class, item: usize, begin: usize) -> Result<Option<usize>, Fault> {
        let mut at = begin;
        while let Some(after) = self.one(class, at) {
            at = after;
        }
        self.spend((at - begin) as u64)?;
        loop {
            if let Some(end) = self.deeper(item + 1, at)? {
                return Ok(Some(end));
            }
            if at == begin {
                return Ok(None);
            }
            at = self.units.before(self.text, at);
        }
    }

    fn balanced(&mut self, open: u32, close: u32, begin: usize) -> Result<Option<usize>, Fault> {
        let Some((first, mut at)) = self.units.at(self.text, begin) else { return Ok(None) };
        if first != open {
            return Ok(None);
        }
        let mut depth = 1;
        while let Some((unit, after)) = self.units.at(self.text, at) {
            self.spend(1)?;
            at = after;
            if unit == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at));
                }
            } else if unit == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// Where the unit at `at` ends, if it is of the class.
    fn one(&self, class: &Class, at: usize) -> Option<usize> {
        let (unit, after) = self.units.at(self.text, at)?;
        self.holds(class, unit).then_some(after)
    }

    fn holds(&self, class: &Class, unit: u32) -> bool {
        let kind = |letter: u8, negated: bool| match self.units {
            Units::Bytes => classes::of_byte(letter, unit) != negated,
            Units::Characters => classes::of_character(letter, unit) != negated,
        };
        match class {
            Class::Any => true,
            Class::One(wanted) => unit == *wanted,
            Class::Kind(letter, negated) => kind(*letter, *negated),
            Class::Set { negated, members } => {
                let inside = members.iter().any(|member| match member {
                    Member::Range(first, last) => (*first..=*last).contains(&unit),
                    Member::Kind(letter, negated) => kind(*letter, *negated),
                });
                inside != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What matches first, and the captures, all as text; positions as numbers.
    fn found(units: Units, text: &str, pattern: &str) -> Option<Vec<String>> {
        let pattern = Pattern::read(pattern.as_bytes(), units, true).unwrap();
        let found = pattern.find(text.as_bytes(), 0, &mut 1_000_000).unwrap()?;
        let capture = |capture: &Capture| match *capture {
            Capture::Text(begin, end) => text[begin..end].to_owned(),
            Capture::Position(at) | Capture::Open(at) => at.to_string(),
        };
        Some([text[found.begin..found.end].to_owned()].into_iter().chain(found.captures.iter().map(capture)).collect())
    }

    /// Answers of Lua 5.1's string.match.
    #[test]
    fn patterns_match_as_in_lua() {
        for (text, pattern, wanted) in [
            ("hello world", "o w", &["o w"][..]),
            ("hello", "l+", &["ll"]),
            ("hello", "l-o", &["llo"]),
            ("key = value", "^(%w+)%s*=%s*(%w+)$", &["key = value", "key", "value"]),
            ("f(a(b)c)d", "%b()", &["(a(b)c)"]),
            ("THE (quick) fox", "%f[%a]%a+%f[%A]", &["THE"]),
            ("abcabc", "(abc)%1", &["abcabc", "abc"]),
            ("x[]y", "[]]", &["]"]),
            ("x-y", "[a%-]", &["-"]),
            ("a-z", "[a-]+", &["a-"]),
            ("2015-01-02", "(%d+)-(%d+)-(%d+)", &["2015-01-02", "2015", "01", "02"]),
            ("abc", "()b()", &["b", "1", "2"]),
            ("abc", "((a)(b))", &["ab", "ab", "a", "b"]),
            ("a$b", "a$b", &["a$b"]),
            ("", "^$", &[""]),
            ("aXb", "%u", &["X"]),
            ("  x ", "^%s*(.-)%s*$", &["  x ", "x"]),
            ("colour", "colou?r", &["colour"]),
        ] {
            let wanted: Vec<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
            for units in [Units::Bytes, Units::Characters] {
                assert_eq!(found(units, text, pattern), Some(wanted.clone()), "{pattern} {units:?}");
            }
        }
        assert_eq!(found(Units::Bytes, "abc", "^b"), None);
        assert_eq!(found(Units::Bytes, "abc", "b$"), None);
    }

    #[test]
    fn characters_are_units_of_their_own() {
        let characters = |text, pattern| found(Units::Characters, text, pattern).map(|found| found[0].clone());
        assert_eq!(characters("Šis ir", "%a+").as_deref(), Some("Šis"));
        assert_eq!(characters("a–b", "[–—]").as_deref(), Some("–"));
        assert_eq!(characters("xяy", "[а-я]").as_deref(), Some("я"));
        assert_eq!(characters("१२ x", "%d+").as_deref(), Some("१२"));
        assert_eq!(characters("«a»", "%p").as_deref(), Some("«"));
        assert_eq!(characters("ā", "^.$").as_deref(), Some("ā"));
        assert_eq!(found(Units::Bytes, "ā", "^.$"), None);
        // Vowel signs are marks and no letters, as in PCRE's \p{L}.
        assert_eq!(characters("हिन्दी", "%a+").as_deref(), Some("ह"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["[a", "%", "(a", "a)", "%b", "%fa", "%1", &"(a)".repeat(33)] {
            let read = Pattern::read(pattern.as_bytes(), Units::Bytes, true);
            let outcome = read.and_then(|pattern| pattern.find(b"aaa", 0, &mut 1000));
            assert!(matches!(outcome, Err(Fault::Malformed(_))), "{pattern}: {outcome:?}");
        }
    }

    #[test]
    fn a_pattern_that_would_take_for_ever_runs_out_of_steps() {
        let (text, pattern) = (b"a".repeat(3000), ".-".repeat(20) + "b");
        let pattern = Pattern::read(pattern.as_bytes(), Units::Bytes, true).unwrap();
        assert_eq!(pattern.find(&text, 0, &mut 1_000_000), Err(Fault::Steps));
        let deep = Pattern::read("a-".repeat(400).as_bytes(), Units::Bytes, true).unwrap();
        assert_eq!(deep.find(&text, 0, &mut 1_000_000), Err(Fault::Malformed("pattern too complex")));
    }
}
