//! Moments and the formats of `#time` (Help:Extension:ParserFunctions, ##time). All in UTC.

use super::language;
use super::months::{self, Form};

/// A second, in UTC, by the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since 1970.
    pub(super) seconds: i64,
}

/// Seconds.
pub(super) const DAY: i64 = 86_400;

/// The last year there is, as on the wiki.
pub(super) const LATEST: i64 = 9999;

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
        let thursday = Moment { seconds: self.seconds + (3 - (self.weekday() + 6) % 7) * DAY };
        let year = thursday.date().0;
        (year, (thursday.seconds.div_euclid(DAY) - days(year, 1, 1)) / 7 + 1)
    }

    /// By a format of `#time`, with the names of a language.
    pub(super) fn format(self, format: &str, code: &str) -> String {
        let (year, month, day) = self.date();
        let clock = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
        let noon_hour = (hour + 11) % 12 + 1;
        let name = |form| months::month(code, month as u32, form).unwrap_or_else(|| month.to_string());
        let weekday = |short: bool| {
            let name = months::weekday(code, self.weekday() as u32).unwrap_or_default();
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
                'c' => out.push_str(&format!("{}+00:00", self.format("Y-m-d\"T\"H:i:s", ""))),
                'r' => out.push_str(&format!("{} +0000", self.format("D, d M Y H:i:s", "en"))),
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
            ("Y\"", "2018\""), // a quote nobody closes is itself
        ] {
            check(code, "now", wanted);
        }
        assert_eq!(now().format("j xg Y", "uk"), "28 лютого 2018");
        assert_eq!(now().format("j F, xnY xNdxN", "bn"), "২৮ ফেব্রুয়ারি, 2018 28");
        assert_eq!(now().format("j. F", "ltg"), "28. 2");
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
