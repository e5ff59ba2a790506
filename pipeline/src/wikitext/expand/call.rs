//! One `{{...}}`: a variable, a function, or a template, in this order, as the wiki decides it.

use super::*;
use crate::wikitext::{site::TEMPLATE, templates, title::Title};

/// Bytes of a template that cost as much as looking at a node.
const BYTES_PER_STEP: usize = 256;

impl Expander<'_> {
    /// Writes what a call gives; its parts are as written, the name first.
    pub(super) fn call(&mut self, frame: &Frame, parts: &[Part], out: &mut String) -> Expanded<()> {
        let written = self.value(frame, parts[0].nodes)?;
        let mut name = trim(&written);
        if let Some(rest) = without(name, "safesubst:") {
            name = rest;
        }
        if without(name, "subst:").is_some() {
            // Done when a page is saved; what is still there is text.
            return self.literal(frame, name, &parts[1..], out);
        }
        if parts.len() == 1
            && let Some(value) = self.variable(self.site.english(name))
        {
            return self.write(out, &value);
        }
        for prefix in ["msg:", "msgnw:", "raw:"] {
            name = without(name, prefix).unwrap_or(name);
        }
        if let Some((function, first)) = name.split_once(':')
            && self.function(frame, (self.site.english(trim(function)), first), &parts[1..], out)?
        {
            return Ok(());
        }
        match Title::read(name, TEMPLATE, self.site) {
            Some(title) => self.template(frame, (name, title), parts, out),
            None => self.literal(frame, name, &parts[1..], out),
        }
    }

    fn template(
        &mut self,
        frame: &Frame,
        (name, title): (&str, Title),
        parts: &[Part],
        out: &mut String,
    ) -> Expanded<()> {
        if title == self.title {
            self.ledger.loops += 1; // The page itself.
            return Ok(());
        }
        let Some((title, body)) = self.templates.find(&title) else {
            match title.namespace {
                0 => self.ledger.articles += 1,
                _ => self.ledger.missing += 1,
            }
            let shown = self.dressing(frame, name, &parts[1..])?;
            return self.write(out, &shown);
        };
        let arguments = self.frame(frame, (&body, &title), &parts[1..])?.arguments;
        let (begin, outside) = (out.len(), std::mem::take(&mut self.modules_here));
        self.include(frame, (&title, &body), arguments, out)?;
        if std::mem::replace(&mut self.modules_here, outside) {
            // A module would have said it; the arguments often say enough.
            let shown = self.dressing(frame, name, &parts[1..])?;
            if shown.is_empty() {
                self.modules_here = true;
            } else {
                out.truncate(begin);
                self.write(out, &shown)?;
            }
        }
        Ok(())
    }

    /// Writes what a template gives with these arguments; nothing where it is being included already.
    pub(super) fn include(
        &mut self,
        frame: &Frame,
        (title, body): (&Title, &Body),
        arguments: Rc<Arguments>,
        out: &mut String,
    ) -> Expanded<()> {
        if Self::is_open(frame, title) {
            self.ledger.loops += 1;
            return Ok(());
        }
        // The same whether the parsed template was at hand or not.
        self.spend((body.length() / BYTES_PER_STEP) as u64)?;
        self.ledger.included += 1;
        let inside = Frame { body, title: Some(title), arguments, parent: Some(frame) };
        self.nodes(&inside, body.whole(), out)
    }

    /// What a template shows of its arguments by its name alone.
    fn dressing(&mut self, frame: &Frame, name: &str, parts: &[Part]) -> Expanded<String> {
        if !templates::is_known(name) {
            return Ok(String::new());
        }
        let mut written = vec![Cow::Borrowed(name)];
        for part in parts {
            written.push(self.value(frame, part.nodes)?);
        }
        Ok(templates::text(&written))
    }

    /// A call that is none, as it was written.
    fn literal(&mut self, frame: &Frame, name: &str, parts: &[Part], out: &mut String) -> Expanded<()> {
        self.write(out, "{{")?;
        self.write(out, name)?;
        for part in parts {
            self.write(out, "|")?;
            self.nodes(frame, part.nodes, out)?;
        }
        self.write(out, "}}")
    }
}

/// `text` behind a prefix in any case.
fn without<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let begin = text.get(..prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then(|| trim(&text[prefix.len()..]))
}
