//! Varieties that even the best identifiers and many readers confuse; counted as one, they show what else is confused.

use crate::tag::Tag;

/// Groups of tags. The first three hold labels that differ by the author's country or by which of two spellings a
/// translator chose; in FLORES-200 whole sentences of one stand word for word in the other.
pub const GROUPS: [&str; 12] = [
    "arb_Arab acm_Arab acq_Arab aeb_Arab ajp_Arab apc_Arab ars_Arab ary_Arab arz_Arab",
    "zho_Hant yue_Hant zho_Hans",
    "bos_Latn hrv_Latn",
    "ind_Latn zsm_Latn",
    "pes_Arab prs_Arab",
    "aka_Latn twi_Latn",
    "kin_Latn run_Latn",
    "bam_Latn dyu_Latn",
    "nob_Latn nno_Latn dan_Latn",
    "awa_Deva bho_Deva hne_Deva hin_Deva mag_Deva mai_Deva",
    "tzm_Tfng zgh_Tfng",
    "grn_Latn gug_Latn",
];

/// The tag that stands for a tag's group: the first of it, or the tag itself.
pub fn group(tag: Tag) -> Tag {
    let group = GROUPS.iter().find(|group| group.split(' ').any(|one| one == tag.as_str()));
    group.and_then(|group| group[..8].parse().ok()).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_of_known_tags_and_apart() {
        let mut seen = std::collections::BTreeSet::new();
        for one in GROUPS.iter().flat_map(|group| group.split(' ')) {
            assert!(crate::profile::known(one).is_ok() && seen.insert(one), "{one}");
        }
        let tag = |text: &str| text.parse::<Tag>().unwrap();
        assert_eq!((group(tag("hrv_Latn")), group(tag("ltg_Latn"))), (tag("bos_Latn"), tag("ltg_Latn")));
    }
}
