//! The main content of a web page: the part with the running text, without what links elsewhere.
//!
//! Text is cut into runs at the borders of block elements. A run counts by its letters outside of links, less those
//! inside, and little where it is short: menus, teasers and captions are short and linked, articles are neither.
//! The content is the smallest element that holds nearly all that its parent has; inside of it, parts that are named
//! as something else or are mostly links are left out. No word of any language is looked at, only the names that
//! authors give to parts of pages, which are English the world over.

use super::{is_block, is_dropped};
use ego_tree::{NodeId, NodeRef};
use scraper::node::Element;
use scraper::{Html, Node as Kind};
use std::collections::HashSet;

/// A child is gone into where it holds this share of what its parent holds.
const SHARE: f64 = 0.8;
/// The same for an element that says that it is the content.
const NAMED_SHARE: f64 = 0.5;
/// Letters from which a run counts in full.
const LONG: usize = 40;
/// What is named as something else and holds this share of the page is the content all the same.
const HELD: f64 = 0.4;
/// The same of a header, which a page's preamble may be as well as its name and menu.
const HEADER: f64 = 0.1;
/// What a letter of a shorter run counts.
const SHORT_WEIGHT: f64 = 0.25;
/// A part with more of its letters in links is a list of links.
const LINKED_SHARE: f64 = 0.6;

/// Names that parts have which are not the content, as whole words of `class` and `id`.
const ELSEWHERE: &[&str] = &[
    "ad",
    "ads",
    "advert",
    "advertisement",
    "banner",
    "breadcrumb",
    "breadcrumbs",
    "byline",
    "comment",
    "comments",
    "cookie",
    "cookies",
    "copyright",
    "disqus",
    "footer",
    "gdpr",
    "hidden",
    "login",
    "menu",
    "meta",
    "modal",
    "nav",
    "navbar",
    "navigation",
    "newsletter",
    "outbrain",
    "pager",
    "pagination",
    "popup",
    "print",
    "promo",
    "recommended",
    "related",
    "respond",
    "rss",
    "share",
    "sharing",
    "sidebar",
    "signup",
    "skip",
    "social",
    "sponsor",
    "sponsored",
    "subscribe",
    "subscription",
    "taboola",
    "tags",
    "teaser",
    "toolbar",
    "widget",
    "widgets",
];

/// Nodes of `page` that are outside of the main content: their text is left out. None where nothing is.
/// Linear in the page, however deep it nests.
pub(super) fn outside(page: &Html) -> Outside {
    let mut outline = Outline::new(page);
    let Some(body) = outline.body else { return Outside::default() };
    let all = outline.held();
    let whole = all[body].score;
    if whole <= 0.0 {
        return Outside::default();
    }
    let mut left = HashSet::new();
    for (at, held) in all.iter().enumerate().skip(body) {
        let Node { node, parent, .. } = outline.nodes[at];
        let share = held.score / whole;
        let named = node.value().as_element().is_some_and(|element| {
            // A name counts for little on what holds the text: a layout can be called `with-sidebar`.
            let most = if element.name() == "header" { HEADER } else { HELD };
            share < most && says_elsewhere(element)
        });
        if named {
            left.insert(node.id());
        }
        outline.nodes[at].elsewhere = named || at > body && outline.nodes[parent].elsewhere;
    }
    let parts = outline.held();
    // Down to the smallest part that holds the text.
    let mut at = body;
    for child in body + 1..outline.nodes.len() {
        let Node { node, parent, .. } = outline.nodes[child];
        let share = if says_content(node) { NAMED_SHARE } else { SHARE };
        let held = parts[at].score;
        if parent == at && held > 0.0 && holds_parts(node) && parts[child].score >= share * held {
            let around = outline.nodes[at].node.children().map(|other| other.id());
            left.extend(around.filter(|other| *other != node.id()));
            at = child;
        }
    }
    for (part, Node { node, .. }) in all.iter().zip(&outline.nodes).skip(at + 1) {
        let linked = part.letters > 0 && part.linked as f64 > LINKED_SHARE * part.letters as f64;
        if linked && node.value().as_element().is_some_and(|element| begins_run(element.name())) {
            left.insert(node.id());
        }
    }
    Outside { left }
}

/// Nodes whose text is left out.
#[derive(Debug, Default)]
pub(super) struct Outside {
    left: HashSet<NodeId>,
}

