//! What a running module asks of the page and its wiki: arguments, titles, sources, wikitext to expand.

use super::budget::Stop;
use super::natives::refuse;
use super::strings::runtime;
use crate::wikitext::expand::expression::evaluate;
use crate::wikitext::expand::time::Moment;
use crate::wikitext::expand::tree::{Body, Span};
use crate::wikitext::expand::{Argument, Arguments, Expanded, Expander, Frame, numbers};
use crate::wikitext::site::{MODULE, TEMPLATE};
use crate::wikitext::tags;
use crate::wikitext::title::{Title, capital};
use mlua::{FromLua, IntoLua, Lua, MultiValue, Result, Table, Value};
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

/// Frames that a call may make.
const CHILDREN: usize = 10_000;

/// A call of a module that is running.
pub(super) struct Host<'h, 'e> {
    expander: RefCell<&'h mut Expander<'e>>,
    /// Of the call.
    frame: &'h Frame<'h>,
    children: RefCell<Vec<Child>>,
}

/// A frame that the module made.
struct Child {
    title: Option<Title>,
    arguments: Rc<Arguments>,
}

/// Numbers of frames; those from here on are children.
const PARENT: usize = 1;
const FIRST_CHILD: usize = 2;

impl<'h, 'e> Host<'h, 'e> {
    pub(super) fn new(expander: &'h mut Expander<'e>, frame: &'h Frame<'h>) -> Host<'h, 'e> {
        Host { expander: RefCell::new(expander), frame, children: RefCell::default() }
    }

