//! Dates as templates write them: the ways PHP's `strtotime` reads that are used most. "Now" is the date of the dump.

use super::time::{DAY, LATEST, Moment};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

impl Moment {
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
        let lower = text.to_lowercase().replace(',', " ").replace("+ ", "+").replace(" - ", " -");
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
                        written.add(sign * number * months, sign * number * seconds);
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
                    "tomorrow" | "yesterday" => {
                        written.clock = Some(0);
                        written.add(0, if word == "tomorrow" { DAY } else { -DAY });
                    }
                    "pm" if written.clock.is_some_and(|clock| clock < DAY / 2) => {
                        written.clock = written.clock.map(|clock| clock + DAY / 2);
                    }
                    "am" | "pm" => {}
                    "next" | "last" | "previous" => {
                        let (months, seconds) = words.next().and_then(unit)?;
                        let sign = if word == "next" { 1 } else { -1 };
                        written.add(sign * months, sign * seconds);
                    }
                    _ => {
                        named(&WEEKDAYS, word)?;
                    }
                }
            }
        }
        Some(written)
    }

    fn add(&mut self, months: i64, seconds: i64) {
        self.later = (self.later.0.saturating_add(months), self.later.1.saturating_add(seconds));
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
        let (year, month) = (self.year.unwrap_or(year), self.month.unwrap_or(month));
        if !(0..=LATEST).contains(&year) || !(1..=12).contains(&month) {
            return None;
        }
        let months = (year * 12 + month - 1).saturating_add(self.later.0);
        let base = Moment::day(months.div_euclid(12), months.rem_euclid(12) + 1, day)?;
        let moment = Moment { seconds: (base.seconds + clock).saturating_add(self.later.1) };
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
    let fits = |name: &&str| {
        *name == word || word.len() == 3 && name.starts_with(word) || word == "sept" && *name == "september"
    };
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
    let (hour, minute, second) = match parts[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let there = (0..25).contains(&hour) && (0..60).contains(&minute) && (0..61).contains(&second);
    there.then(|| hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_they_are_written() {
        let now = Moment::parse_timestamp("2018-02-28T13:05:09Z").unwrap();
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
            let got = Moment::parse(date, now).map(|moment| {
                let (year, ..) = moment.date();
                format!("{year:04}-{}", moment.format("m-d H:i:s", ""))
            });
            assert_eq!(got.as_deref(), Some(wanted), "{date}");
        }
        for none in [
            "x",
            "15 foo 2001",
            "2001-13-01",
            "25:61",
            "+5",
            "99999999999999999999",
            "-9999999999999999:30",
            "999999999999999999",
            "+999999999 years",
            "@99999999999999",
            "é",
        ] {
            assert_eq!(Moment::parse(none, now), None, "{none}");
        }
    }
}
