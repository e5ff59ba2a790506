//! Templates expanded: a page's source becomes the source that the wiki itself would lay out.
//!
//! [`parse`] makes a tree of calls of a source, [`store`] holds the dump's templates, and here the tree is walked:
//! parameters are expanded when they are first asked for and in the frame they were written in, [`functions`] and
//! [`variables`] answer what is no template. The result is a function of page and store alone: budgets are counts of
//! steps and bytes, never time. Past one the page stays as it was written.
//!
//! [`lua`] runs modules, where the store has them. Left out: what only a running wiki knows (numbers of its users,
//! Wikidata).

mod call;
mod date;
mod elements;
mod expression;
mod functions;
mod language;
mod lua;
mod months;
mod numbers;
mod parse;
mod store;
mod time;
mod tree;
mod variables;

#[cfg(test)]
mod tests;

use super::debris::HOLE;
use super::site::Site;
use super::title::Title;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use time::Moment;
use tree::{Body, Node, Part, Span};

pub use lua::ModuleError;
pub use store::{Gatherer, Templates};

/// Calls inside calls; MediaWiki stops at 100 too (`$wgMaxPPExpandDepth`).
const DEEPEST: usize = 100;
/// Nodes looked at for one page; MediaWiki stops at a million too (`$wgMaxPPNodeCount`).
const STEPS: u64 = 1_000_000;
/// Bytes written for one page, those of conditions and parameters included: eight times what MediaWiki lets a page
/// include (`$wgMaxArticleSize`, 2 MiB).
const BYTES: u64 = 16 << 20;

/// Why a page was left as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overrun {
    /// Calls inside calls.
    TooDeep,
    /// Nodes looked at.
    TooManySteps,
    /// Bytes written.
    TooLong,
    /// Nothing of the page: its modules ask for more than a used Lua state gives, so it is expanded again.
    #[serde(skip)]
    Again,
}

impl Overrun {
    /// As it stands in ledgers.
    pub fn name(self) -> &'static str {
        match self {
            Overrun::TooDeep => "too_deep",
            Overrun::TooManySteps => "too_many_steps",
            Overrun::TooLong => "too_long",
            Overrun::Again => "again",
        }
    }
}

/// What happened while pages were expanded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Pages that call something and were expanded.
    pub expanded: u64,
    /// Templates and articles included, those inside others too.
    pub included: u64,
    /// Calls of templates that the dump does not have.
    pub missing: u64,
    /// Calls of articles (`{{:Page}}`) that are not at hand, left out.
    #[serde(default)]
    pub articles: u64,
    /// Calls of modules that ran.
    #[serde(default)]
    pub invoked: u64,
    /// Calls of modules, left out.
    pub modules: u64,
    /// Of these, the calls that failed, by module, function and kind: `Coordinates.coord: error`.
    #[serde(default)]
    pub module_errors: BTreeMap<String, u64>,
    /// Calls of functions nobody here knows, left out.
    pub unknown: u64,
    /// Templates that include themselves, left out there.
    pub loops: u64,
    /// Pages left as they were written, by reason.
    #[serde(default)]
    pub unexpanded: BTreeMap<String, u64>,
    /// Of one page: the first calls of modules that failed.
    #[serde(skip)]
    pub failures: Vec<ModuleError>,
}

/// Failures kept of a page.
const FAILURES: usize = 10;

impl Ledger {
    /// A call of a module failed.
    fn fail(&mut self, error: ModuleError) {
        self.modules += 1;
        *self.module_errors.entry(error.key()).or_default() += 1;
        if self.failures.len() < FAILURES {
            self.failures.push(error);
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Ledger) {
        self.expanded += other.expanded;
        self.included += other.included;
        self.missing += other.missing;
        self.articles += other.articles;
        self.invoked += other.invoked;
        self.modules += other.modules;
        for (key, count) in &other.module_errors {
            *self.module_errors.entry(key.clone()).or_default() += count;
        }
        self.unknown += other.unknown;
        self.loops += other.loops;
        for (reason, count) in &other.unexpanded {
            *self.unexpanded.entry(reason.clone()).or_default() += count;
        }
    }
}

/// The page whose source is expanded.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// With its namespace.
    pub title: &'a str,
    /// Of its last revision, in ISO 8601.
    pub timestamp: Option<&'a str>,
}

/// The source of a page with its templates expanded, and what was met on the way.
pub(super) fn expand(
    source: &str,
    page: Page,
    site: &Site,
    templates: &Templates,
) -> Result<(String, Ledger), Overrun> {
    match expand_once(source, page, site, templates, false) {
        Err(Overrun::Again) => expand_once(source, page, site, templates, true),
        other => other,
    }
}

