//! Functions of the prelude that need nothing of the page: entities, addresses, numbers, dates, names of languages.

use super::budget::Budget;
use super::pattern::Units;
use super::strings::{self, runtime};
use super::{dates, json};
use crate::wikitext::entities;
use crate::wikitext::expand::{functions::encoded, language, numbers};
use mlua::{ChunkMode, Lua, MultiValue, Result, Table, Value};
use std::rc::Rc;
use tongues_languages::profile::{self, Direction};

type Text<'lua> = mlua::String<'lua>;

/// All of them.
pub(super) fn table<'lua>(lua: &'lua Lua, budget: &Rc<Budget>) -> Result<Table<'lua>> {
    let native = lua.create_table()?;
    let string = strings::with_patterns(lua, budget, Units::Bytes)?;
    let of = budget.clone();
    string.set("rep", lua.create_function(move |lua, arguments| strings::repeat(lua, &of, arguments))?)?;
    native.set("string", string)?;
    let ustring = strings::with_patterns(lua, budget, Units::Characters)?;
    strings::of_characters(lua, &ustring, budget)?;
    native.set("ustring", ustring)?;
    let of = budget.clone();
    native.set("next_match", lua.create_function(move |lua, arguments| strings::next_match(lua, &of, arguments))?)?;
    let of = budget.clone();
    native.set("trim", lua.create_function(move |lua, arguments| strings::trim(lua, &of, arguments))?)?;
    let of = budget.clone();
    native.set("charge", lua.create_function(move |_, count: f64| of.charge(count as u64))?)?;
    let of = budget.clone();
    native.set("stopped", lua.create_function(move |_, ()| Ok(of.stop().is_some()))?)?;
    native.set("message", lua.create_function(|_, error: Value| Ok(message(&error)))?)?;
    native.set("compile", lua.create_function(compile)?)?;
    texts(lua, &native, budget)?;
    native
        .set("json_decode", lua.create_function(|lua, (text, flags): (Text, u32)| json::decode(lua, &text, flags))?)?;
    native.set("json_encode", lua.create_function(|_, (value, flags): (Value, u32)| json::encode(value, flags))?)?;
    native.set("time", lua.create_function(|_, parts: [f64; 6]| Ok(dates::seconds(parts)))?)?;
    native
        .set("date", lua.create_function(|lua, (format, at): (String, f64)| dates::date(lua, &format, at as i64))?)?;
    languages(lua, &native)?;
    Ok(native)
}

/// A function made of source, never of bytecode, or nothing and what is wrong.
fn compile<'lua>(lua: &'lua Lua, (source, name): (Text<'lua>, String)) -> Result<MultiValue<'lua>> {
    let chunk = lua.load(source.as_bytes()).set_name(format!("={name}")).set_mode(ChunkMode::Text);
    Ok(match chunk.into_function() {
        Ok(function) => MultiValue::from_vec(vec![Value::Function(function)]),
        Err(error @ mlua::Error::MemoryError(_)) => return Err(error),
        Err(error) => {
            let said = first_line(&error.to_string());
            MultiValue::from_vec(vec![Value::Nil, Value::String(lua.create_string(said)?)])
        }
    })
}

/// What an error says, without the places it went through.
fn message(error: &Value) -> String {
    match error {
        Value::Error(error) => first_line(&cause(error)),
        Value::String(text) => text.to_string_lossy().into_owned(),
        other => other.type_name().to_owned(),
    }
}

fn cause(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause: inner, .. } => cause(inner),
        other => other.to_string(),
    }
}

fn first_line(text: &str) -> String {
    let text = ["runtime error: ", "syntax error: "].iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or(text);
    text.lines().next().unwrap_or_default().to_owned()
}

fn texts(lua: &Lua, native: &Table, budget: &Rc<Budget>) -> Result<()> {
    let of = budget.clone();
    let encode = move |_, (text, set): (Text, Option<Text>)| {
        of.charge(text.as_bytes().len() as u64 / 8)?;
        let set = set.map(|set| set.to_string_lossy().into_owned());
        Ok(encode_entities(&text.to_string_lossy(), set.as_deref()))
    };
    native.set("encode_entities", lua.create_function(encode)?)?;
    let of = budget.clone();
    let decode = move |_, (text, all): (Text, Option<bool>)| {
        of.charge(text.as_bytes().len() as u64 / 8)?;
        Ok(decode_entities(&text.to_string_lossy(), all.unwrap_or(false)))
    };
    native.set("decode_entities", lua.create_function(decode)?)?;
    native.set("string_of", lua.create_function(|_, text: Text| Ok(text))?)?;
    let encode = |_, (text, how): (Text, String)| Ok(encoded(&text.to_string_lossy(), &how));
    native.set("url_encode", lua.create_function(encode)?)?;
    let decode = |lua: &'_ Lua, (text, how): (Text, String)| {
        Ok(lua.create_string(url_decode(text.as_bytes(), &how))?.to_string_lossy().into_owned())
    };
    native.set("url_decode", lua.create_function(decode)?)
}

