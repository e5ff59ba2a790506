//! Modules: `{{#invoke:Module|function|…}}` runs the dump's own Lua (Extension:Scribunto), and what the function gives
//! is text of the page.
//!
//! One Lua 5.1 state a thread, with nothing in it that reaches files, time or other pages; every call runs the module
//! anew, in an environment of its own ([`base.lua`](base.lua)). What a call asks of the page and its wiki goes through
//! [`host`]. Bounds are counts ([`budget`]): the result is a function of page and store alone, on any thread.

mod budget;
mod classes;
mod dates;
mod host;
mod json;
mod natives;
mod pattern;
mod strings;

#[cfg(test)]
mod tests;

use super::{Expanded, Expander, Frame, Overrun, Part};
use crate::wikitext::site::MODULE;
use crate::wikitext::title::Title;
use budget::{Bounds, Budget, FRESH, LOOK, Stop, WARM};
use host::Host;
use mlua::{Function, HookTriggers, Lua, LuaOptions, RegistryKey, StdLib};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Modules that call modules through templates or wikitext, inside each other.
const DEEPEST: usize = 20;
/// Instructions that a call costs beside those of the module.
const CALL: u64 = 2000;
/// Bytes a state may hold between pages; one that holds more is made anew.
const KEPT: usize = 64 << 20;
/// Longest reason kept of an error, in characters.
const REASON: usize = 200;

/// The prelude, the first file last: it calls the others.
const LIBRARIES: &[(&str, &str)] = &[
    ("text", include_str!("text.lua")),
    ("title", include_str!("title.lua")),
    ("html", include_str!("html.lua")),
    ("small", include_str!("small.lua")),
];
const BASE: &str = include_str!("base.lua");

/// A call of a module that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleError {
    /// Without its namespace.
    pub module: String,
    /// As it was asked for.
    pub function: String,
    /// `no_module`, `no_function`, `syntax`, `error`, `too_deep`, `too_many_instructions`, `too_much_memory`.
    pub kind: &'static str,
    /// What Lua says, without traces.
    pub reason: String,
}

impl ModuleError {
    /// `Coordinates.coord: error`, as ledgers count it.
    pub fn key(&self) -> String {
        match self.kind {
            // Anything may be asked for.
            "no_module" | "no_function" => format!("{}: {}", self.module, self.kind),
            kind => format!("{}.{}: {kind}", self.module, self.function),
        }
    }
}

/// The Lua state of a thread.
pub(super) struct Machine {
    lua: Lua,
    budget: Rc<Budget>,
    /// Number of the store whose modules are compiled in it.
    store: u64,
    run: RegistryKey,
    begin_page: RegistryKey,
    /// Calls that are running, one inside the other.
    depth: Cell<usize>,
    /// Nothing of other pages is in it.
    fresh: bool,
}

thread_local! {
    static MACHINE: RefCell<Option<Rc<Machine>>> = const { RefCell::new(None) };
}

impl Machine {
    /// The thread's state for the store, for a new page: a new one where there is none or a `fresh` one is asked for.
    fn for_page(store: u64, fresh: bool) -> mlua::Result<Rc<Machine>> {
        let known = MACHINE.take().filter(|machine| !fresh && machine.store == store && machine.holds() < KEPT);
        let machine = match known {
            Some(machine) => machine,
            None => Rc::new(Machine::new(store, fresh)?),
        };
        machine.lua.set_memory_limit(0)?;
        machine.lua.registry_value::<Function>(&machine.begin_page)?.call::<_, ()>(())?;
        collect(&machine.lua)?;
        let Bounds { memory, .. } = machine.bounds();
        machine.lua.set_memory_limit(machine.holds() + memory)?;
        machine.budget.begin(machine.bounds(), machine.holds());
        // Counting begins anew too.
        let budget = machine.budget.clone();
        machine.lua.set_hook(HookTriggers::new().every_nth_instruction(LOOK), move |lua, _| {
            if budget.look(lua.used_memory())? {
                collect(lua)?;
                budget.collected(lua.used_memory());
            }
            Ok(())
        });
        Ok(machine)
    }

    fn new(store: u64, fresh: bool) -> mlua::Result<Machine> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(true))?;
        let budget = Rc::new(Budget::default());
        budget.begin(FRESH, 0);
        let native = natives::table(&lua, &budget)?;
        let others = lua.create_table()?;
        for (name, source) in LIBRARIES {
            others.push(lua.load(*source).set_name(format!("={name}")).into_function()?)?;
        }
        let (run, begin_page): (Function, Function) = lua.load(BASE).set_name("=base").call((native, others))?;
        let (run, begin_page) = (lua.create_registry_value(run)?, lua.create_registry_value(begin_page)?);
        lua.gc_stop();
        Ok(Machine { lua, budget, store, run, begin_page, depth: Cell::new(0), fresh })
    }

    fn bounds(&self) -> Bounds {
        if self.fresh { FRESH } else { WARM }
    }

    /// Bytes.
    fn holds(&self) -> usize {
        self.lua.used_memory()
    }
}

