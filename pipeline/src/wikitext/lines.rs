//! The second pass: lines become paragraphs, headings and list items; headings over nothing go.

use super::debris::{self, HOLE};

/// Parts of a page in their order.
enum Block {
    Heading(usize, String),
    Paragraph(String),
    Item(String),
}

/// Text of a page whose templates, tables, links and tags are gone.
pub(super) fn arrange(stripped: &str) -> String {
    let mut page = Page::default();
    // Lines that begin with a space are set as they are typed.
    let (mut typed, line_end) = (false, debris::hide('\n'));
    for line in stripped.split('\n') {
        let bare = bare(line);
        let was_typed = std::mem::replace(&mut typed, line.starts_with(' '));
        if bare.is_empty() || bare.starts_with("----") {
            page.end_paragraph();
        } else if bare.starts_with('|') {
            // A row whose table is gone.
            page.end_paragraph();
        } else if let Some((level, title)) = heading(bare) {
            page.end_paragraph();
            page.add(Block::Heading(level, debris::clean(title)));
        } else if let Some(item) = item(bare, typed) {
            page.end_paragraph();
            page.add(item);
        } else {
            if !typed {
                page.end_typed();
            }
            if !page.paragraph.is_empty() {
                page.paragraph.push(if typed || was_typed { line_end } else { ' ' });
            }
            if typed {
                page.typed_from.get_or_insert(page.paragraph.len());
                // The space that says so is none of the text.
                page.paragraph.push_str(&debris::typed(&line[1..]));
            } else {
                page.paragraph.push_str(line.trim());
            }
        }
    }
    page.end_paragraph();
    debris::finish(&page.out)
}

/// Without space and holes around it.
fn bare(line: &str) -> &str {
    let (first, last) = (line.as_bytes().first(), line.as_bytes().last());
    match first.zip(last) {
        Some((first, last)) if first.is_ascii_graphic() && last.is_ascii_graphic() => line,
        _ => line.trim_matches(|c: char| c.is_whitespace() || c == HOLE),
    }
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let before = line.bytes().take_while(|byte| *byte == b'=').count();
    let after = line.bytes().rev().take_while(|byte| *byte == b'=').count();
    let level = before.min(after).min(6);
    (level > 0 && line.len() > 2 * level).then(|| (level, &line[level..line.len() - level]))
}

/// An item of a list. One that a space set off its line's beginning was meant to be one too; not so what begins like a
/// comment of a program.
fn item(line: &str, typed: bool) -> Option<Block> {
    let marks = line.bytes().take_while(|byte| matches!(byte, b'*' | b'#' | b':' | b';')).count();
    if marks == 0 || typed && !line.starts_with(['*', ':']) {
        return None;
    }
    let (marks, rest) = line.split_at(marks);
    Some(if marks.ends_with(';') {
        let (term, meaning) = rest.split_once(" :").or_else(|| rest.split_once(": ")).unwrap_or((rest, ""));
        let (term, meaning) = (debris::clean(term), debris::clean(meaning));
        Block::Item(if meaning.is_empty() { term } else { format!("{term}: {meaning}") })
    } else if marks.ends_with(':') && !marks.contains(['*', '#']) {
        Block::Paragraph(debris::clean(rest))
    } else {
        Block::Item(debris::clean(rest))
    })
}

#[derive(Default)]
struct Page {
    out: String,
    paragraph: String,
    /// Where in it the last lines begin that are set as they are typed.
    typed_from: Option<usize>,
    /// Headings that nothing has followed yet, the outer before the inner.
    headings: Vec<(usize, String)>,
    after_item: bool,
}

impl Page {
    fn end_typed(&mut self) {
        if let Some(from) = self.typed_from.take() {
            let lines = debris::of_program(&self.paragraph[from..]).into_owned();
            self.paragraph.replace_range(from.., &lines);
        }
    }

    fn end_paragraph(&mut self) {
        self.end_typed();
        if !self.paragraph.is_empty() {
            let paragraph = debris::clean(&debris::without_margin(&std::mem::take(&mut self.paragraph)));
            self.add(Block::Paragraph(paragraph));
        }
    }

    fn add(&mut self, block: Block) {
        let (text, is_item) = match block {
            Block::Heading(level, title) => {
                while self.headings.last().is_some_and(|(last, _)| *last >= level) {
                    self.headings.pop();
                }
                self.headings.push((level, title));
                return;
            }
            Block::Paragraph(text) => (text, false),
            Block::Item(text) => (text, true),
        };
        // What is left of a line of icons, flags or empty parentheses says nothing.
        if !text.chars().any(char::is_alphanumeric) {
            return;
        }
        for (_, title) in std::mem::take(&mut self.headings) {
            if title.chars().any(char::is_alphanumeric) {
                self.write(&title, false);
            }
        }
        self.write(&text, is_item);
    }

    fn write(&mut self, text: &str, is_item: bool) {
        if !self.out.is_empty() {
            self.out.push_str(if is_item && self.after_item { "\n" } else { "\n\n" });
        }
        if is_item {
            self.out.push_str("- ");
        }
        self.out.push_str(text);
        self.after_item = is_item;
    }
}