fn languages(lua: &Lua, native: &Table) -> Result<()> {
    let format = |_, (text, code, plain): (String, String, bool)| {
        Ok(if plain { numbers::digits(&text, &code) } else { numbers::formatted(&text, &code) })
    };
    native.set("format_number", lua.create_function(format)?)?;
    let parse = |_, (text, code): (String, String)| Ok(numbers::plain(&text, &code));
    native.set("parse_number", lua.create_function(parse)?)?;
    let plural = |_, (code, number): (String, f64)| Ok(language::plural(&code, number).min(usize::from(u8::MAX)));
    native.set("plural", lua.create_function(plural)?)?;
    let name = |_, (code, inside): (String, Option<String>)| Ok(language_name(&code, inside.as_deref()));
    native.set("language_name", lua.create_function(name)?)?;
    let right = |_, code: String| Ok(right_to_left(&code));
    native.set("right_to_left", lua.create_function(right)?)
}

/// The name of a language by its Wikipedia's code, in English where that is asked for, else in itself; empty where
/// nobody knows it.
fn language_name(code: &str, inside: Option<&str>) -> String {
    let Some(profile) = profile::for_wikipedia(code) else { return String::new() };
    match (&profile.autonym, inside) {
        (Some(autonym), inside) if inside != Some("en") => autonym.clone(),
        _ => profile.name.clone(),
    }
}

fn right_to_left(code: &str) -> bool {
    profile::for_wikipedia(code).is_some_and(|profile| profile.direction == Direction::RightToLeft)
}

/// `<` to `&lt;`; other characters of `set` to their numbers.
fn encode_entities(text: &str, set: Option<&str>) -> String {
    let wanted: Vec<char> = set.unwrap_or("<>&\"'\u{a0}").chars().filter(|c| *c != '%').collect();
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            c if !wanted.contains(&c) => out.push(c),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#039;"),
            '\u{a0}' => out.push_str("&nbsp;"),
            c => out.push_str(&format!("&#{};", c as u32)),
        }
    }
    out
}

/// References to what they stand for; names beyond the commonest five only where all are asked for.
fn decode_entities(text: &str, all: bool) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let common = ["&#", "&lt;", "&gt;", "&amp;", "&quot;"].iter().any(|begin| rest.starts_with(begin));
        let (shown, length) = match entities::decode(rest) {
            _ if rest.starts_with("&nbsp;") => ("\u{a0}".into(), 6),
            Some(found) if common || all => found,
            _ => ("&".into(), 1),
        };
        out.push_str(&shown);
        rest = &rest[length..];
    }
    out + rest
}

fn url_decode(text: &[u8], how: &str) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        let hexadecimal = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match text[at] {
            b'%' => match hexadecimal.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    out.push(byte);
                    at += 2;
                }
                None => out.push(b'%'),
            },
            b'+' if how == "QUERY" => out.push(b' '),
            b'_' if how == "WIKI" => out.push(b' '),
            byte => out.push(byte),
        }
        at += 1;
    }
    out
}

/// An error for the module to see.
pub(super) fn refuse<T>(message: String) -> Result<T> {
    Err(runtime(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_both_ways() {
        assert_eq!(encode_entities("a<b>&\"'\u{a0}ā", None), "a&lt;b&gt;&amp;&quot;&#039;&nbsp;ā");
        assert_eq!(encode_entities("a[ā", Some("[ā")), "a&#91;&#257;");
        assert_eq!(decode_entities("&lt;&#65;&nbsp;&hellip;&x", false), "<A\u{a0}&hellip;&x");
        assert_eq!(decode_entities("&hellip;", true), "…");
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(url_decode(b"a+b_%C4%81%2", "QUERY"), "a b_ā%2".as_bytes());
        assert_eq!(url_decode(b"a+b_", "WIKI"), b"a+b ");
    }

    #[test]
    fn languages_have_names() {
        assert_eq!(language_name("ltg", Some("en")), "Latgalian");
        assert_eq!(language_name("nothing", None), "");
        assert!(right_to_left("he") && !right_to_left("ltg"));
    }
}
