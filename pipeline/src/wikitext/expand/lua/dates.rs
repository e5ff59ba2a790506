//! `os.time` and `os.date`, in UTC, the present being the dump's date.

use super::strings::runtime;
use crate::wikitext::expand::time::{DAY, Moment};
use mlua::{IntoLua, Lua, Result, Value};

/// Seconds since 1970 of year, month, day, hour, minute, second; what is out of range carries over, as in C.
pub(super) fn seconds([year, month, day, hour, minute, second]: [f64; 6]) -> f64 {
    let months = (year * 12.0 + month - 1.0).clamp(0.0, 12.0 * 9999.0) as i64;
    let first = Moment::day(months / 12, months % 12 + 1, 1).map_or(0, |moment| moment.seconds);
    first as f64 + (day - 1.0) * DAY as f64 + hour * 3600.0 + minute * 60.0 + second
}

/// By a format of C's `strftime`; a table for `*t`.
pub(super) fn date<'lua>(lua: &'lua Lua, format: &str, at: i64) -> Result<Value<'lua>> {
    let moment = Moment { seconds: at.clamp(-62_167_219_200, 253_402_300_799) };
    let format = format.trim_start_matches('!');
    let in_english = |format: &str| moment.format(format, "en");
    if format.starts_with("*t") {
        let table = lua.create_table()?;
        for (name, format) in [
            ("year", "Y"),
            ("month", "n"),
            ("day", "j"),
            ("hour", "G"),
            ("min", "i"),
            ("sec", "s"),
            ("wday", "w"),
            ("yday", "z"),
        ] {
            let value: i64 = in_english(format).parse().unwrap_or(0);
            table.set(name, value + i64::from(matches!(name, "wday" | "yday")))?;
        }
        table.set("isdst", false)?;
        return Ok(Value::Table(table));
    }
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let format = match chars.next() {
            Some('Y') => "Y",
            Some('y') => "y",
            Some('m') => "m",
            Some('d') => "d",
            Some('e') => "j",
            Some('H') => "H",
            Some('I') => "h",
            Some('M') => "i",
            Some('S') => "s",
            Some('p') => "A",
            Some('A') => "l",
            Some('a') => "D",
            Some('B') => "F",
            Some('b' | 'h') => "M",
            Some('w') => "w",
            Some('V') => "W",
            Some('G') => "o",
            Some('s') => "U",
            Some('Z') => "T",
            Some('z') => "O",
            Some('c') => "D M j H:i:s Y",
            Some('x' | 'D') => "m/d/y",
            Some('X' | 'T') => "H:i:s",
            Some('F') => "Y-m-d",
            Some('R') => "H:i",
            Some('j') => {
                let day: i64 = in_english("z").parse().unwrap_or(0);
                out.push_str(&format!("{:03}", day + 1));
                continue;
            }
            Some('n') => {
                out.push('\n');
                continue;
            }
            Some('t') => {
                out.push('\t');
                continue;
            }
            Some('%') => {
                out.push('%');
                continue;
            }
            _ => return Err(runtime("bad argument #1 to 'date' (invalid conversion specifier)")),
        };
        out.push_str(&in_english(format));
    }
    out.into_lua(lua)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_c_writes_them() {
        let lua = Lua::new();
        // 2018-02-28 13:05:09 UTC, a Wednesday, the 59th day.
        let at = seconds([2018.0, 2.0, 28.0, 13.0, 5.0, 9.0]) as i64;
        assert_eq!(at, 1_519_823_109);
        let text = |format: &str| date(&lua, format, at).unwrap().as_str().unwrap().to_owned();
        assert_eq!(text("!%Y-%m-%d %H:%M:%S %j %a %B %p %%"), "2018-02-28 13:05:09 059 Wed February PM %");
        let Value::Table(table) = date(&lua, "*t", at).unwrap() else { panic!("no table") };
        let number = |name: &str| table.get::<_, i64>(name).unwrap();
        assert_eq!((number("wday"), number("yday"), number("month")), (4, 59, 2));
        assert_eq!(seconds([2018.0, 14.0, 0.0, 0.0, 0.0, 0.0]), seconds([2019.0, 1.0, 31.0, 0.0, 0.0, 0.0]));
    }
}