/// Collects garbage now and not by itself.
fn collect(lua: &Lua) -> mlua::Result<()> {
    lua.gc_collect()?;
    lua.gc_stop();
    Ok(())
}

impl Expander<'_> {
    /// Writes what `#invoke:name|function|…` gives; nothing where it fails, which the ledger tells.
    pub(super) fn invoke(&mut self, frame: &Frame, name: &str, rest: &[Part], out: &mut String) -> Expanded<()> {
        if !self.templates.has_modules() {
            self.ledger.modules += 1;
            self.modules_here = true;
            return Ok(());
        }
        let function = match rest.first() {
            Some(part) => self.trimmed(frame, part.nodes)?,
            None => Cow::Borrowed(""),
        };
        let answer = match Title::read(name, MODULE, self.site).filter(|title| title.namespace == MODULE) {
            Some(title) => {
                let inside = self.frame(frame, (frame.body, &title), rest.get(1..).unwrap_or_default())?;
                self.call_module(&inside, &title, &function)?
            }
            None => Err(ModuleError::new(name, &function, "no_module", "no such title")),
        };
        match answer {
            Ok(text) => {
                self.ledger.invoked += 1;
                self.write(out, &text)
            }
            Err(error) => {
                self.ledger.fail(error);
                self.modules_here = true;
                Ok(())
            }
        }
    }

    fn call_module(&mut self, inside: &Frame, title: &Title, function: &str) -> Expanded<Result<String, ModuleError>> {
        let failed = |kind, reason: &str| Ok(Err(ModuleError::new(&title.name, function, kind, reason)));
        let Some(source) = self.templates.module(&title.name) else {
            return failed("no_module", "the dump does not have it");
        };
        self.spend(1 + source.len() as u64 / 256)?;
        let machine = match self.machine.clone() {
            Some(machine) => machine,
            None => match Machine::for_page(self.templates.number(), self.fresh) {
                Ok(machine) => self.machine.insert(machine).clone(),
                Err(error) => return failed("error", &error.to_string()),
            },
        };
        if machine.depth.get() == DEEPEST {
            return failed("too_deep", "modules call each other too deep");
        }
        if machine.budget.charge(CALL).is_err() {
            return self.stopped(&machine, title, function);
        }
        machine.depth.set(machine.depth.get() + 1);
        let full = title.full(self.site);
        let host = Host::new(self, inside);
        let outcome = machine.lua.scope(|scope| {
            let ask = scope.create_function(|lua, arguments| host.ask(lua, arguments))?;
            let run: Function = machine.lua.registry_value(&machine.run)?;
            let answer: (bool, mlua::String, Option<mlua::String>) = run.call((ask, full, source, function))?;
            let (ok, first, second) = answer;
            let text = |text: &mlua::String| text.to_string_lossy().into_owned();
            Ok((ok, text(&first), second.as_ref().map(text).unwrap_or_default()))
        });
        drop(host);
        machine.depth.set(machine.depth.get() - 1);
        if let Some(overrun) = self.stopped.take() {
            return Err(overrun);
        }
        if machine.budget.stop().is_some() {
            return self.stopped(&machine, title, function);
        }
        match outcome {
            Ok((true, text, _)) => Ok(Ok(text)),
            Ok((false, kind, reason)) => {
                if reason.contains("not enough memory") {
                    machine.budget.end(Stop::Memory);
                    return self.stopped(&machine, title, function);
                }
                let kind = ["syntax", "no_function"].into_iter().find(|known| *known == kind).unwrap_or("error");
                failed(kind, &reason)
            }
            Err(mlua::Error::MemoryError(_)) => {
                machine.budget.end(Stop::Memory);
                self.stopped(&machine, title, function)
            }
            Err(error) => failed("error", &error.to_string()),
        }
    }

    /// A bound of the page's modules is overrun: all begins again in a fresh state, or this is the end of them.
    fn stopped(&self, machine: &Machine, title: &Title, function: &str) -> Expanded<Result<String, ModuleError>> {
        if !machine.fresh {
            return Err(Overrun::Again);
        }
        let (kind, reason) = match machine.budget.stop() {
            Some(Stop::Memory) => ("too_much_memory", "the page's modules use more than 96 MiB"),
            _ => ("too_many_instructions", "the page's modules take more than 200,000,000 instructions"),
        };
        Ok(Err(ModuleError::new(&title.name, function, kind, reason)))
    }

    /// Leaves the state to the thread's next page.
    pub(super) fn release(&mut self) {
        if let Some(machine) = self.machine.take() {
            machine.lua.remove_hook();
            // Fresh no more.
            if let Ok(mut machine) = Rc::try_unwrap(machine) {
                machine.fresh = false;
                MACHINE.set(Some(Rc::new(machine)));
            }
        }
    }
}

impl ModuleError {
    fn new(module: &str, function: &str, kind: &'static str, reason: &str) -> ModuleError {
        let reason = reason.chars().take(REASON).collect();
        ModuleError { module: module.to_owned(), function: function.to_owned(), kind, reason }
    }
}
