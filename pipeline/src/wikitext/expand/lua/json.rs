//! `mw.text.jsonDecode` and `jsonEncode`.

use super::strings::runtime;
use mlua::{IntoLua, Lua, Result, Table, Value};
use serde_json::{Map, Number, Value as Json};

/// Arrays keep their indices from 0.
const PRESERVE_KEYS: u32 = 1;
/// With line breaks.
const PRETTY: u32 = 4;
/// Tables inside tables.
const DEEPEST: usize = 100;

/// A value of Lua from JSON.
pub(super) fn decode<'lua>(lua: &'lua Lua, text: &mlua::String, flags: u32) -> Result<Value<'lua>> {
    let json: Json =
        serde_json::from_slice(text.as_bytes()).map_err(|error| runtime(&format!("mw.text.jsonDecode: {error}")))?;
    value(lua, &json, flags)
}

fn value<'lua>(lua: &'lua Lua, json: &Json, flags: u32) -> Result<Value<'lua>> {
    Ok(match json {
        Json::Null => Value::Nil,
        Json::Bool(is) => Value::Boolean(*is),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => text.as_str().into_lua(lua)?,
        Json::Array(values) => {
            let table = lua.create_table()?;
            let first = if flags & PRESERVE_KEYS == 0 { 1 } else { 0 };
            for (i, inner) in values.iter().enumerate() {
                table.raw_set(i + first, value(lua, inner, flags)?)?;
            }
            Value::Table(table)
        }
        Json::Object(values) => {
            let table = lua.create_table()?;
            for (key, inner) in values {
                let inner = value(lua, inner, flags)?;
                match key.parse::<i32>() {
                    Ok(number) if number.to_string() == *key => table.raw_set(number, inner)?,
                    _ => table.raw_set(key.as_str(), inner)?,
                }
            }
            Value::Table(table)
        }
    })
}

/// JSON of a value; the keys of objects are in order.
pub(super) fn encode(value: Value, flags: u32) -> Result<String> {
    let json = json(&value, flags, 0)?;
    let written = if flags & PRETTY == 0 { serde_json::to_string(&json) } else { serde_json::to_string_pretty(&json) };
    written.map_err(|error| runtime(&format!("mw.text.jsonEncode: {error}")))
}

fn json(value: &Value, flags: u32, depth: usize) -> Result<Json> {
    Ok(match value {
        Value::Nil => Json::Null,
        Value::Boolean(is) => Json::Bool(*is),
        Value::Integer(number) => Json::from(*number),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Json::from(*number as i64),
        Value::Number(number) => {
            let number = Number::from_f64(*number).ok_or_else(|| runtime("mw.text.jsonEncode: no finite number"))?;
            Json::Number(number)
        }
        Value::String(text) => Json::String(text.to_string_lossy().into_owned()),
        Value::Table(_) if depth == DEEPEST => return Err(runtime("mw.text.jsonEncode: recursion is too deep")),
        Value::Table(table) => object(table, flags, depth)?,
        other => return Err(runtime(&format!("mw.text.jsonEncode: cannot encode type '{}'", other.type_name()))),
    })
}

fn object(table: &Table, flags: u32, depth: usize) -> Result<Json> {
    let first = if flags & PRESERVE_KEYS == 0 { 1 } else { 0 };
    let pairs: Vec<(Value, Value)> = table.clone().pairs().collect::<Result<_>>()?;
    let length = table.raw_len();
    if first == 1 && pairs.len() == length {
        let inner = (1..=length).map(|i| json(&table.raw_get(i)?, flags, depth + 1));
        return Ok(Json::Array(inner.collect::<Result<_>>()?));
    }
    let mut sorted: Vec<(String, Json)> = Vec::with_capacity(pairs.len());
    for (key, inner) in &pairs {
        let key = match key {
            Value::String(text) => text.to_string_lossy().into_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            other => {
                return Err(runtime(&format!("mw.text.jsonEncode: cannot use type '{}' as key", other.type_name())));
            }
        };
        sorted.push((key, json(inner, flags, depth + 1)?));
    }
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Json::Object(sorted.into_iter().collect::<Map<_, _>>()))
}