    /// Answers a question of the prelude, its name first.
    pub(super) fn ask<'lua>(&self, lua: &'lua Lua, mut asked: MultiValue<'lua>) -> Result<Value<'lua>> {
        let mut next = || asked.pop_front().unwrap_or(Value::Nil);
        let Value::String(question) = next() else { return refuse("no question".to_owned()) };
        let mut expander = self.expander.try_borrow_mut().map_err(|_| runtime("the call has ended"))?;
        let site = expander.site;
        let question = question.to_string_lossy().into_owned();
        match question.as_str() {
            "argument" => {
                let (frame, name) = (number(lua, next())?, text(lua, next())?);
                let value = self.argument(&mut expander, frame, &name);
                self.answer(&mut expander, value)?.into_lua(lua)
            }
            "names" => {
                let frame = number(lua, next())?;
                let names: Vec<String> = self.arguments(frame).keys().cloned().collect();
                names.into_lua(lua)
            }
            "has_parent" => true.into_lua(lua),
            "frame_title" => {
                let title = self.with_frame(number(lua, next())?, |frame| frame.title.cloned());
                title.unwrap_or_else(|| expander.title.clone()).full(site).into_lua(lua)
            }
            "child" => {
                let title: Option<String> = Option::from_lua(next(), lua)?;
                let arguments = Rc::new(given(Table::from_lua(next(), lua)?)?);
                let title = title.and_then(|title| Title::read(&title, 0, site));
                let mut children = self.children.borrow_mut();
                if children.len() == CHILDREN {
                    return refuse("too many frames".to_owned());
                }
                children.push(Child { title, arguments });
                (FIRST_CHILD + children.len() - 1).into_lua(lua)
            }
            "preprocess" => {
                let (frame, source) = (number(lua, next())?, text(lua, next())?);
                let value = self.preprocess(&mut expander, frame, &source);
                self.answer(&mut expander, value)?.into_lua(lua)
            }
            "template" => {
                let (_, name) = (number(lua, next())?, text(lua, next())?);
                let arguments = given(Table::from_lua(next(), lua)?)?;
                let value = self.template(&mut expander, &name, arguments);
                match self.answer(&mut expander, value)? {
                    Some(text) => text.into_lua(lua),
                    None => refuse(format!("frame:expandTemplate: template \"{name}\" does not exist")),
                }
            }
            "function" => {
                let (_, name) = (number(lua, next())?, text(lua, next())?);
                let (numbered, named) = (Table::from_lua(next(), lua)?, Table::from_lua(next(), lua)?);
                let parts = parts(&name, numbered, named)?;
                let value = self.function(&mut expander, &parts);
                match self.answer(&mut expander, value)? {
                    Some(text) => text.into_lua(lua),
                    None => refuse(format!("callParserFunction: function \"{name}\" was not found")),
                }
            }
            "tag" => {
                let (name, content) = (text(lua, next())?, text(lua, next())?);
                element(&name, &content, Table::from_lua(next(), lua)?)?.into_lua(lua)
            }
            "module" => {
                let name = text(lua, next())?;
                let title = Title::read(&name, 0, site).filter(|title| title.namespace == MODULE);
                let found = title.and_then(|title| Some((title.full(site), expander.templates.module(&title.name)?)));
                match found {
                    Some((full, source)) => {
                        let pair = lua.create_table()?;
                        pair.raw_set(1, full)?;
                        pair.raw_set(2, source)?;
                        Ok(Value::Table(pair))
                    }
                    None => Ok(Value::Nil),
                }
            }
            "title" => {
                let name = text(lua, next())?;
                let namespace: Option<i32> = Option::from_lua(next(), lua)?;
                let fragment = name.split_once('#').map(|(_, fragment)| fragment.replace('_', " "));
                let title = Title::read(&name, namespace.unwrap_or(0), site);
                self.titled(lua, &expander, title, fragment)
            }
            "make_title" => {
                let (namespace, name) = (i32::from_lua(next(), lua)?, text(lua, next())?);
                let plain = Title::read(&format!(":{name}"), 0, site).is_some() || site.namespace_of(&name) != 0;
                let title = Title { namespace, name: capital(&name.replace('_', " ")).into_owned() };
                self.titled(lua, &expander, (plain && !name.is_empty()).then_some(title), None)
            }
            "current_title" => {
                let title = expander.title.clone();
                self.titled(lua, &expander, Some(title), None)
            }
            "namespace" => {
                let name = text(lua, next())?;
                let number = match site.namespace_of(&format!("{name}:")) {
                    0 if !name.is_empty() && !name.eq_ignore_ascii_case("main") => name.parse().ok(),
                    number => Some(number),
                };
                number.into_lua(lua)
            }
            "namespace_name" => site.namespace_name(i32::from_lua(next(), lua)?).into_lua(lua),
            "exists" => {
                let title = Title { namespace: i32::from_lua(next(), lua)?, name: text(lua, next())? };
                expander.templates.exists(&title).into_lua(lua)
            }
            "redirect" => {
                let title = Title { namespace: i32::from_lua(next(), lua)?, name: text(lua, next())? };
                let target =
                    expander.templates.find(&title).map(|(target, _)| target).filter(|target| *target != title);
                self.titled(lua, &expander, target, None)
            }
            "content" => {
                let title = Title { namespace: i32::from_lua(next(), lua)?, name: text(lua, next())? };
                match title.namespace {
                    TEMPLATE => expander.templates.find(&title).map(|(_, body)| body.text.to_string()).into_lua(lua),
                    MODULE => expander.templates.module(&title.name).into_lua(lua),
                    _ => Ok(Value::Nil),
                }
            }
            "site" => {
                let table = lua.create_table()?;
                table.set("name", site.name())?;
                table.set("server", site.server())?;
                let spaces = lua.create_table()?;
                for (id, name, canonical) in site.namespaces() {
                    let space = lua.create_table()?;
                    space.set("id", id)?;
                    space.set("name", name)?;
                    space.set("canonicalName", canonical)?;
                    spaces.push(space)?;
                }
                table.set("spaces", spaces)?;
                Ok(Value::Table(table))
            }
            "now" => (expander.now.seconds as f64).into_lua(lua),
            "language" => site.language().into_lua(lua),
            "and" => conjunction(site.language()).into_lua(lua),
            "expression" => match evaluate(&text(lua, next())?) {
                Ok(value) => value.map(numbers::php).unwrap_or_default().into_lua(lua),
                Err(_) => refuse("expression error".to_owned()),
            },
            "format_date" => {
                let (format, when, code) = (text(lua, next())?, text(lua, next())?, text(lua, next())?);
                Moment::parse(&when, expander.now).map(|moment| moment.format(&format, &code)).into_lua(lua)
            }
            other => refuse(format!("no question: {other}")),
        }
    }

