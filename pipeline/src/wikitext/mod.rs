//! Wiki markup becomes plain text: what a reader of the page would read as running text, and nothing else.
//!
//! First [`expand`] puts the dump's templates in, where it has them. Then three passes, each linear in the length of
//! the page: [`markup`] takes the source apart with a stack of what is open (templates, tables, links), [`lines`] turns
//! lines into paragraphs, headings and lists, [`debris`] cleans what dropped markup left behind. Of templates that
//! nobody knows, those that only dress their text keep it ([`templates`]).

mod debris;
mod elements;
mod entities;
mod expand;
mod habits;
mod lines;
mod links;
mod magic_words;
mod markup;
mod names;
mod settings;
mod site;
mod survival;
mod tables;
mod tags;
mod templates;
mod title;
mod unseen;
mod variants;

pub use expand::{Gatherer, Ledger, ModuleError, Overrun, Page, Templates};
pub use habits::{Habits, Learner, PageKind};
pub use names::{NameLearner, Names};
pub use settings::{MarkupSettings, Shown, Use};
pub use site::{Site, Target};
use std::sync::Arc;
pub use survival::{Survival, lost_numbers, survival};
pub(crate) use tags::BLOCKS;
use tongues_languages::normalise::Changes;
pub use variants::Variant;

/// What the text of a page depends on besides the page.
#[derive(Debug, Clone, Default)]
pub struct Wiki {
    /// Names of the wiki.
    pub site: Arc<Site>,
    /// Its templates; none leaves the calls of templates out.
    pub templates: Option<Arc<Templates>>,
    /// What its pages teach of it.
    pub habits: Arc<Habits>,
    /// What becomes of the parts of its pages.
    pub markup: MarkupSettings,
}

/// What a page came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PageText {
    /// Plain text; paragraphs separated by blank lines.
    pub text: String,
    /// What became of its templates.
    pub ledger: Ledger,
    /// As far as its source tells; none of what is no page of a wiki.
    pub kind: Option<PageKind>,
    /// Titles of the closing sections that were left out.
    pub closing_sections: Vec<String>,
    /// What normalising changed.
    pub changes: Changes,
}

impl PageText {
    /// A text without more to say of it.
    pub fn plain(text: String) -> PageText {
        PageText { text, ..PageText::default() }
    }
}

/// What a page of a wiki comes to: its closing sections left out where the settings want it, templates expanded,
/// markup gone. Never fails or panics; the same page and wiki always give the same text.
pub fn page_text(source: &str, page: Page, wiki: &Wiki) -> PageText {
    let (cut, closing_sections) = wiki.habits.without_closing_sections(source);
    let kind = wiki.habits.kind_of(page.title, &cut, &wiki.site);
    let (source, closing_sections) = match wiki.markup.closing_sections {
        Use::Drop => (cut.as_ref(), closing_sections),
        Use::Keep => (source, Vec::new()),
    };
    let (text, ledger) = expanded_text(source, page, wiki);
    PageText { text, ledger, kind: Some(kind), closing_sections, changes: Changes::default() }
}

/// Plain text of a page with its templates expanded, and what was met on the way. A page that asks for too much is
/// taken as it was written.
fn expanded_text(source: &str, page: Page, wiki: &Wiki) -> (String, Ledger) {
    let Some(templates) = wiki.templates.as_ref().filter(|_| source.contains("{{")) else {
        return (text_with(source, &wiki.site, &wiki.markup), Ledger::default());
    };
    let hidden = debris::hide_empty_parentheses(source);
    // Before templates, whose arguments a bar of a variant would part.
    let chosen = variants::chosen(&hidden, wiki.site.language(), wiki.markup.variant);
    match expand::expand(&chosen, page, &wiki.site, templates) {
        Ok((expanded, ledger)) => {
            let expanded = variants::chosen(&expanded, wiki.site.language(), wiki.markup.variant);
            (lines::arrange(&markup::strip(&expanded, &wiki.site, &wiki.markup)), ledger)
        }
        Err(overrun) => {
            let unexpanded = [(overrun.name().to_owned(), 1)].into();
            (text_with(source, &wiki.site, &wiki.markup), Ledger { unexpanded, ..Ledger::default() })
        }
    }
}

/// Plain text of a page: paragraphs separated by a blank line, lists as lines with `- `, headings as lines.
/// Never fails or panics, whatever the source.
///
/// ```
/// use tongues_pipeline::wikitext::{Site, to_text};
/// let source = "'''Lobs''' ({{lang|de|Bach}}) is a [[river]]s' name.<ref>A book</ref>\n\n== See also ==\n[[Category:X]]";
/// assert_eq!(to_text(source, &Site::default()), "Lobs (Bach) is a rivers' name.");
/// ```
pub fn to_text(source: &str, site: &Site) -> String {
    text_with(source, site, &MarkupSettings::default())
}

