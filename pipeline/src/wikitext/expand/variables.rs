//! Variables: what a page knows of itself, of its wiki and of the date (Help:Magic words). Dates are the dump's, so
//! that a page comes out the same on any day.

use super::*;
use crate::wikitext::title::Title;
use functions::encoded;

impl Expander<'_> {
    /// The value of a variable; none where there is no such variable.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        if !name.starts_with(|c: char| c.is_ascii_uppercase() || matches!(c, '!' | '=')) {
            return None;
        }
        let language = self.site.language();
        let date = |moment: Moment, what: &str| {
            let format = match what {
                "YEAR" => "Y",
                "MONTH" => "m",
                "MONTH1" => "n",
                "MONTHNAME" => "F",
                "MONTHNAMEGEN" => "xg",
                "MONTHABBREV" => "M",
                "DAY" => "j",
                "DAY2" => "d",
                "DAYNAME" => "l",
                "DOW" => "w",
                "WEEK" => "W",
                "TIME" => "H:i",
                "HOUR" => "H",
                "TIMESTAMP" => return Some(moment.format("YmdHis", "en")),
                _ => return None,
            };
            Some(moment.format(format, language))
        };
        for (prefix, moment) in [("CURRENT", self.now), ("LOCAL", self.now), ("REVISION", self.revision)] {
            if let Some(value) = name.strip_prefix(prefix).and_then(|what| date(moment, what)) {
                return Some(value);
            }
        }
        Some(match name {
            "!" => "|".to_owned(),
            "=" => "=".to_owned(),
            "SITENAME" => self.site.name().to_owned(),
            "SERVER" => self.server().to_owned(),
            "SERVERNAME" => self.server().trim_start_matches("//").to_owned(),
            "SCRIPTPATH" => "/w".to_owned(),
            "ARTICLEPATH" => "/wiki/$1".to_owned(),
            "CONTENTLANGUAGE" | "CONTENTLANG" | "PAGELANGUAGE" => language.to_owned(),
            "DIRMARK" | "DIRECTIONMARK" => String::new(),
            _ => return self.value_of(name, &self.title),
        })
    }

    /// `{{PAGENAME:Title}}` and the like: the same of another page.
    pub(super) fn of_title(&self, name: &str, title: &str) -> Option<String> {
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return None;
        }
        match Title::read(title, 0, self.site) {
            Some(title) => self.value_of(name, &title),
            None => self.value_of(name, &self.title).map(|_| String::new()),
        }
    }

    fn value_of(&self, name: &str, title: &Title) -> Option<String> {
        if let Some(plain) = name.strip_suffix('E').filter(|plain| plain.ends_with("NAME") || plain.ends_with("SPACE"))
        {
            return self.value_of(plain, title).map(|value| encoded(&value, "WIKI"));
        }
        let Title { namespace, name: own } = title;
        let space = |number: i32| self.site.namespace_name(number).to_owned();
        let in_space = |number: i32| Title { namespace: number, name: own.clone() }.full(self.site);
        // Articles have no pages below them.
        let cut = own.rfind('/').filter(|_| *namespace != 0);
        let (talk, subject) = if *namespace < 0 { (*namespace, *namespace) } else { (namespace | 1, namespace & !1) };
        Some(match name {
            "PAGENAME" => own.clone(),
            "FULLPAGENAME" => title.full(self.site),
            "BASEPAGENAME" => own[..cut.unwrap_or(own.len())].to_owned(),
            "ROOTPAGENAME" if *namespace != 0 => own.split('/').next().unwrap_or_default().to_owned(),
            "ROOTPAGENAME" => own.clone(),
            "SUBPAGENAME" => own[cut.map_or(0, |cut| cut + 1)..].to_owned(),
            "TALKPAGENAME" => in_space(talk),
            "SUBJECTPAGENAME" | "ARTICLEPAGENAME" => in_space(subject),
            "NAMESPACE" => space(*namespace),
            "NAMESPACENUMBER" => namespace.to_string(),
            "TALKSPACE" => space(talk),
            "SUBJECTSPACE" | "ARTICLESPACE" => space(subject),
            _ => return None,
        })
    }

    /// `//ltg.wikipedia.org`; empty where the dump does not say.
    pub(super) fn server(&self) -> &str {
        self.site.server()
    }
}