/// The same; with a Lua state that no other page has used where a `fresh` one is asked for.
fn expand_once(
    source: &str,
    page: Page,
    site: &Site,
    templates: &Templates,
    fresh: bool,
) -> Result<(String, Ledger), Overrun> {
    let body = Body::parse(source, false);
    let title = Title::read(page.title, 0, site).unwrap_or(Title { namespace: 0, name: page.title.to_owned() });
    let now = templates.date();
    let revision = page.timestamp.and_then(Moment::parse_timestamp).unwrap_or(now);
    let mut expander = Expander {
        site,
        templates,
        title,
        now,
        revision,
        bytes_left: BYTES + 4 * source.len() as u64,
        steps_left: STEPS,
        depth: 0,
        modules_here: false,
        ledger: Ledger::default(),
        machine: None,
        fresh,
        stopped: None,
    };
    let frame = Frame { body: &body, title: None, arguments: Rc::default(), parent: None };
    let mut out = String::with_capacity(source.len() + source.len() / 4);
    let done = expander.page(&frame, &mut out);
    expander.release();
    done?;
    let called = body.nodes(body.whole()).iter().any(|node| matches!(node, Node::Call { .. }));
    expander.ledger.expanded = u64::from(called);
    Ok((out, expander.ledger))
}

/// A template being included, or the page.
struct Frame<'a> {
    /// Whose nodes are walked.
    body: &'a Body,
    /// None for the page.
    title: Option<&'a Title>,
    arguments: Rc<Arguments>,
    /// Where the arguments were written.
    parent: Option<&'a Frame<'a>>,
}

/// By name; those without one have numbers from 1.
type Arguments = BTreeMap<String, Argument>;

/// An argument, expanded when it is first asked for.
struct Argument {
    /// In the body of the frame above.
    value: Span,
    /// Named arguments lose the white space around them, numbered ones keep it.
    named: bool,
    expanded: OnceCell<Rc<str>>,
}

struct Expander<'a> {
    site: &'a Site,
    templates: &'a Templates,
    /// Of the page.
    title: Title,
    /// Of the dump.
    now: Moment,
    /// Of the page.
    revision: Moment,
    bytes_left: u64,
    steps_left: u64,
    depth: usize,
    /// A module was called by the template that is being included.
    modules_here: bool,
    ledger: Ledger,
    /// The Lua state, once a module was called.
    machine: Option<Rc<lua::Machine>>,
    /// It has to be a new one.
    fresh: bool,
    /// Why modules run no more.
    stopped: Option<Overrun>,
}

type Expanded<T> = Result<T, Overrun>;

