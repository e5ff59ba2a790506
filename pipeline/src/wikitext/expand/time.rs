//! Dates: the formats of `#time` (Help:Extension:ParserFunctions, ##time) and the ways of writing a date that
//! templates use most. All in UTC; "now" is the date of the dump.

use super::language::{self, Form};

/// A second, in UTC, by the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since 1970.
    seconds: i64,
}

const DAY: i64 = 86_400;

/// Years that dates are kept within; the wiki's own limit is 9999.
const LATEST: i64 = 9999;

const MONTHS: [&str; 12] = [
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

impl Moment {
    /// Midnight of a day; none where there is no such day.
    pub(super) fn day(year: i64, month: i64, day: i64) -> Option<Moment> {
        let there = (0..=LATEST).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        // A day too many is one of the next month, as in PHP.
        there.then(|| Moment { seconds: days(year, month, day) * DAY })
    }

    /// `2020-01-02T03:04:05Z`, as dumps write it.
    pub(super) fn parse_timestamp(text: &str) -> Option<Moment> {
        let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
        let day = Moment::day(number(0..4)?, number(5..7)?, number(8..10)?)?;
        let clock = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
        Some(Moment { seconds: day.seconds + clock })
    }

    /// A date as templates write it: `2001-01-15`, `15 January 2001`, `Jan 15, 2001`, `20010115143000`, `@979516800`,
    /// `2001`, `now`, `+1 month`, each with a time or without.
    pub(super) fn parse(text: &str, now: Moment) -> Option<Moment> {
        let text = text.trim();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().ok();
        match text.len() {
            0 => return Some(now),
            // Four digits are a year and never a time.
            4 if digits => {
                let (_, month, day) = now.date();
                return Moment::day(number(0..4)?, month, day);
            }
            8 | 14 if digits => {
                let day = Moment::day(number(0..4)?, number(4..6)?, number(6..8)?)?;
                let clock = match text.len() {
                    14 => number(8..10)? * 3600 + number(10..12)? * 60 + number(12..14)?,
                    _ => 0,
                };
                return Some(Moment { seconds: day.seconds + clock });
            }
            _ => {}
        }
        if let Some(seconds) = text.strip_prefix('@').and_then(|seconds| seconds.parse::<i64>().ok()) {
            return (seconds.abs() < 1 << 38).then_some(Moment { seconds });
        }
        Written::read(text)?.moment(now)
    }

    /// Year, month and day.
    pub(super) fn date(self) -> (i64, i64, i64) {
        // Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days.
        let z = self.seconds.div_euclid(DAY) + 719_468;
        let (era, in_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
        let in_year = in_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * in_year + 2) / 153;
        let day = in_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        (year + era * 400 + i64::from(month <= 2), month, day)
    }

    /// 0 for Sunday.
    fn weekday(self) -> i64 {
        (self.seconds.div_euclid(DAY) + 4).rem_euclid(7)
    }

    /// Year and week of ISO 8601.
    fn week(self) -> (i64, i64) {
        // The week belongs to the year of its Thursday.
        let thursday = Moment { seconds: self.seconds + (4 - (self.weekday() + 6) % 7 - 1) * DAY };
        let year = thursday.date().0;
        ((year), (thursday.seconds.div_euclid(DAY) - days(year, 1, 1)) / 7 + 1)
    }

    /// By a format of `#time`, with the names of a language.
    pub(super) fn format(self, format: &str, code: &str) -> String {
        let (year, month, day) = self.date();
        let clock = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        let noon_hour = (hour + 11) % 12 + 1;
        let name = |form| language::month(code, month as u32, form).unwrap_or_else(|| month.to_string());
        let weekday = |short: bool| {
            let name = language::weekday(code, self.weekday() as u32).unwrap_or_default();
            name.chars().take(if short { 3 } else { 9 }).collect::<String>()
        };
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut out, mut raw, mut roman) = (String::new(), false, false);
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            let mut number = |out: &mut String, value: i64, width: usize| {
                if std::mem::take(&mut roman) {
                    out.push_str(&roman_numeral(value));
                } else if raw {
                    out.push_str(&format!("{value:0width$}"));
                } else {
                    out.extend(format!("{value:0width$}").chars().map(|c| language::find(code).digit(c)));
                }
            };
            match c {
                'Y' => number(&mut out, year, 1),
                'y' => number(&mut out, year.rem_euclid(100), 2),
                'o' => number(&mut out, self.week().0, 1),
                'L' => number(&mut out, i64::from(leap), 1),
                'n' => number(&mut out, month, 1),
                'm' => number(&mut out, month, 2),
                'M' => out.push_str(&name(Form::Short)),
                'F' => out.push_str(&name(Form::Plain)),
                'j' => number(&mut out, day, 1),
                'd' => number(&mut out, day, 2),
                'z' => number(&mut out, self.seconds.div_euclid(DAY) - days(year, 1, 1), 1),
                'W' => number(&mut out, self.week().1, 2),
                'N' => number(&mut out, (self.weekday() + 6) % 7 + 1, 1),
                'w' => number(&mut out, self.weekday(), 1),
                'D' => out.push_str(&weekday(true)),
                'l' => out.push_str(&weekday(false)),
                't' => number(&mut out, days(year + month / 12, month % 12 + 1, 1) - days(year, month, 1), 1),
                'a' => out.push_str(if hour < 12 { "am" } else { "pm" }),
                'A' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
                'g' => number(&mut out, noon_hour, 1),
                'h' => number(&mut out, noon_hour, 2),
                'G' => number(&mut out, hour, 1),
                'H' => number(&mut out, hour, 2),
                'i' => number(&mut out, minute, 2),
                's' => number(&mut out, second, 2),
                'U' => number(&mut out, self.seconds, 1),
                'e' | 'T' => out.push_str("UTC"),
                'I' => number(&mut out, 0, 1),
                'O' => out.push_str("+0000"),
                'P' => out.push_str("+00:00"),
                'Z' => number(&mut out, 0, 1),
                'c' => out.push_str(&self.format("Y-m-d\"T\"H:i:s", "").add("+00:00")),
                'r' => out.push_str(&self.format("D, d M Y H:i:s", "en").add(" +0000")),
                'x' => match chars.next() {
                    Some('n') => {
                        // The next number in ASCII.
                        if let Some(next) = chars.next() {
                            out.push_str(&self.format(&next.to_string(), ""));
                        }
                    }
                    Some('N') => raw = !raw,
                    Some('r') => roman = true,
                    Some('g') => out.push_str(&name(Form::Genitive)),
                    Some('x') => out.push('x'),
                    Some(calendar @ ('k' | 'o')) => {
                        // Years of the Thai calendar and of the Republic of China.
                        let shift = if calendar == 'k' { 543 } else { -1911 };
                        match chars.next() {
                            Some('Y') => number(&mut out, year + shift, 1),
                            other => out.extend(other),
                        }
                    }
                    other => out.extend(other),
                },
                '\\' => out.extend(chars.next()),
                '"' => {
                    let rest = chars.as_str();
                    match rest.find('"') {
                        Some(end) => {
                            out.push_str(&rest[..end]);
                            chars = rest[end + 1..].chars();
                        }
                        None => out.push('"'),
                    }
                }
                other => out.push(other),
            }
        }
        out
    }
}