impl Outside {
    pub(super) fn contains(&self, node: NodeId) -> bool {
        self.left.contains(&node)
    }
}

/// What an element, or a run, holds.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    letters: usize,
    linked: usize,
    score: f64,
}

#[derive(Clone, Copy)]
struct Node<'a> {
    node: NodeRef<'a, Kind>,
    /// Its index; its own for the first.
    parent: usize,
    /// Of the runs that stand directly in it.
    own: Part,
    /// In a part that is named as something else.
    elsewhere: bool,
}

/// The elements of a page in the order of their opening tags.
struct Outline<'a> {
    nodes: Vec<Node<'a>>,
    body: Option<usize>,
}

impl<'a> Outline<'a> {
    fn new(page: &'a Html) -> Outline<'a> {
        let mut outline = Outline { nodes: Vec::new(), body: None };
        let (mut run, mut links) = (Part::default(), 0usize);
        // Elements that are open; the next node, and whether it is met on the way down. No recursion: a page may nest
        // deeper than a stack.
        let mut open: Vec<usize> = Vec::new();
        let mut next = Some((page.tree.root(), true));
        while let Some((node, down)) = next {
            let mut inside = down;
            match node.value() {
                Kind::Element(element) if down && is_dropped(element) => inside = false,
                Kind::Element(element) => {
                    let name = element.name();
                    if begins_run(name) {
                        // On the way down the run before it belongs to what is around it.
                        outline.close(&mut run, open.last());
                    }
                    match name {
                        "a" if down => links += 1,
                        "a" => links = links.saturating_sub(1),
                        _ => {}
                    }
                    if down {
                        let index = outline.nodes.len();
                        let parent = open.last().copied().unwrap_or(index);
                        outline.nodes.push(Node { node, parent, own: Part::default(), elsewhere: false });
                        outline.body = outline.body.or((name == "body").then_some(index));
                        open.push(index);
                    } else {
                        open.pop();
                    }
                }
                Kind::Text(text) if down => {
                    let letters = letters(text);
                    run.letters += letters;
                    run.linked += if links > 0 { letters } else { 0 };
                }
                _ => {}
            }
            let is_open = inside && node.value().is_element();
            next = match (if inside { node.first_child() } else { None }, node.next_sibling()) {
                (Some(child), _) => Some((child, true)),
                (None, _) if is_open => Some((node, false)),
                (None, Some(sibling)) => Some((sibling, true)),
                (None, None) => node.parent().map(|parent| (parent, false)),
            };
        }
        outline
    }

    /// Gives a run that ended to the element that it stands in.
    fn close(&mut self, run: &mut Part, owner: Option<&usize>) {
        let mut run = std::mem::take(run);
        let Some(owner) = owner else { return };
        let free = (run.letters as f64 - 2.0 * run.linked as f64).max(0.0);
        run.score = free * if run.letters < LONG { SHORT_WEIGHT } else { 1.0 };
        self.nodes[*owner].own.add(run);
    }

    /// What every element holds with all that is in it, without what is elsewhere.
    fn held(&self) -> Vec<Part> {
        let mut held: Vec<Part> =
            self.nodes.iter().map(|node| if node.elsewhere { Part::default() } else { node.own }).collect();
        for at in (1..held.len()).rev() {
            let (part, parent) = (held[at], self.nodes[at].parent);
            if parent != at {
                held[parent].add(part);
            }
        }
        held
    }
}

impl Part {
    fn add(&mut self, other: Part) {
        self.letters += other.letters;
        self.linked += other.linked;
        self.score += other.score;
    }
}

/// Elements at whose borders a run ends.
fn begins_run(name: &str) -> bool {
    is_block(name) || matches!(name, "li" | "tr" | "td" | "th" | "dt" | "dd" | "body")
}

/// Letters and digits; one of Chinese or Japanese stands for three.
fn letters(text: &str) -> usize {
    let weight = |c: char| if matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}') { 3 } else { 1 };
    text.chars().filter(|c| c.is_alphanumeric()).map(weight).sum()
}

/// Whether it can hold more than one paragraph.
fn holds_parts(node: NodeRef<Kind>) -> bool {
    let one = ["p", "h1", "h2", "h3", "h4", "h5", "h6", "li", "dt", "dd", "pre", "blockquote"];
    node.value().as_element().is_some_and(|element| !one.contains(&element.name()))
}

