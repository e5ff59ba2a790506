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

/// Languages that are near enough for a second look ([`crate::groups`]): those of [`GROUPS`] and others that are seldom
/// confused by readers, but by a model that sees five words. Each is in one group at most.
pub const NEAR: [&str; 34] = [
    "acm_Arab acq_Arab aeb_Arab ajp_Arab apc_Arab arb_Arab ars_Arab ary_Arab arz_Arab",
    "yue_Hant zho_Hans zho_Hant",
    "bos_Latn hrv_Latn slv_Latn",
    "ace_Latn ban_Latn bjn_Latn ind_Latn jav_Latn min_Latn sun_Latn zsm_Latn",
    "glk_Arab pes_Arab prs_Arab",
    "ckb_Arab hac_Arab",
    "aka_Latn twi_Latn",
    "kin_Latn lug_Latn run_Latn",
    "bam_Latn dyu_Latn",
    "dan_Latn nno_Latn nob_Latn swe_Latn",
    "awa_Deva bho_Deva hin_Deva hne_Deva mag_Deva mai_Deva npi_Deva",
    "ssw_Latn xho_Latn zul_Latn",
    "nso_Latn sot_Latn tsn_Latn",
    "ast_Latn cat_Latn glg_Latn kea_Latn oci_Latn pap_Latn por_Latn spa_Latn",
    "ces_Latn pol_Latn slk_Latn szl_Latn",
    "fur_Latn ita_Latn lij_Latn lmo_Latn scn_Latn srd_Latn vec_Latn",
    "bel_Cyrl bul_Cyrl mkd_Cyrl rus_Cyrl srp_Cyrl ukr_Cyrl",
    "bak_Cyrl kaz_Cyrl kir_Cyrl tat_Cyrl",
    "asm_Beng ben_Beng mni_Beng",
    "bod_Tibt dzo_Tibt",
    "afr_Latn deu_Latn lim_Latn ltz_Latn nld_Latn",
    "lit_Latn ltg_Latn lvs_Latn",
    "kon_Latn lin_Latn lua_Latn",
    "cjk_Latn kmb_Latn umb_Latn",
    "eng_Latn pcm_Latn",
    "ceb_Latn ilo_Latn pag_Latn tgl_Latn war_Latn",
    "kab_Latn shi_Latn taq_Latn",
    "azj_Latn crh_Latn tuk_Latn tur_Latn uzn_Latn",
    "bem_Latn nya_Latn sna_Latn tum_Latn",
    "est_Latn fin_Latn fkv_Latn",
    "fij_Latn mri_Latn smo_Latn",
    "amh_Ethi tir_Ethi",
    "brh_Arab kas_Arab trw_Arab urd_Arab",
    "kam_Latn kik_Latn",
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
        for groups in [&GROUPS[..], &NEAR[..]] {
            seen.clear();
            for one in groups.iter().flat_map(|group| group.split(' ')) {
                assert!(crate::profile::known(one).is_ok() && seen.insert(one), "{one}");
            }
        }
        let tag = |text: &str| text.parse::<Tag>().unwrap();
        assert_eq!((group(tag("hrv_Latn")), group(tag("ltg_Latn"))), (tag("bos_Latn"), tag("ltg_Latn")));
    }
}