/// `a.add(b)` at the end of a chain.
trait Add {
    fn add(self, more: &str) -> String;
}

impl Add for String {
    fn add(mut self, more: &str) -> String {
        self.push_str(more);
        self
    }
}

/// Days since 1970; a day beyond its month is one of the next.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Hinnant, days_from_civil.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, in_era) = (year.div_euclid(400), year.rem_euclid(400));
    let in_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

fn roman_numeral(value: i64) -> String {
    const SIGNS: [(i64, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..=10_000).contains(&value) {
        return value.to_string();
    }
    let (mut left, mut out) = (value, String::new());
    for (worth, sign) in SIGNS {
        while left >= worth {
            out.push_str(sign);
            left -= worth;
        }
    }
    out
}

/// What a written date says.
#[derive(Default)]
struct Written {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    /// Seconds since midnight.
    clock: Option<i64>,
    /// To add: months, and seconds.
    later: (i64, i64),
}

impl Written {
    /// None where there is something in it that is no part of a date.
    fn read(text: &str) -> Option<Written> {
        let mut written = Written::default();
        let lower = text.to_lowercase().replace(',', " ");
        let mut words = lower.split_whitespace().flat_map(split).peekable();
        while let Some(word) = words.next() {
            if let Some(month) = named(&MONTHS, word) {
                written.month = Some(month + 1);
            } else if word.contains(':') {
                written.clock = Some(clock(word)?);
            } else if word.contains(['-', '/', '.']) && word.starts_with(|c: char| c.is_ascii_digit()) {
                written.date(word)?;
            } else if let Ok(number) = word.trim_start_matches('+').parse::<i64>() {
                let signed = word.starts_with(['+', '-']);
                match words.peek().copied().and_then(unit) {
                    Some((months, seconds)) => {
                        words.next();
                        let sign = if words.next_if_eq(&"ago").is_some() { -1 } else { 1 };
                        // A hundred centuries are enough, and do not overflow.
                        let number = number.clamp(-100_000_000, 100_000_000);
                        written.later.0 += sign * number * months;
                        written.later.1 += sign * number * seconds;
                    }
                    None if signed => return None,
                    None if word.len() >= 3 => written.year = Some(number),
                    None if written.day.is_none() => written.day = Some(number),
                    None => return None,
                }
            } else {
                match word {
                    "now" | "utc" | "gmt" | "z" | "t" | "of" | "st" | "nd" | "rd" | "th" | "at" => {}
                    "today" | "midnight" => written.clock = Some(0),
                    "noon" => written.clock = Some(DAY / 2),
                    "tomorrow" => (written.clock, written.later.1) = (Some(0), written.later.1 + DAY),
                    "yesterday" => (written.clock, written.later.1) = (Some(0), written.later.1 - DAY),
                    "pm" if written.clock.is_some_and(|clock| clock < DAY / 2) => {
                        written.clock = written.clock.map(|clock| clock + DAY / 2);
                    }
                    "am" | "pm" => {}
                    "next" | "last" | "previous" => {
                        let (months, seconds) = words.next().and_then(unit)?;
                        let sign = if word == "next" { 1 } else { -1 };
                        written.later.0 += sign * months;
                        written.later.1 += sign * seconds;
                    }
                    _ => {
                        named(&WEEKDAYS, word)?;
                    }
                }
            }
        }
        Some(written)
    }

    /// `2001-01-15`, `2001-01`, `2001/1/15`, `1/15/2001`, `15.1.2001`.
    fn date(&mut self, word: &str) -> Option<()> {
        let parts: Vec<i64> = word.split(['-', '/', '.']).map(str::parse).collect::<Result<_, _>>().ok()?;
        let year_first = word.find(['-', '/', '.']) == Some(4);
        let (year, month, day) = match parts[..] {
            [year, month, day] if year_first => (year, month, day),
            [year, month] if year_first => (year, month, 1),
            [month, day, year] if word.contains('/') => (year, month, day),
            [day, month, year] => (year, month, day),
            _ => return None,
        };
        (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        Some(())
    }

    fn moment(self, now: Moment) -> Option<Moment> {
        let (year, month, day) = now.date();
        let dated = self.year.is_some() || self.month.is_some() || self.day.is_some();
        // `May 2001` is its first day; `2001` with a day or month missing takes the rest from now.
        let day = self.day.unwrap_or(if self.month.is_some() { 1 } else { day });
        let clock = self.clock.unwrap_or(if dated { 0 } else { now.seconds.rem_euclid(DAY) });
        let months = self.year.unwrap_or(year) * 12 + self.month.unwrap_or(month) - 1 + self.later.0;
        if self.month.is_some_and(|month| !(1..=12).contains(&month)) {
            return None;
        }
        let base = Moment::day(months.div_euclid(12), months.rem_euclid(12) + 1, day)?;
        let seconds = base.seconds + clock + self.later.1;
        let moment = Moment { seconds };
        (0..=LATEST).contains(&moment.date().0).then_some(moment)
    }
}

/// `15th` and `3days` are two words, `2001-01-15t10:00` too.
fn split(word: &str) -> Vec<&str> {
    let end = word.find(|c: char| c.is_alphabetic()).unwrap_or(word.len());
    if end == 0 || end == word.len() {
        return vec![word];
    }
    let (before, after) = word.split_at(end);
    match after.strip_prefix('t').filter(|time| time.starts_with(|c: char| c.is_ascii_digit())) {
        Some(time) => vec![before, time.trim_end_matches('z')],
        None => vec![before, after],
    }
}

/// Place in a list of a name or of its first three letters.
fn named(list: &[&str], word: &str) -> Option<i64> {
    let word = word.trim_end_matches('.');
    let fits = |name: &&str| *name == word || word.len() == 3 && name.starts_with(word) || word == "sept" && *name == "september";
    list.iter().position(fits).map(|place| place as i64)
}

/// Months and seconds of a unit.
fn unit(word: &str) -> Option<(i64, i64)> {
    Some(match word.strip_suffix('s').unwrap_or(word) {
        "year" => (12, 0),
        "month" => (1, 0),
        "fortnight" => (0, 14 * DAY),
        "week" => (0, 7 * DAY),
        "day" => (0, DAY),
        "hour" => (0, 3600),
        "min" | "minute" => (0, 60),
        "sec" | "second" => (0, 1),
        _ => return None,
    })
}

/// Seconds since midnight of `14:30` or `14:30:15`.
fn clock(word: &str) -> Option<i64> {
    let word = word.split('.').next().unwrap_or(word);
    let parts: Vec<i64> = word.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    match parts[..] {
        [hour, minute] if hour < 25 && minute < 60 => Some(hour * 3600 + minute * 60),
        [hour, minute, second] if hour < 25 && minute < 60 && second < 61 => Some(hour * 3600 + minute * 60 + second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Moment {
        Moment::parse_timestamp("2018-02-28T13:05:09Z").unwrap()
    }

    #[track_caller]
    fn check(format: &str, date: &str, wanted: &str) {
        let got = Moment::parse(date, now()).map(|moment| moment.format(format, "en"));
        assert_eq!(got.as_deref(), Some(wanted), "{format} of {date:?}");
    }

    /// Dates of ParserFunctions' own tests (tests/parser/funcsParserTests.txt).
    #[test]
    fn dates_of_the_extensions_tests() {
        check("c", "15 January 2001", "2001-01-15T00:00:00+00:00");
        check("Y", "5 April 1967", "1967");
        check("Y", "28 July 2061", "2061");
        check("Y-m-d H:i", "2011-11-12 23:00 UTC", "2011-11-12 23:00");
        let dutch = Moment::parse("1988-02-28", now()).unwrap().format("d F Y", "nl");
        assert_eq!(dutch, "28 februari 1988");
    }

    /// Examples of the table of codes in Help:Extension:ParserFunctions, at the second they were given for.
    #[test]
    fn codes() {
        for (code, wanted) in [
            ("Y y L o", "2018 18 0 2018"),
            ("n m M F xg", "2 02 Feb February February"),
            ("j d z W N w D l t", "28 28 58 09 3 3 Wed Wednesday 28"),
            ("a A g h G H i s", "pm PM 1 01 13 13 05 09"),
            ("U", "1519823109"),
            ("r", "Wed, 28 Feb 2018 13:05:09 +0000"),
            ("xrY xkY xx", "MMXVIII 2561 x"),
            ("\"Y is\" Y \\Y", "Y is 2018 Y"),
            ("YmdHis", "20180228130509"),
            ("\"open", "\"open"),
        ] {
            check(code, "now", wanted);
        }
        assert_eq!(now().format("j xg Y", "uk"), "28 лютого 2018");
        assert_eq!(now().format("j F, xnY xNdxN", "bn"), "২৮ ফেব্রুয়ারি, 2018 28");
        assert_eq!(now().format("j. F", "ltg"), "28. 2");
    }

    #[test]
    fn dates_as_they_are_written() {
        for (date, wanted) in [
            ("2001-01-15", "2001-01-15 00:00:00"),
            ("2001-1-5", "2001-01-05 00:00:00"),
            ("Jan 15, 2001", "2001-01-15 00:00:00"),
            ("15th of January 2001 14:30", "2001-01-15 14:30:00"),
            ("May 2001", "2001-05-01 00:00:00"),
            ("2001", "2001-02-28 00:00:00"),
            ("1/15/2001", "2001-01-15 00:00:00"),
            ("15.01.2001", "2001-01-15 00:00:00"),
            ("20010115143000", "2001-01-15 14:30:00"),
            ("2001-01-15T14:30:05Z", "2001-01-15 14:30:05"),
            ("@979516800", "2001-01-15 00:00:00"),
            ("2:30 pm 15 January 2001", "2001-01-15 14:30:00"),
            ("2001-01-31 +1 month", "2001-03-03 00:00:00"), // 31 February, as PHP counts
            ("2000-02-28 + 1 day", "2000-02-29 00:00:00"),
            ("2001-01-15 -2 weeks", "2001-01-01 00:00:00"),
            ("yesterday", "2018-02-27 00:00:00"),
            ("3 days ago", "2018-02-25 13:05:09"),
            ("next year", "2019-02-28 13:05:09"),
            ("Monday, 15 January 2001", "2001-01-15 00:00:00"),
            ("0001-01-01", "0001-01-01 00:00:00"),
            ("30 February 2001", "2001-03-02 00:00:00"),
        ] {
            let got = Moment::parse(date, now()).map(|moment| {
                let (year, ..) = moment.date();
                format!("{year:04}-{}", moment.format("m-d H:i:s", ""))
            });
            assert_eq!(got.as_deref(), Some(wanted), "{date}");
        }
        for none in ["x", "15 foo 2001", "2001-13-01", "25:61", "+5", "99999999999999999999", "@99999999999999", "é"] {
            assert_eq!(Moment::parse(none, now()), None, "{none}");
        }
    }

    #[test]
    fn weeks_and_leap_years() {
        for (date, wanted) in [
            ("2005-01-01", "2004-53 0 0 31"),
            ("2008-12-29", "2009-01 1 363 31"),
            ("2000-02-29", "2000-09 1 59 29"),
            ("1900-02-28", "1900-09 0 58 28"),
        ] {
            check("o-W L z t", date, wanted);
        }
    }
}