/// The same by these settings.
fn text_with(source: &str, site: &Site, settings: &MarkupSettings) -> String {
    let source = debris::hide_empty_parentheses(source);
    let source = variants::chosen(&source, site.language(), settings.variant);
    lines::arrange(&markup::strip(&source, site, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        to_text(source, &Site::default())
    }

    #[test]
    fn a_page_with_a_bit_of_everything() {
        let source = "{{Infobox\n| name = X {{nested|[[a]]}}\n| b = {{{1|c}}}\n}}\n'''X''' ({{IPA|x}}, {{lang-lv|iks}}; ) is ''the'' \
            [[letter (sign)|letter]] of [[File:x.jpg|thumb|A [[caption]] with {{t}}|alt]]it.<!-- no -->\nSame paragraph&nbsp;&mdash; \
            A&amp;B.<ref name=\"a\">{{cite|x}}</ref><ref name=a />\n\n{| class=\"w\"\n|-\n! a !! b\n|-\n| c || d\n{| \n| inner\n|}\n|}\n\
            == History ==\n* one\n** two [[c|d]]s\n# three\n; term : meaning\n: indented\n\n== Empty ==\n=== Also ===\n\n== Links ==\n\
            [http://x.y/z A site] [http://x.y] http://bare.org<br/>next\n{{DEFAULTSORT:X}}\n__NOTOC__\n[[Category:Y]]\n[[en:X]]\n[[:Category:Z]]";
        assert_eq!(
            text(source),
            "X (iks) is the letter of it. Same paragraph — A&B.\n\nHistory\n\n- one\n- two ds\n- three\n- term: meaning\n\n\
             indented\n\nLinks\n\nA site http://bare.org\nnext\n\nCategory:Z"
        );
    }

    #[test]
    fn templates_that_dress_their_text_keep_it() {
        assert_eq!(
            text("{{convert|5|km|mi}} to {{formatnum:1234.5}} {{nowrap|a b}} {{Lang|lv|upe}} {{unknown|x}}."),
            "5 km to 1234.5 a b upe."
        );
        assert_eq!(text("a {{convert|5|to|7|km}}, {{lang|1=lv|2=upe}}"), "a 5 to 7 km, upe");
    }

    #[test]
    fn raw_text_stays_raw() {
        assert_eq!(text("a <nowiki>''b'' &lt;</nowiki> c"), "a ''b'' < c");
        assert_eq!(text("<pre>a\n  b</pre>"), "a\n  b");
        assert_eq!(
            text("x <math>\\frac{{a}}{b}</math>; <syntaxhighlight lang=c>{|  '</syntaxhighlight>z"),
            "x \\frac{{a}}{b}; {| 'z"
        );
    }

    #[test]
    fn programs_keep_how_they_are_set_in() {
        let code = "def f(x):\n    if x:\n\treturn  [[1]]\n\n    return 2";
        let wanted = "def f(x):\n    if x:\n    return  [[1]]\n\n    return 2";
        assert_eq!(
            text(&format!("A.\n<syntaxhighlight lang=\"python\">\n{code}\n</syntaxhighlight>\nB.")),
            format!("A.\n\n{wanted}\n\nB.")
        );
        assert_eq!(text("<pre>\n  a &lt; b\n    c\n  d\n</pre>"), "a < b\n  c\nd");
        // A space at the beginning says that a line is typed, and is none of it.
        assert_eq!(text("A.\n\n while x:\n   ''y''  z\n\nB."), "A.\n\nwhile x:\n  y  z\n\nB.");
        assert_eq!(text("    Set in  by mistake.\nB."), "Set in by mistake.\nB.");
        let prose = "Prose with a  space ".repeat(8);
        let (prose, wanted) = (prose.trim(), prose.trim().replace("  ", " "));
        assert_eq!(text(&format!(" {prose}\n   And  b.")), format!("{wanted}\nAnd b."));
        assert_eq!(text("a  b <code>c  d</code> <math>e  f</math>"), "a b c d e f");
    }

    #[test]
    fn what_is_left_open_takes_nothing_else_with_it() {
        assert_eq!(text("One [[broken link.\n\nTwo."), "One broken link.\n\nTwo.");
        assert_eq!(text("One.\n\n{{Infobox\n| a = b\n\nTwo [[x|y]]."), "One.\n\nTwo y.");
        assert_eq!(text("One.\n{| class=x\n|-\n| cell\n\nTwo."), "One.\n\nTwo.");
        assert_eq!(text("One <ref>open\nTwo.<ref>shut</ref> Three."), "One Two. Three.");
        assert_eq!(text("a }} b ]] c |} d </ref> e"), "a b c d e");
    }

    #[test]
    fn bars_of_markup_go_and_bars_of_the_text_stay() {
        // Found in dumps: an address with a bar and no space, a bar before the label, a link that lacks a bracket.
        assert_eq!(text("a [http://x.y/?v=1|«Z» «Z» 2] b"), "a «Z» 2 b");
        assert_eq!(text("a [http://x.y/?v=1|b]."), "a.");
        assert_eq!(text("a ([http://x.y/z | label])"), "a (label)");
        assert_eq!(text("«[http://x.y/z PDF][http://x.y/z DJVU]»"), "«PDF DJVU»");
        assert_eq!(text("a [one|two]] b [one|two] c [[d|e [f]] g"), "a two b [one|two] c e [f g");
        assert_eq!(text("{{quote|[http://x.y|a b]}}"), "a b");
        // A bar is a danda, a sign of code or of metre, or parts the words of a title.
        for own in ["मूलम् | असे ||२||", "a || b, |z| = 1", "[x|y] z", "M{0,3}(C|D)"] {
            assert_eq!(text(own), own);
        }
        assert_eq!(text("[http://x.y Title | Site]"), "Title | Site");
    }

    #[test]
    fn a_table_may_stand_behind_a_comment_or_tags_that_vanish() {
        for before in ["<!-- x -->", "<small><b>", ":<!-- x -->", ": <small>", "<!-- x\n -->"] {
            assert_eq!(text(&format!("One.\n{before}{{| class=x\n|-\n| cell\n|}}\nTwo.")), "One.\n\nTwo.", "{before}");
        }
        assert_eq!(text("so <!-- x -->{| is no table"), "so is no table");
    }

    #[test]
    fn boxes_and_what_is_hidden_go_with_all_they_hold() {
        assert_eq!(text("a<div class=\"navbox\">b<div>c</div>[[d]]\n* e</div>f"), "af");
        assert_eq!(text("5<span style=\"display:none\">05</span> km<span class=\"nowrap\"> long</span>"), "5 km long");
        // One that is left open takes nothing with it.
        assert_eq!(text("<div class=\"noprint\">a\n\nb<div class=\"noprint\">c</div>"), "a\n\nb");
    }

    #[test]
    fn small_things() {
        assert_eq!(text("[[Foo (bar)|]] [[a|b]]s [[:en:X|X]] l'''''b''''' ''''q'''"), "Foo bs X lb 'q");
        assert_eq!(text("== A ==\n=== B ===\ntext"), "A\n\nB\n\ntext");
        assert_eq!(text("a\n----\nb"), "a\n\nb");
        assert_eq!(
            text("<gallery>\nFile:a.jpg|b\n</gallery><div style='x'>c</div><span>d</span> 1 < 2"),
            "c\n\nd 1 < 2"
        );
        assert_eq!(text(""), "");
    }

    /// Sources put together at random from nasty pieces leave no debris, and take time in proportion.
    #[test]
    fn no_source_leaves_debris_or_panics() {
        const PIECES: &[&str] = &[
            "{{",
            "}}",
            "{{{",
            "}}}",
            "[[",
            "]]",
            "[",
            "]",
            "{|",
            "|}",
            "\n{|",
            "\n|}",
            "|",
            "\n|-",
            "\n!",
            "||",
            "<ref>",
            "</ref>",
            "<ref",
            "/>",
            "<!--",
            "-->",
            "<nowiki>",
            "</nowiki>",
            "<pre>",
            "<math>",
            "</div>",
            "<br>",
            "<table>",
            "</table>",
            "''",
            "'''",
            "==",
            "\n==",
            "\n\n",
            "\n",
            "*",
            ":",
            ";",
            "#",
            "File:a.jpg",
            "http://x",
            "[http://x ",
            "é",
            "例",
            "&lt;",
            "&#91;",
            "&#x7b;",
            "&amp;",
            "&",
            "(",
            ")",
            ",",
            " ",
            "word",
            "{{lang|xx|",
            "__TOC__",
            "_",
            "<",
            ">",
            "{",
            "}",
        ];
        let mut state = 1_u64;
        let mut random = |n: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % n
        };
        for _ in 0..3000 {
            let length = 1 + random(40);
            let source: String = (0..length).map(|_| PIECES[random(PIECES.len())]).collect();
            let got = text(&source);
            for debris in ["{{", "}}", "[[", "]]", "{|", "|}", "<ref>", "<ref ", "</ref>", "<br>", "<div", "<!--"] {
                assert!(!got.contains(debris), "{debris} left\nof {source:?}\nin {got:?}");
            }
            assert!(!got.contains("\n\n\n") && got.trim() == got, "{source:?} gave {got:?}");
        }
        for piece in PIECES {
            let started = std::time::Instant::now();
            text(&piece.repeat(100_000));
            assert!(started.elapsed().as_secs() < 5, "{piece:?}");
        }
    }
}
