//! `string` and `mw.ustring` where Lua's own functions count nothing or know no characters.

use super::budget::{Budget, Stop};
use super::pattern::{Capture, Fault, Match, Pattern, Units};
use mlua::{Error, IntoLua, Lua, MultiValue, Result, Table, Value};
use std::rc::Rc;
use unicode_normalization::UnicodeNormalization;

/// Bytes looked through that count as an instruction.
const BYTES: usize = 64;
/// Longest text that is made by repeating.
const LONGEST: usize = 64 << 20;

type Text<'lua> = mlua::String<'lua>;

/// The functions of `string` (or of `mw.ustring`, by `units`) that take patterns.
pub(super) fn with_patterns<'lua>(lua: &'lua Lua, budget: &Rc<Budget>, units: Units) -> Result<Table<'lua>> {
    let table = lua.create_table()?;
    for (name, whole) in [("find", true), ("match", false)] {
        let budget = budget.clone();
        let f = move |lua, (text, pattern, first, plain): (Text, Text, Option<f64>, Value)| {
            let (bytes, pattern) = (text.as_bytes(), pattern.as_bytes());
            let from = offset(bytes, first.unwrap_or(1.0), units).min(bytes.len());
            let literal = whole && (truthy(&plain) || !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte)));
            let found = match literal {
                true => {
                    budget.charge((bytes.len() / BYTES) as u64)?;
                    let at = find_bytes(&bytes[from..], pattern).map(|at| at + from);
                    at.map(|begin| Match { begin, end: begin + pattern.len(), captures: Vec::new() })
                }
                false => {
                    let pattern = read(pattern, units, true)?;
                    counted(&budget, |steps| pattern.find(bytes, from, steps))?
                }
            };
            let Some(found) = found else { return Ok(MultiValue::from_vec(vec![Value::Nil])) };
            let mut out = Vec::new();
            if whole {
                out.push(Value::Number((index(bytes, found.begin, units) + 1) as f64));
                out.push(Value::Number(index(bytes, found.end, units) as f64));
            }
            if !whole || !found.captures.is_empty() {
                out.extend(captures(lua, bytes, &found, units)?);
            }
            Ok(MultiValue::from_vec(out))
        };
        table.set(name, lua.create_function(f)?)?;
    }
    let of = budget.clone();
    table.set("gsub", lua.create_function(move |lua, arguments| substitute(lua, &of, units, arguments))?)?;
    Ok(table)
}

/// `string.rep`.
pub(super) fn repeat<'lua>(lua: &'lua Lua, budget: &Budget, (text, count): (Text, f64)) -> Result<Text<'lua>> {
    let (bytes, count) = (text.as_bytes(), count.max(0.0) as usize);
    let length = bytes.len().saturating_mul(count);
    if length > LONGEST {
        return Err(budget.end(Stop::Memory));
    }
    budget.charge((length / BYTES) as u64)?;
    lua.create_string(if bytes.is_empty() { Vec::new() } else { bytes.repeat(count) })
}

/// One step of `gmatch` from the byte `at` (from 1): where the next step begins, then the captures; nothing at the end.
pub(super) fn next_match<'lua>(
    lua: &'lua Lua,
    budget: &Budget,
    (text, pattern, at, characters): (Text<'lua>, Text<'lua>, usize, bool),
) -> Result<MultiValue<'lua>> {
    let units = if characters { Units::Characters } else { Units::Bytes };
    let bytes = text.as_bytes();
    if at > bytes.len() + 1 {
        return Ok(MultiValue::new());
    }
    let pattern = read(pattern.as_bytes(), units, false)?;
    let Some(found) = counted(budget, |steps| pattern.find(bytes, at - 1, steps))? else {
        return Ok(MultiValue::new());
    };
    let next = match found.end > found.begin {
        true => found.end,
        false => units.at(bytes, found.end).map_or(bytes.len() + 1, |(_, after)| after),
    };
    let mut out = vec![Value::Number((next + 1) as f64)];
    out.extend(captures(lua, bytes, &found, units)?);
    Ok(MultiValue::from_vec(out))
}

/// `mw.text.trim`: without the units of a set (`[ \n]`) at both ends.
pub(super) fn trim<'lua>(lua: &'lua Lua, budget: &Budget, (text, set): (Text, Text)) -> Result<Text<'lua>> {
    let bytes = text.as_bytes();
    budget.charge((bytes.len() / BYTES) as u64)?;
    let pattern = read(set.as_bytes(), Units::Characters, false)?;
    lua.create_string(pattern.trim(bytes))
}

