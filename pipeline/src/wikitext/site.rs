//! What a wiki calls its namespaces: by these names a link is a picture, a category or an article.

use super::magic_words;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of the namespaces that matter here, the same on every MediaWiki.
const FILE: i32 = 6;
pub(crate) const TEMPLATE: i32 = 10;
pub(crate) const MODULE: i32 = 828;
pub(super) const CATEGORY: i32 = 14;

/// English names, which every wiki understands beside its own.
const CANONICAL: &[(i32, &str)] = &[
    (-2, "media"),
    (-1, "special"),
    (1, "talk"),
    (2, "user"),
    (3, "user talk"),
    (4, "project"),
    (4, "wikipedia"),
    (5, "project talk"),
    (6, "file"),
    (6, "image"),
    (7, "file talk"),
    (8, "mediawiki"),
    (9, "mediawiki talk"),
    (10, "template"),
    (11, "template talk"),
    (12, "help"),
    (13, "help talk"),
    (14, "category"),
    (15, "category talk"),
    (100, "portal"),
    (118, "draft"),
    (828, "module"),
    (829, "module talk"),
];

/// Names of pictures and categories that wikis took over from the language they were translated from;
/// a dump does not list them.
const ALIASES: &[(i32, &str)] = &[
    (6, "bild"),
    (6, "datei"),
    (6, "fichier"),
    (6, "archivo"),
    (6, "imagen"),
    (6, "ficheiro"),
    (6, "imagem"),
    (6, "immagine"),
    (6, "plik"),
    (6, "grafika"),
    (6, "файл"),
    (6, "изображение"),
    (6, "зображення"),
    (6, "attēls"),
    (6, "vaizdas"),
    (6, "bestand"),
    (6, "afbeelding"),
    (6, "fil"),
    (6, "billede"),
    (6, "soubor"),
    (6, "súbor"),
    (6, "slika"),
    (6, "слика"),
    (6, "dosya"),
    (6, "berkas"),
    (6, "चित्र"),
    (6, "छवि"),
    (6, "ছবি"),
    (6, "चित्रम्"),
    (14, "kategorie"),
    (14, "catégorie"),
    (14, "categoría"),
    (14, "categoria"),
    (14, "categorie"),
    (14, "kategoria"),
    (14, "kategori"),
    (14, "kategorija"),
    (14, "категория"),
    (14, "категорія"),
    (14, "категорија"),
    (14, "वर्ग"),
];

/// Endings that only the name of a picture or recording has.
const MEDIA_ENDINGS: &[&str] = &[
    ".jpg", ".jpeg", ".png", ".svg", ".gif", ".tif", ".tiff", ".webp", ".ogg", ".oga", ".ogv", ".webm", ".mid", ".wav",
];

/// Prefixes that look like a language code and are none.
const PROJECTS: &[&str] = &["voy", "mw", "wmf", "rfc", "doi", "isbn", "urn", "hdl"];

/// What a link leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A page whose link is part of the text.
    Page,
    /// A picture, sound or film.
    File,
    /// A category of this page.
    Category,
    /// The same article in another language.
    Language,
}

/// Names of one wiki.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Lower-case name to number.
    names: BTreeMap<String, i32>,
    /// Words that begin redirects beside those that are known on every wiki.
    redirect_words: BTreeSet<String>,
    /// Names of the namespaces as the wiki writes them.
    own: BTreeMap<i32, String>,
    name: String,
    server: String,
    /// Code of the language where no address tells it.
    code: Option<String>,
    /// Whether magic words have other names here beside the English ones.
    has_names: bool,
}

impl Default for Site {
    fn default() -> Self {
        Site::new(BTreeMap::new())
    }
}

impl Site {
    /// The dump's own names (number to name) beside the English ones.
    pub fn new(own: BTreeMap<i32, String>) -> Site {
        let mut names: BTreeMap<String, i32> =
            ALIASES.iter().chain(CANONICAL).map(|(number, name)| (normal(name), *number)).collect();
        for (number, name) in &own {
            if !name.is_empty() {
                names.insert(normal(name), *number);
            }
        }
        let (name, server) = (String::new(), String::new());
        Site { names, redirect_words: BTreeSet::new(), own, name, server, code: None, has_names: false }
    }

