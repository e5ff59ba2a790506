//! Labels of fastText models: `__label__eng_Latn` (ours, GlotLID), `__label__eng`, `__label__en` (lid.176).

use crate::profile;
use crate::tag::Tag;

/// What stands before the language in a model's labels.
pub const LABEL: &str = "__label__";

/// Two-letter codes (ISO 639-1) of languages without a profile that has this Wikipedia, by the script of their Wikipedia.
const TWO_LETTERS: &str = "aa:aar_Latn ab:abk_Cyrl an:arg_Latn ar:arb_Arab av:ava_Cyrl bh:bho_Deva bi:bis_Latn br:bre_Latn \
    ce:che_Cyrl co:cos_Latn cv:chv_Cyrl dv:div_Thaa ff:ful_Latn fy:fry_Latn gv:glv_Latn ia:ina_Latn ie:ile_Latn io:ido_Latn \
    ku:kmr_Latn kv:kom_Cyrl kw:cor_Latn la:lat_Latn nv:nav_Latn os:oss_Cyrl rm:roh_Latn sh:hbs_Latn ty:tah_Latn \
    ve:ven_Latn vo:vol_Latn wa:wln_Latn za:zha_Latn";

/// The tags of a model's labels, in the same order; `und_Zzzz` for a code that says nothing here. A script that the
/// label leaves open is that of the only profile of the language, else `Zzzz`. `None` for what is no label at all.
///
/// Three letters are an ISO 639-3 code where all labels have three (or a script), and a Wikipedia's code where some
/// have two: `als` is Tosk Albanian in one and Alemannic in the other.
pub fn tags<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> Option<Vec<Tag>> {
    let bare = |label: &'a str| label.strip_prefix(LABEL).filter(|code| !code.is_empty());
    let wikipedias = labels.clone().filter_map(bare).any(|code| code.len() == 2);
    labels.map(|label| bare(label).map(|code| tag(code, wikipedias))).collect()
}

fn tag(code: &str, wikipedias: bool) -> Tag {
    if let Ok(tag) = code.parse() {
        return tag;
    }
    let by_wikipedia = || profile::for_wikipedia(code).map(|profile| profile.tag);
    let by_table = || {
        let mut pairs = TWO_LETTERS.split_whitespace().filter_map(|pair| pair.split_once(':'));
        pairs.find(|(two, _)| *two == code).and_then(|(_, tag)| tag.parse().ok())
    };
    let by_language = || {
        let mut own = profile::all().filter(|profile| profile.tag.language() == code).map(|profile| profile.tag);
        own.next().filter(|_| own.next().is_none())
    };
    let open = || format!("{code}_Zzzz").parse().ok();
    let found = if wikipedias { by_wikipedia().or_else(by_table).or_else(open) } else { by_language().or_else(open) };
    found.unwrap_or(Tag::UNDETERMINED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(labels: &[&str]) -> Vec<String> {
        tags(labels.iter().copied()).unwrap().iter().map(Tag::to_string).collect()
    }

    #[test]
    fn every_style_leads_to_tags() {
        assert_eq!(found(&["__label__ltg_Latn", "__label__und_Grek"]), ["ltg_Latn", "und_Grek"]);
        // lid.176: Wikipedia's codes; `als` is Alemannic there.
        let styles =
            ["__label__en", "__label__zh", "__label__ceb", "__label__als", "__label__la", "__label__be-tarask"];
        assert_eq!(found(&styles), ["eng_Latn", "zho_Hans", "ceb_Latn", "als_Zzzz", "lat_Latn", "und_Zzzz"]);
        // ISO 639-3 alone; Kashmiri has two scripts.
        assert_eq!(found(&["__label__als", "__label__kas", "__label__eng"]), ["als_Latn", "kas_Zzzz", "eng_Latn"]);
        assert_eq!(tags(["ltg_Latn"].into_iter()), None);
    }
}
