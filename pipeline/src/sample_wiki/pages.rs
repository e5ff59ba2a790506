//! The pages of one language: which kinds, in which order, about whom.

use super::article::Article;
use super::lexicon::{LEXICONS, Lexicon, RELATIVES, TOPICS};
use super::names::Name;
use super::random::Random;
use super::sentence::Sentence;
use super::{Kind, Page, SampleLanguage, Truth, tag};
use std::collections::HashSet;

/// One unique subject a page.
pub(super) fn names(seed: u64, count: usize) -> Vec<Name> {
    let mut random = Random::new(seed, "names");
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(count);
    while names.len() < count {
        let name = Name::draw(&mut random);
        // Belarusian writes o as a, so names are compared in its spelling, the poorest.
        if seen.insert(name.write("bel_Cyrl")) {
            names.push(name);
        }
    }
    names
}

/// What the page at this place in every twenty is. All that refer to another page have an article before them.
fn plan(place: usize) -> &'static str {
    match place % 20 {
        3 => "redirect",
        5 => "stub",
        7 => "talk",
        9 => "template",
        11 => "duplicate",
        13 => "near",
        15 => "wrong",
        17 => "broken",
        _ => "article",
    }
}

/// All pages of the language at `index` of [`LEXICONS`], one for each name.
pub(super) fn generate(seed: u64, index: usize, names: &[Name]) -> SampleLanguage {
    let lexicon = LEXICONS[index];
    let mut random = Random::new(seed, lexicon.tag);
    let mut language = SampleLanguage {
        tag: tag(lexicon),
        wikipedia_code: lexicon.code,
        pages: Vec::with_capacity(names.len()),
        lexicon,
        sentences: HashSet::new(),
    };
    let mut latest: Option<(u64, Article)> = None;
    for (place, name) in names.iter().enumerate() {
        let id = place as u64 + 1;
        // Mixed, so that no topic always falls on the same kind.
        let topic = (place + place / 20) % TOPICS.len();
        let mut page = page(lexicon, index, id, topic, name, &mut latest, &mut language.sentences, &mut random);
        if let Kind::Duplicate { of } = page.truth.kind {
            page.wikitext = language.pages[of as usize - 1].wikitext.clone();
        }
        language.pages.push(page);
    }
    language
}

#[allow(clippy::too_many_arguments)] // One call, and each is a different thing.
fn page(
    lexicon: &'static Lexicon,
    index: usize,
    id: u64,
    topic: usize,
    name: &Name,
    latest: &mut Option<(u64, Article)>,
    sentences: &mut HashSet<String>,
    random: &mut Random,
) -> Page {
    let [talk, user, _, template, _] = lexicon.namespaces;
    let title = name.write(lexicon.tag);
    let article_page = |kind, article: &Article, wikitext, title| Page {
        id,
        title,
        wikitext,
        namespace: 0,
        truth: Truth { kind, clean_text: Some(article.clean()), topic: Some(TOPICS[article.topic]) },
    };
    let other_page = |kind, title, wikitext, namespace| Page {
        id,
        title,
        wikitext,
        namespace,
        truth: Truth { kind, clean_text: None, topic: None },
    };
    match (plan(id as usize - 1), latest.as_ref()) {
        ("redirect", Some((to, target))) => {
            let wikitext = format!("#{} [[{}]]", lexicon.redirect, target.name);
            other_page(Kind::Redirect { to: *to }, title, wikitext, 0)
        }
        ("talk", Some((_, about))) => {
            let remark = Sentence::filler(lexicon, &about.name, random).text;
            sentences.insert(remark.clone());
            let wikitext = format!("== {} ==\n{remark} [[{user}:{title}]]\n:{{{{ping|{title}}}}}", about.name);
            // The subject's name alone could have a talk page already, where a page refers to the same article.
            other_page(Kind::Talk, format!("{talk}:{}/{title}", about.name), wikitext, 1)
        }
        ("template", _) => {
            let wikitext =
                format!("<noinclude>{title}</noinclude><includeonly>'''{{{{{{1|{title}}}}}}}'''</includeonly>");
            other_page(Kind::Template, format!("{template}:{title}"), wikitext, 10)
        }
        ("stub", _) => {
            let article = Article::stub(lexicon, title.clone(), topic, random);
            let wikitext = article.wikitext(lexicon, random);
            sentences.extend(article.sentences().map(str::to_owned));
            article_page(Kind::Stub, &article, wikitext, title)
        }
        ("near", Some((of, first))) => {
            let article = first.with_one_sentence_changed(lexicon, random);
            sentences.extend(article.sentences().map(str::to_owned));
            let wikitext = article.wikitext(lexicon, random);
            article_page(Kind::NearDuplicate { of: *of }, &article, wikitext, title)
        }
        ("wrong", _) => {
            let relative = LEXICONS[RELATIVES[index]];
            let article = Article::draw(relative, name.write(relative.tag), topic, random);
            sentences.extend(article.sentences().map(str::to_owned));
            let wikitext = article.wikitext(lexicon, random);
            article_page(Kind::WrongLanguage(tag(relative)), &article, wikitext, title)
        }
        ("broken", _) => {
            let article = Article::draw(lexicon, title.clone(), topic, random);
            sentences.extend(article.sentences().map(str::to_owned));
            let wikitext = article.broken(lexicon, random);
            article_page(Kind::Broken, &article, wikitext, title)
        }
        ("duplicate", Some((of, first))) => {
            // Written by the caller, who has the first page's wikitext.
            article_page(Kind::Duplicate { of: *of }, first, String::new(), title)
        }
        _ => {
            let article = Article::draw(lexicon, title.clone(), topic, random);
            sentences.extend(article.sentences().map(str::to_owned));
            let wikitext = article.wikitext(lexicon, random);
            let page = article_page(Kind::Article, &article, wikitext, title);
            *latest = Some((id, article));
            page
        }
    }
}