    /// What the wiki is called (`Vikipedeja`) and an address of one of its pages.
    pub fn introduce(&mut self, name: &str, address: &str) {
        name.clone_into(&mut self.name);
        let host = address.split_once("//").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
        self.server = if host.is_empty() { String::new() } else { format!("//{host}") };
        self.has_names = magic_words::has_names(self.language());
    }

    /// The code of the wiki's language, for one that has no address.
    pub fn speak(&mut self, code: &str) {
        self.code = Some(code.to_owned());
        self.has_names = magic_words::has_names(self.language());
    }

    /// The English name of a magic word or parser function (with its `#`): the wiki may have one of its own.
    pub(crate) fn english<'n>(&self, name: &'n str) -> &'n str {
        let own = if self.has_names { magic_words::english(self.language(), name) } else { None };
        own.unwrap_or(name)
    }

    /// What the wiki is called; empty where the dump does not say.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `//ltg.wikipedia.org`; empty where the dump does not say.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The code of the wiki's language, the first word of its address; `en` where the dump does not say.
    pub(crate) fn language(&self) -> &str {
        let host = self.server.trim_start_matches('/').trim_start_matches("www.");
        host.split('.').next().filter(|code| !code.is_empty()).or(self.code.as_deref()).unwrap_or("en")
    }

    /// A namespace as the wiki writes it, else in English; empty for articles.
    pub(crate) fn namespace_name(&self, number: i32) -> &str {
        if let Some(name) = self.own.get(&number) {
            return name;
        }
        CANONICAL.iter().find(|(known, _)| *known == number).map_or("", |(_, name)| name)
    }

    /// Number, name and English name of every namespace that the wiki or MediaWiki names.
    pub(crate) fn namespaces(&self) -> Vec<(i32, &str, &'static str)> {
        let mut numbers: BTreeSet<i32> = self.own.keys().copied().collect();
        if numbers.is_empty() {
            numbers.extend(CANONICAL.iter().map(|(number, _)| *number));
        }
        numbers.insert(0);
        let canonical = |number| CANONICAL.iter().find(|(known, _)| *known == number).map_or("", |(_, name)| name);
        numbers.into_iter().map(|number| (number, self.namespace_name(number), canonical(number))).collect()
    }

    /// One more name of a namespace.
    pub fn add_alias(&mut self, namespace: i32, name: &str) {
        self.names.insert(normal(name), namespace);
    }

    /// One more word for redirects, without `#`.
    pub fn add_redirect_word(&mut self, word: &str) {
        self.redirect_words.insert(normal(word));
    }

    /// Number of the namespace a title is in; 0 for articles.
    pub fn namespace_of(&self, title: &str) -> i32 {
        title.split_once(':').and_then(|(prefix, _)| self.names.get(&normal(prefix))).copied().unwrap_or(0)
    }

    /// What a link without a leading colon leads to.
    pub fn target(&self, link: &str) -> Target {
        let Some((prefix, rest)) = link.split_once(':') else { return Target::Page };
        match self.names.get(&normal(prefix)) {
            Some(&FILE) => return Target::File,
            Some(&CATEGORY) => return Target::Category,
            Some(_) => return Target::Page,
            None => {}
        }
        let ending = rest.rfind('.').map(|dot| rest[dot..].trim_end().to_lowercase());
        if ending.is_some_and(|ending| MEDIA_ENDINGS.contains(&ending.as_str())) {
            return Target::File;
        }
        if is_language_code(prefix.trim()) && !rest.starts_with(' ') { Target::Language } else { Target::Page }
    }

    /// Whether a page's source does nothing but send the reader on.
    pub fn is_redirect(&self, source: &str) -> bool {
        let Some((word, after)) = redirect_word(source) else { return false };
        magic_words::is_redirect_word(&word)
            || self.redirect_words.contains(&word)
            || is_alone(after) && !word.contains(' ') && source.trim_start().chars().nth(1) != Some(' ')
    }
}