    /// What the page's own bounds leave of a value: past one, no module runs any more.
    fn answer<T>(&self, expander: &mut Expander, value: Expanded<T>) -> Result<T> {
        value.map_err(|overrun| {
            let machine = expander.machine.clone().expect("a module is running");
            expander.stopped.get_or_insert(overrun);
            machine.budget.end(Stop::Page)
        })
    }

    /// Calls `with` with a frame by its number.
    fn with_frame<R>(&self, number: usize, with: impl FnOnce(&Frame) -> R) -> R {
        match (number.checked_sub(FIRST_CHILD), self.frame.parent) {
            (None, Some(parent)) if number == PARENT => with(parent),
            (Some(child), _) => {
                let children = self.children.borrow();
                let Some(Child { title, arguments }) = children.get(child) else { return with(self.frame) };
                let (title, arguments) = (title.clone(), arguments.clone());
                drop(children);
                let title = title.as_ref().or(self.frame.title);
                with(&Frame { body: self.frame.body, title, arguments, parent: Some(self.frame) })
            }
            _ => with(self.frame),
        }
    }

    fn arguments(&self, number: usize) -> Rc<Arguments> {
        self.with_frame(number, |frame| frame.arguments.clone())
    }

    fn argument(&self, expander: &mut Expander, number: usize, name: &str) -> Expanded<Option<String>> {
        self.with_frame(number, |frame| match (frame.arguments.get(name), frame.parent) {
            (Some(argument), Some(parent)) => {
                expander.spend(1)?;
                expander.deeper(|expander| Ok(Some(expander.argument_value(argument, parent)?.to_string())))
            }
            _ => Ok(None),
        })
    }

    fn preprocess(&self, expander: &mut Expander, number: usize, source: &str) -> Expanded<String> {
        expander.spend(1 + source.len() as u64 / 256)?;
        let body = Body::parse(source, false);
        self.with_frame(number, |frame| {
            let frame =
                Frame { body: &body, title: frame.title, arguments: frame.arguments.clone(), parent: frame.parent };
            expander.deeper(|expander| Ok(expander.value(&frame, body.whole())?.into_owned()))
        })
    }

    /// What a template gives; none where the dump does not have it.
    fn template(&self, expander: &mut Expander, name: &str, arguments: Arguments) -> Expanded<Option<String>> {
        let title = Title::read(name, TEMPLATE, expander.site);
        let Some((title, body)) = title.and_then(|title| expander.templates.find(&title)) else {
            expander.ledger.missing += 1;
            return Ok(None);
        };
        expander.deeper(|expander| {
            let parts = Rc::new(arguments);
            let mut out = String::new();
            expander.include(self.frame, (&title, &body), parts, &mut out)?;
            Ok(Some(out))
        })
    }

    /// What a parser function gives, its name and first argument first; none where nobody knows it.
    fn function(&self, expander: &mut Expander, parts: &[(String, String)]) -> Expanded<Option<String>> {
        let body = Body::of(parts);
        let frame = Frame {
            body: &body,
            title: self.frame.title,
            arguments: self.frame.arguments.clone(),
            parent: self.frame.parent,
        };
        let all = body.parts(Span { from: 0, to: body.parts.len() as u32 });
        let (name, first) = &parts[0];
        let mut out = String::new();
        let known = expander.deeper(|expander| expander.function(&frame, (name, first), &all[1..], &mut out))?;
        Ok(known.then_some(out))
    }