/// The functions of `mw.ustring` that take no pattern.
pub(super) fn of_characters(lua: &Lua, table: &Table, budget: &Rc<Budget>) -> Result<()> {
    let add = |name: &str, f: fn(&str) -> String| {
        let budget = budget.clone();
        let f = move |_, text: Text| {
            budget.charge((text.as_bytes().len() / BYTES) as u64)?;
            Ok(f(&text.to_string_lossy()))
        };
        table.set(name, lua.create_function(f)?)
    };
    add("lower", str::to_lowercase)?;
    add("upper", str::to_uppercase)?;
    add("toNFC", |text| text.nfc().collect())?;
    add("toNFD", |text| text.nfd().collect())?;
    add("toNFKC", |text| text.nfkc().collect())?;
    add("toNFKD", |text| text.nfkd().collect())?;
    table.set("isutf8", lua.create_function(|_, text: Text| Ok(text.to_str().is_ok()))?)?;
    let of = budget.clone();
    let length = move |_, text: Text| {
        let bytes = text.as_bytes();
        of.charge((bytes.len() / BYTES) as u64)?;
        Ok(index(bytes, bytes.len(), Units::Characters) as f64)
    };
    table.set("len", lua.create_function(length)?)?;
    let of = budget.clone();
    let part = move |lua: &Lua, (text, first, last): (Text, Option<f64>, Option<f64>)| {
        let bytes = text.as_bytes();
        of.charge((bytes.len() / BYTES) as u64)?;
        let (begin, end) = range(bytes, first.unwrap_or(1.0), last.unwrap_or(-1.0));
        Ok(lua.create_string(&bytes[begin..end])?.to_string_lossy().into_owned())
    };
    table.set("sub", lua.create_function(part)?)?;
    let of = budget.clone();
    let points = move |_, (text, first, last): (Text, Option<f64>, Option<f64>)| {
        let bytes = text.as_bytes();
        of.charge((bytes.len() / BYTES) as u64)?;
        let first = first.unwrap_or(1.0);
        let (mut at, end) = range(bytes, first, last.unwrap_or(first));
        let mut out = Vec::new();
        while at < end
            && let Some((unit, after)) = Units::Characters.at(bytes, at)
        {
            if out.len() == 7000 {
                return Err(runtime("string slice too long"));
            }
            out.push(Value::Number(f64::from(unit)));
            at = after;
        }
        Ok(MultiValue::from_vec(out))
    };
    table.set("codepoint", lua.create_function(points)?)?;
    let characters = |_, points: MultiValue| {
        let mut out = String::new();
        for point in points {
            let number = match point {
                Value::Integer(number) => number as f64,
                Value::Number(number) => number,
                _ => return Err(runtime("bad argument to 'char' (number expected)")),
            };
            out.push(
                char::from_u32(number as u32).ok_or_else(|| runtime("bad argument to 'char' (value out of range)"))?,
            );
        }
        Ok(out)
    };
    table.set("char", lua.create_function(characters)?)?;
    let place = |_, (text, wanted, from): (Text, Option<f64>, Option<f64>)| {
        let bytes = text.as_bytes();
        let at = offset(bytes, from.unwrap_or(1.0), Units::Bytes).min(bytes.len());
        let start = index(bytes, at, Units::Characters) as f64;
        let wanted = start + wanted.unwrap_or(1.0);
        let all = index(bytes, bytes.len(), Units::Characters) as f64;
        Ok((1.0..=all).contains(&wanted).then(|| (offset(bytes, wanted, Units::Characters) + 1) as f64))
    };
    table.set("byteoffset", lua.create_function(place)?)
}

fn substitute<'lua>(
    lua: &'lua Lua,
    budget: &Budget,
    units: Units,
    (text, pattern, by, most): (Text<'lua>, Text<'lua>, Value<'lua>, Option<f64>),
) -> Result<(Text<'lua>, f64)> {
    let (text, pattern) = (text.as_bytes(), read(pattern.as_bytes(), units, true)?);
    let most = most.map_or(u64::MAX, |most| most.max(0.0) as u64);
    let template = match &by {
        Value::String(_) | Value::Number(_) | Value::Integer(_) => lua.coerce_string(by.clone())?,
        Value::Table(_) | Value::Function(_) => None,
        other => {
            let found = other.type_name();
            return Err(runtime(&format!("bad argument #3 to 'gsub' (string/function/table expected, got {found})")));
        }
    };
    let (mut out, mut at, mut done) = (Vec::with_capacity(text.len()), 0, 0);
    while done < most {
        let Some(found) = counted(budget, |steps| pattern.find(text, at, steps))? else { break };
        out.extend_from_slice(&text[at..found.begin]);
        done += 1;
        let whole = &text[found.begin..found.end];
        if let Some(template) = &template {
            fill(&mut out, template.as_bytes(), text, &found, units)?;
        } else {
            let mut given = captures(lua, text, &found, units)?;
            let value = match &by {
                Value::Table(table) => table.get::<_, Value>(given.swap_remove(0))?,
                Value::Function(f) => f.call::<_, Value>(MultiValue::from_vec(given))?,
                _ => unreachable!("looked at above"),
            };
            match value {
                Value::Nil | Value::Boolean(false) => out.extend_from_slice(whole),
                Value::String(_) | Value::Number(_) | Value::Integer(_) => {
                    out.extend_from_slice(lua.coerce_string(value)?.expect("a string").as_bytes());
                }
                other => return Err(runtime(&format!("invalid replacement value (a {})", other.type_name()))),
            }
        }
        if out.len() > LONGEST {
            return Err(budget.end(Stop::Memory));
        }
        budget.charge((whole.len() / BYTES) as u64 + 1)?;
        at = found.end;
        if found.end == found.begin {
            let Some((_, after)) = units.at(text, at) else {
                at = text.len();
                break;
            };
            out.extend_from_slice(&text[at..after]);
            at = after;
        }
        if pattern.anchored {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
    Ok((lua.create_string(out)?, done as f64))
}

/// Writes a replacement: `%1` is a capture, `%0` all of it.
fn fill(out: &mut Vec<u8>, template: &[u8], text: &[u8], found: &Match, units: Units) -> Result<()> {
    let mut bytes = template.iter();
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(digit @ b'0'..=b'9') => {
                let number = usize::from(digit - b'0');
                let whole = Capture::Text(found.begin, found.end);
                let capture = match number {
                    0 => whole,
                    1 if found.captures.is_empty() => whole,
                    _ => *found.captures.get(number - 1).ok_or_else(|| runtime("invalid capture index"))?,
                };
                match capture {
                    Capture::Text(begin, end) => out.extend_from_slice(&text[begin..end]),
                    Capture::Position(at) | Capture::Open(at) => {
                        out.extend_from_slice((index(text, at, units) + 1).to_string().as_bytes());
                    }
                }
            }
            Some(other) => out.push(*other),
            None => return Err(runtime("invalid use of '%' in replacement string")),
        }
    }
    Ok(())
}