fn says_content(node: NodeRef<Kind>) -> bool {
    let Some(element) = node.value().as_element() else { return false };
    matches!(element.name(), "main" | "article")
        || element.attr("role") == Some("main")
        || element.attr("itemprop") == Some("articleBody")
}

fn says_elsewhere(element: &Element) -> bool {
    if matches!(element.name(), "body" | "html" | "main" | "article") {
        return false;
    }
    let named = |value: &str| {
        value
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| ELSEWHERE.iter().any(|name| word.eq_ignore_ascii_case(name)))
    };
    matches!(element.name(), "nav" | "aside" | "header" | "footer" | "form" | "figcaption")
        || ["class", "id"].iter().any(|key| element.attr(key).is_some_and(named))
        || matches!(element.attr("role"), Some("navigation" | "banner" | "contentinfo" | "complementary" | "search"))
        || element.attr("hidden").is_some()
        || element.attr("aria-hidden") == Some("true")
        || element.attr("style").is_some_and(|style| style.replace(' ', "").contains("display:none"))
}

#[cfg(test)]
mod tests {
    use super::super::{HtmlContent, to_text};

    /// A sentence long enough to count in full.
    const SENTENCE: &str = "Vīnā dīnā pa upi atguoja laiva ar lobdeibu, i vysi cylvāki suoka runuot par tū.";

    fn main(body: &str) -> String {
        to_text(&format!("<html><body>{body}</body></html>"), HtmlContent::Main)
    }

    #[test]
    fn a_line_that_is_all_link_is_no_text_and_a_link_in_a_sentence_is() {
        let story = format!("<h2>Laiva</h2><p>{SENTENCE}</p><p>{SENTENCE} <a href=x>Upe</a>.</p>");
        let page = format!("{story}<p><a href='/avize'>Nu avizis, 3. marta</a></p><div><a href=y>Runoj!</a></div>");
        assert_eq!(main(&page), format!("Laiva\n\n{SENTENCE}\n\n{SENTENCE} Upe."));
    }

    #[test]
    fn the_part_with_the_text_is_found_between_menus_and_teasers() {
        let menu = "<li><a href=a>Sports</a></li><li><a href=b>Kultura</a></li>".repeat(5);
        let teaser = format!("<div class='box related'><h3>Vēļ</h3><p>{SENTENCE}</p></div>");
        let article = format!("<div><h1>Laiva</h1>{}</div>", format!("<p>{SENTENCE}</p>").repeat(6));
        let page =
            format!("<div><ul>{menu}</ul></div><div><div>{article}{teaser}</div><div>Šudiņ +5</div></div><p>© 2020");
        let text = main(&page);
        assert!(text.starts_with("Laiva\n\nVīnā") && text.ends_with(SENTENCE), "{text}");
        assert_eq!(text.matches(SENTENCE).count(), 6);
    }

    #[test]
    fn a_name_says_nothing_of_what_holds_the_text() {
        let page = format!("<div class=sidebar-layout>{}</div>", format!("<p>{SENTENCE}</p>").repeat(3));
        assert_eq!(main(&page).matches(SENTENCE).count(), 3);
    }

    #[test]
    fn a_page_of_equal_parts_stays_whole_and_one_of_links_too() {
        let articles = format!("<article><h2>1</h2><p>{SENTENCE}</p></article>").repeat(30);
        let page = format!("<h1>Deklaraceja</h1><header><p>{}</p></header>{articles}", SENTENCE.repeat(8));
        assert_eq!(main(&page).matches(SENTENCE).count(), 38);
        assert_eq!(main("<ul><li><a href=a>vīns</a><li><a href=b>div</a></ul>"), "vīns\ndiv");
        // In one paragraph is more than in all others: they are content all the same.
        let page = format!("<h1>Laiva</h1><p>{SENTENCE}</p><p>{}</p>", SENTENCE.repeat(9));
        assert_eq!(main(&page).matches(SENTENCE).count(), 10);
    }

    #[test]
    fn deep_nesting_takes_no_stack_and_bounded_time() {
        let page = format!("{}<p>{SENTENCE}", "<div>a".repeat(20_000));
        let begun = std::time::Instant::now();
        assert!(main(&page).ends_with(SENTENCE));
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}