    fn titled<'lua>(
        &self,
        lua: &'lua Lua,
        expander: &Expander,
        title: Option<Title>,
        fragment: Option<String>,
    ) -> Result<Value<'lua>> {
        let Some(title) = title else { return Ok(Value::Nil) };
        let table = lua.create_table()?;
        table.set("namespace", title.namespace)?;
        table.set("nsText", expander.site.namespace_name(title.namespace))?;
        table.set("text", title.name)?;
        table.set("fragment", fragment)?;
        Ok(Value::Table(table))
    }
}

fn text(lua: &Lua, value: Value) -> Result<String> {
    Ok(mlua::String::from_lua(value, lua)?.to_string_lossy().into_owned())
}

fn number(lua: &Lua, value: Value) -> Result<usize> {
    usize::from_lua(value, lua)
}

/// Arguments of a frame that a module made.
fn given(table: Table) -> Result<Arguments> {
    let mut arguments = Arguments::new();
    for pair in table.pairs::<mlua::String, mlua::String>() {
        let (name, value) = pair?;
        let expanded = OnceCell::from(Rc::from(value.to_string_lossy().as_ref()));
        let value = Span { from: 0, to: 0 };
        arguments.insert(name.to_string_lossy().into_owned(), Argument { value, named: false, expanded });
    }
    Ok(arguments)
}

/// A call of a parser function as its parts, names and values; the first is the function and its first argument.
fn parts(name: &str, numbered: Table, named: Table) -> Result<Vec<(String, String)>> {
    let mut positions: Vec<(f64, String)> = Vec::new();
    for pair in numbered.pairs::<f64, mlua::String>() {
        let (position, value) = pair?;
        positions.push((position, value.to_string_lossy().into_owned()));
    }
    positions.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut values = positions.into_iter().map(|(_, value)| value);
    let first = match name.split_once(':') {
        Some((name, first)) => (name.to_owned(), first.to_owned()),
        None => (name.to_owned(), values.next().unwrap_or_default()),
    };
    let mut parts = vec![first];
    parts.extend(values.map(|value| (String::new(), value)));
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in named.pairs::<mlua::String, mlua::String>() {
        let (key, value) = pair?;
        pairs.push((key.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    }
    pairs.sort();
    parts.extend(pairs);
    Ok(parts)
}

/// An element; those whose content is no text of a page come without it.
fn element(name: &str, content: &str, attributes: Table) -> Result<String> {
    let name = name.to_lowercase();
    let written = format!("<{name}>");
    if tags::read(&written).is_some_and(|tag| tag.kind == tags::Kind::Dropped) {
        return Ok(format!("<{name}/>"));
    }
    let mut pairs = Vec::new();
    for pair in attributes.pairs::<mlua::String, mlua::String>() {
        let (key, value) = pair?;
        pairs.push(format!(" {}=\"{}\"", key.to_string_lossy(), value.to_string_lossy().replace('"', "&quot;")));
    }
    pairs.sort();
    Ok(format!("<{name}{}>{content}</{name}>", pairs.concat()))
}

/// What stands before the last of a list, with the spaces around it, where it is known.
fn conjunction(code: &str) -> &'static str {
    match code {
        "de" => " und ",
        "es" => " y ",
        "fr" => " et ",
        "it" | "pt" => " e ",
        "nl" => " en ",
        "lv" | "ltg" => " un ",
        "lt" => " ir ",
        "pl" | "hr" | "bs" | "sr" | "sl" => " i ",
        "cs" | "sk" => " a ",
        "ru" => " и ",
        "uk" => " і ",
        "be" => " і ",
        "bn" => " এবং ",
        "hi" => " और ",
        "mr" => " आणि ",
        _ => " and ",
    }
}