/// What a match captured, or all of it where it captured nothing.
fn captures<'lua>(lua: &'lua Lua, text: &[u8], found: &Match, units: Units) -> Result<Vec<Value<'lua>>> {
    if found.captures.is_empty() {
        return Ok(vec![lua.create_string(&text[found.begin..found.end])?.into_lua(lua)?]);
    }
    let value = |capture: &Capture| match *capture {
        Capture::Text(begin, end) => lua.create_string(&text[begin..end])?.into_lua(lua),
        Capture::Position(at) | Capture::Open(at) => Ok(Value::Number((index(text, at, units) + 1) as f64)),
    };
    found.captures.iter().map(value).collect()
}

fn read(pattern: &[u8], units: Units, anchors: bool) -> Result<Pattern> {
    Pattern::read(pattern, units, anchors).map_err(|fault| match fault {
        Fault::Malformed(message) => runtime(message),
        Fault::Steps => unreachable!("reading takes no steps"),
    })
}

/// What a search finds; each of its steps counts as an instruction.
fn counted<T>(budget: &Budget, search: impl FnOnce(&mut u64) -> std::result::Result<T, Fault>) -> Result<T> {
    let given = budget.left();
    let mut steps = given;
    let found = search(&mut steps);
    match found {
        Err(Fault::Steps) => Err(budget.end(Stop::Instructions)),
        Err(Fault::Malformed(message)) => Err(runtime(message)),
        Ok(found) => budget.charge(given - steps).map(|()| found),
    }
}

/// The byte where the unit `position` (from 1, from the end where negative) begins.
fn offset(bytes: &[u8], position: f64, units: Units) -> usize {
    let all = if position < 0.0 { index(bytes, bytes.len(), units) as f64 } else { 0.0 };
    let before = if position < 0.0 { (all + position).max(0.0) } else { (position - 1.0).max(0.0) } as usize;
    match units {
        Units::Bytes => before,
        Units::Characters => {
            let mut at = 0;
            for _ in 0..before {
                match units.at(bytes, at) {
                    Some((_, after)) => at = after,
                    None => return bytes.len() + 1,
                }
            }
            at
        }
    }
}

/// Units before the byte `at`.
fn index(bytes: &[u8], at: usize, units: Units) -> usize {
    match units {
        Units::Bytes => at,
        Units::Characters => bytes[..at].iter().filter(|byte| **byte & 0xC0 != 0x80).count(),
    }
}

/// Bytes from the character `first` to `last`, both inside.
fn range(bytes: &[u8], first: f64, last: f64) -> (usize, usize) {
    let units = Units::Characters;
    let begin = offset(bytes, if first == 0.0 { 1.0 } else { first }, units).min(bytes.len());
    let all = index(bytes, bytes.len(), units) as f64;
    let last = if last < 0.0 { all + last + 1.0 } else { last.min(all) };
    let end = if last < 1.0 { 0 } else { offset(bytes, last + 1.0, units).min(bytes.len()) };
    (begin, end.max(begin))
}

fn find_bytes(text: &[u8], wanted: &[u8]) -> Option<usize> {
    match wanted.first() {
        None => Some(0),
        Some(first) => {
            let last = text.len().checked_sub(wanted.len())?;
            let begins = (0..=last).filter(|at| text[*at] == *first);
            begins.into_iter().find(|at| text[*at..].starts_with(wanted))
        }
    }
}

fn truthy(value: &Value) -> bool {
    !matches!(value, Value::Nil | Value::Boolean(false))
}

pub(super) fn runtime(message: &str) -> Error {
    Error::RuntimeError(message.to_owned())
}