impl<'a> Expander<'a> {
    fn spend(&mut self, steps: u64) -> Expanded<()> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(Overrun::TooManySteps)?;
        Ok(())
    }

    fn write(&mut self, out: &mut String, text: &str) -> Expanded<()> {
        self.spend_bytes(text)?;
        out.push_str(text);
        Ok(())
    }

    fn spend_bytes(&mut self, text: &str) -> Expanded<()> {
        self.bytes_left = self.bytes_left.checked_sub(text.len() as u64).ok_or(Overrun::TooLong)?;
        Ok(())
    }

    /// The nodes of the page itself; notes to the reader that a template gives on a line of its own are left out.
    fn page(&mut self, frame: &Frame, out: &mut String) -> Expanded<()> {
        let nodes = frame.body.nodes(frame.body.whole());
        for (i, node) in nodes.iter().enumerate() {
            let begin = out.len();
            self.node(frame, node, out)?;
            let ends_line = |next: &Node| matches!(next, Node::Text(span) if frame.body.text(*span).starts_with('\n'));
            if matches!(node, Node::Call { line_start: true, .. })
                && nodes.get(i + 1).is_none_or(ends_line)
                && is_note(&out[begin..])
            {
                out.truncate(begin);
            }
            if matches!(node, Node::Call { .. }) && out.len() == begin {
                out.push(HOLE);
            }
        }
        Ok(())
    }

    fn nodes(&mut self, frame: &Frame, span: Span, out: &mut String) -> Expanded<()> {
        frame.body.nodes(span).iter().try_for_each(|node| self.node(frame, node, out))
    }

    fn node(&mut self, frame: &Frame, node: &Node, out: &mut String) -> Expanded<()> {
        self.spend(1)?;
        match *node {
            Node::Text(span) => self.write(out, frame.body.text(span)),
            Node::Equals => self.write(out, "="),
            Node::Gone(name) => {
                self.write(out, "<")?;
                self.write(out, frame.body.text(name))?;
                self.write(out, "/>")
            }
            Node::Argument { parts } => self.deeper(|this| this.argument(frame, frame.body.parts(parts), out)),
            Node::Call { parts, line_start } => self.deeper(|this| {
                let begin = out.len();
                this.call(frame, frame.body.parts(parts), out)?;
                // A list or table begins a line, wherever its template stands.
                let first = &out[begin..];
                if !line_start && (first.starts_with([':', ';', '#', '*']) || first.starts_with("{|")) {
                    out.insert(begin, '\n');
                }
                Ok(())
            }),
        }
    }

    fn deeper<T>(&mut self, step: impl FnOnce(&mut Self) -> Expanded<T>) -> Expanded<T> {
        if self.depth == DEEPEST {
            return Err(Overrun::TooDeep);
        }
        self.depth += 1;
        let done = step(self)?;
        self.depth -= 1;
        Ok(done)
    }

    /// What a span comes to. Most are nothing but text, which costs as much as if it were written.
    fn value<'f>(&mut self, frame: &'f Frame, span: Span) -> Expanded<Cow<'f, str>> {
        if let [Node::Text(text)] = frame.body.nodes(span) {
            let text = frame.body.text(*text);
            self.spend(1)?;
            self.spend_bytes(text)?;
            return Ok(Cow::Borrowed(text));
        }
        let mut out = String::new();
        self.nodes(frame, span, &mut out)?;
        Ok(Cow::Owned(out))
    }

    /// The same without white space around it.
    fn trimmed<'f>(&mut self, frame: &'f Frame, span: Span) -> Expanded<Cow<'f, str>> {
        Ok(match self.value(frame, span)? {
            Cow::Borrowed(text) => Cow::Borrowed(trim(text)),
            Cow::Owned(value) => {
                let bare = trim(&value);
                Cow::Owned(if bare.len() == value.len() { value } else { bare.to_owned() })
            }
        })
    }

    /// `{{{name|default}}}`.
    fn argument(&mut self, frame: &Frame, parts: &[Part], out: &mut String) -> Expanded<()> {
        let name = self.trimmed(frame, parts[0].nodes)?;
        if let (Some(argument), Some(parent)) = (frame.arguments.get(&*name), frame.parent) {
            let value = self.argument_value(argument, parent)?;
            return self.write(out, &value);
        }
        match parts.get(1) {
            Some(default) => self.nodes(frame, default.nodes, out),
            None => {
                let literal = ["{{{", &name, "}}}"].concat();
                self.write(out, &literal)
            }
        }
    }

    /// What an argument comes to, written in the frame `parent`.
    fn argument_value(&mut self, argument: &Argument, parent: &Frame) -> Expanded<Rc<str>> {
        if let Some(value) = argument.expanded.get() {
            return Ok(value.clone());
        }
        let value = match argument.named {
            true => self.trimmed(parent, argument.value)?,
            false => self.value(parent, argument.value)?,
        };
        Ok(argument.expanded.get_or_init(|| value.into()).clone())
    }

    /// Frame for including a template with what was written in `frame`.
    fn frame<'b>(
        &mut self,
        frame: &'b Frame<'b>,
        (body, title): (&'b Body, &'b Title),
        parts: &[Part],
    ) -> Expanded<Frame<'b>> {
        let (mut arguments, mut number) = (BTreeMap::new(), 0);
        for part in parts {
            self.spend(1)?;
            let (name, value, named) = match part.named() {
                Some((name, value)) => (self.trimmed(frame, name)?.into_owned(), value, true),
                None => {
                    number += 1;
                    (number.to_string(), part.nodes, false)
                }
            };
            arguments.insert(name, Argument { value, named, expanded: OnceCell::new() });
        }
        Ok(Frame { body, title: Some(title), arguments: Rc::new(arguments), parent: Some(frame) })
    }

    /// Whether a template is already being included.
    fn is_open(frame: &Frame, title: &Title) -> bool {
        let mut above = Some(frame);
        while let Some(frame) = above {
            if frame.title == Some(title) {
                return true;
            }
            above = frame.parent;
        }
        false
    }
}

/// White space as PHP's `trim` knows it.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b'])
}

/// Whether a template's text is a note to the reader (`:''For the river, see [[Lobs (river)]].''`) and none of the page.
fn is_note(text: &str) -> bool {
    let text = text.trim();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let slanted = |line: &str| line.contains("''") || line.contains("<small") || line.contains("<i>");
    lines.peek().is_some() && lines.all(|line| line.starts_with(':') && slanted(line) && line.contains("[["))
}