/// The first word of a page that may be a redirect, in lower case, and the link behind it.
pub(super) fn redirect_word(source: &str) -> Option<(String, &str)> {
    let rest = source.trim_start().strip_prefix(['#', '＃'])?;
    let end = rest.find(['[', ':', '\n'])?;
    let (word, after) = (normal(&rest[..end]), rest[end..].trim_start_matches([':', ' ']));
    (after.starts_with("[[") && !word.is_empty()).then_some((word, after))
}

/// Whether nothing follows a link.
pub(super) fn is_alone(link: &str) -> bool {
    link.split_once("]]").is_some_and(|(_, tail)| tail.trim().is_empty())
}

fn is_language_code(prefix: &str) -> bool {
    let mut parts = prefix.split('-');
    let first = parts.next().unwrap_or_default();
    let letters =
        |part: &str| !part.is_empty() && part.len() <= 8 && part.bytes().all(|byte| byte.is_ascii_lowercase());
    (prefix == "simple" || (2..=3).contains(&first.len()) && letters(first) && parts.all(letters))
        && !PROJECTS.contains(&prefix)
}

/// Names are compared without case, and an underscore is a space.
fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split(|c: char| c == '_' || c.is_whitespace()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    match out.is_ascii() {
        true => out.make_ascii_lowercase(),
        false => out = out.to_lowercase(),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_by_the_names_of_the_wiki() {
        let mut site = Site::new(BTreeMap::from([(6, "Fails".to_owned()), (14, "Kategoreja".to_owned())]));
        site.add_alias(6, "Bylds");
        for (link, target) in [
            ("Lobs", Target::Page),
            ("fails:A b", Target::File),
            ("BYLDS:x", Target::File),
            ("Image:x.png", Target::File),
            ("Nazynoms:x.PNG", Target::File),
            ("Kategoreja:X", Target::Category),
            ("en:Article", Target::Language),
            ("be-x-old:Артыкул", Target::Language),
            ("Re: answer", Target::Page),
            ("iso: 9", Target::Page),
            ("Help:X", Target::Page),
            ("wikt:word", Target::Page),
            ("voy:place", Target::Page),
        ] {
            assert_eq!(site.target(link), target, "{link}");
        }
    }

    #[test]
    fn a_wiki_knows_its_names() {
        let mut site = Site::new(BTreeMap::from([(0, String::new()), (10, "Taiss".to_owned())]));
        assert_eq!((site.language(), site.server(), site.name()), ("en", "", ""));
        site.introduce("Vikipedeja", "https://ltg.wikipedia.org/wiki/Suoku_puslopa");
        assert_eq!((site.language(), site.server(), site.name()), ("ltg", "//ltg.wikipedia.org", "Vikipedeja"));
        assert_eq!([0, 10, 14].map(|number| site.namespace_name(number)), ["", "Taiss", "category"]);
    }

    #[test]
    fn redirects_by_word_and_by_shape() {
        let site = Site::default();
        assert!(site.is_redirect("#REDIRECT [[A]] {{R from B}}"));
        assert!(site.is_redirect("#перенаправление: [[A]]"));
        assert!(site.is_redirect("#NAZYNOMS [[A]]\n"));
        assert!(!site.is_redirect("# [[A]]\n# [[B]]"));
        assert!(!site.is_redirect("#one [[A]] and more"));
        assert!(!site.is_redirect("text"));
        // Each with something behind the link, so that the word alone tells.
        for word in ["ՎԵՐԱՀՂՈՒՄ", "перенапр", "PŘESMĚRUJ", "تغییر_مسیر", "ÖMLEIDE OP", "đổi"]
        {
            assert!(site.is_redirect(&format!("#{word} [[A]] {{{{x}}}}")), "{word}");
        }
        assert!(site.is_redirect("＃転送 [[A]] {{x}}"));
    }
}
