//! What of a language's manners numbers and dates need: separators, digits, plural forms, names of months.
//!
//! Keys are the codes of Wikipedias. Separators, groups and digits are those MediaWiki sets for the language
//! (`$separatorTransformTable`, `$digitGroupingPattern`, `$minimumGroupingDigits`, `$digitTransformTable`); plural
//! forms are CLDR's. A language that is not here writes numbers as English does, and months as numbers.

/// How a language writes numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Language {
    /// Between groups of digits.
    pub(super) group: &'static str,
    /// Before the fraction.
    pub(super) decimal: &'static str,
    /// `12,34,567`: after the first three, groups of two.
    pub(super) by_hundreds: bool,
    /// Digits that stand before the first separator at least.
    pub(super) least_before_group: usize,
    /// Its own zero.
    zero: char,
}

const SPACE: &str = "\u{a0}";

/// A space and a comma: `1 234,5`.
const SPACED: &[&str] = &[
    "ab", "af", "av", "ba", "bat-smg", "be-tarask", "be-x-old", "br", "ce", "cs", "cv", "eo", "et", "fi", "fiu-vro",
    "frp", "fur", "hy", "inh", "it", "kaa", "kk", "koi", "kv", "ky", "lbe", "lez", "lij", "lmo", "ln", "lt", "ltg",
    "lv", "mhr", "mrj", "myv", "nap", "nb", "nn", "no", "oc", "os", "pms", "ru", "sah", "scn", "se", "sgs", "sk", "sv",
    "tt", "tyv", "udm", "vec", "vro", "wa",
];
/// The same, and `1234` stays whole.
const SPACED_FROM_FIVE: &[&str] =
    &["an", "ay", "be", "bg", "es", "gn", "hu", "ka", "nah", "pl", "pt", "qu", "uk", "xmf"];
/// A dot and a comma: `1.234,5`.
const DOTTED: &[&str] = &[
    "als", "ast", "az", "bar", "bs", "ca", "crh", "da", "de", "dsb", "el", "eu", "fo", "fy", "gl", "hr", "hsb", "id",
    "is", "jv", "km", "ksh", "lb", "li", "lo", "mk", "nds", "nds-nl", "nl", "pdc", "pt-br", "ro", "roa-rup", "rue",
    "sh", "sl", "sq", "sr", "srn", "stq", "su", "tk", "tr", "vi", "vls", "zea",
];
/// `12,34,567`.
const BY_HUNDREDS: &[&str] =
    &["as", "bh", "bho", "bn", "bpy", "gu", "hi", "kn", "mai", "ml", "mr", "ne", "new", "or", "pa", "sa", "ta", "te"];

/// Zeros of the languages whose wikis write their own digits.
const ZEROS: &[(char, &[&str])] = &[
    ('०', &["bh", "bho", "mai", "mr", "ne", "new", "sa", "dty"]),
    ('০', &["as", "bn", "bpy"]),
    ('૦', &["gu"]),
    ('୦', &["or"]),
    ('೦', &["kn"]),
    ('၀', &["my", "shn"]),
    ('០', &["km"]),
    ('໐', &["lo"]),
    ('༠', &["bo", "dz"]),
    ('۰', &["fa", "glk", "mzn", "lrc", "ps"]),
    ('٠', &["ckb"]),
    ('߀', &["nqo"]),
    ('᱐', &["sat"]),
    ('꯰', &["mni"]),
];

/// Manners of a language.
pub(super) fn find(code: &str) -> Language {
    let is = |list: &[&str]| list.contains(&code);
    let arabic = is(&["ar", "ckb", "fa", "glk", "lrc", "mzn", "ps"]);
    let (group, decimal) = match code {
        _ if arabic => ("٬", "٫"),
        "fr" => ("\u{202f}", ","),
        _ if is(SPACED) || is(SPACED_FROM_FIVE) => (SPACE, ","),
        _ if is(DOTTED) => (".", ","),
        _ => (",", "."),
    };
    Language {
        group,
        decimal,
        by_hundreds: is(BY_HUNDREDS),
        least_before_group: if is(SPACED_FROM_FIVE) { 2 } else { 1 },
        zero: ZEROS.iter().find(|(_, codes)| is(codes)).map_or('0', |(zero, _)| *zero),
    }
}

impl Language {
    /// An ASCII digit as the language writes it; other characters stay.
    pub(super) fn digit(&self, c: char) -> char {
        match c.to_digit(10) {
            Some(digit) if self.zero != '0' => {
                char::from_u32(self.zero as u32 + digit).expect("digits follow their zero")
            }
            _ => c,
        }
    }

    /// The other way.
    pub(super) fn ascii(&self, c: char) -> char {
        match (c as u32).checked_sub(self.zero as u32) {
            Some(digit @ 0..=9) => char::from_digit(digit, 10).expect("below ten"),
            _ => c,
        }
    }
}

/// Which form of a word goes with a number, from 0.
pub(super) fn plural(code: &str, number: f64) -> usize {
    let whole = number.abs() as u64;
    let (one, two) = (whole % 10, whole % 100);
    if number.fract() != 0.0 {
        return usize::MAX; // the last form there is
    }
    match code {
        "be" | "be-tarask" | "be-x-old" | "bs" | "hr" | "ru" | "sh" | "sr" | "uk" => match (one, two) {
            (1, two) if two != 11 => 0,
            (2..=4, two) if !(12..=14).contains(&two) => 1,
            _ => 2,
        },
        "pl" => match (whole, one, two) {
            (1, ..) => 0,
            (_, 2..=4, two) if !(12..=14).contains(&two) => 1,
            _ => 2,
        },
        "cs" | "sk" => match whole {
            1 => 0,
            2..=4 => 1,
            _ => 2,
        },
        "lt" | "sgs" | "bat-smg" => match (one, two) {
            (1, two) if two != 11 => 0,
            (2..=9, two) if !(11..=19).contains(&two) => 1,
            _ => 2,
        },
        "lv" | "ltg" => match (one, two) {
            (0, _) | (_, 11..=19) => 0,
            (1, _) => 1,
            _ => 2,
        },
        "sl" => match two {
            1 => 0,
            2 => 1,
            3 | 4 => 2,
            _ => 3,
        },
        "ro" => match (whole, two) {
            (1, _) => 0,
            (0, _) | (_, 1..=19) => 1,
            _ => 2,
        },
        "ar" => match (whole, two) {
            (0..=2, _) => whole as usize,
            (_, 3..=10) => 3,
            (_, 11..=99) => 4,
            _ => 5,
        },
        "fr" | "hi" | "bn" | "as" | "gu" | "kn" | "fa" | "am" | "zu" => usize::from(whole > 1),
        // No forms.
        "ja" | "zh" | "ko" | "vi" | "th" | "id" | "ms" | "my" | "km" | "lo" | "yo" | "ig" | "bo" | "dz" => 0,
        _ => usize::from(whole != 1),
    }
}

/// Names of a language's months: plain, and as they stand in dates.
struct Months {
    code: &'static str,
    plain: &'static str,
    /// Empty where they are the same.
    genitive: &'static str,
    /// First letters of the short names; 0 where months are not shortened.
    short: usize,
}

const MONTHS: &[Months] = &[
    Months { code: "en", plain: "January February March April May June July August September October November December", genitive: "", short: 3 },
    Months { code: "be", plain: "студзень люты сакавік красавік май чэрвень ліпень жнівень верасень кастрычнік лістапад снежань", genitive: "студзеня лютага сакавіка красавіка мая чэрвеня ліпеня жніўня верасня кастрычніка лістапада снежня", short: 3 },
    Months { code: "bn", plain: "জানুয়ারি ফেব্রুয়ারি মার্চ এপ্রিল মে জুন জুলাই আগস্ট সেপ্টেম্বর অক্টোবর নভেম্বর ডিসেম্বর", genitive: "", short: 0 },
    Months { code: "de", plain: "Januar Februar März April Mai Juni Juli August September Oktober November Dezember", genitive: "", short: 3 },
    Months { code: "es", plain: "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre", genitive: "", short: 3 },
    Months { code: "fr", plain: "janvier février mars avril mai juin juillet août septembre octobre novembre décembre", genitive: "", short: 0 },
    Months { code: "hi", plain: "जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितम्बर अक्टूबर नवम्बर दिसम्बर", genitive: "", short: 0 },
    Months { code: "it", plain: "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre", genitive: "", short: 3 },
    Months { code: "lt", plain: "sausis vasaris kovas balandis gegužė birželis liepa rugpjūtis rugsėjis spalis lapkritis gruodis", genitive: "sausio vasario kovo balandžio gegužės birželio liepos rugpjūčio rugsėjo spalio lapkričio gruodžio", short: 0 },
    Months { code: "lv", plain: "janvāris februāris marts aprīlis maijs jūnijs jūlijs augusts septembris oktobris novembris decembris", genitive: "janvāra februāra marta aprīļa maija jūnija jūlija augusta septembra oktobra novembra decembra", short: 3 },
    Months { code: "mr", plain: "जानेवारी फेब्रुवारी मार्च एप्रिल मे जून जुलै ऑगस्ट सप्टेंबर ऑक्टोबर नोव्हेंबर डिसेंबर", genitive: "", short: 0 },
    Months { code: "nl", plain: "januari februari maart april mei juni juli augustus september oktober november december", genitive: "", short: 3 },
    Months { code: "pl", plain: "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień", genitive: "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia", short: 3 },
    Months { code: "pt", plain: "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro", genitive: "", short: 3 },
    Months { code: "ru", plain: "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь", genitive: "января февраля марта апреля мая июня июля августа сентября октября ноября декабря", short: 3 },
    Months { code: "uk", plain: "січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень", genitive: "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня", short: 0 },
];

/// How a month is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `травень`
    Plain,
    /// `травня`, as in dates.
    Genitive,
    /// `May`
    Short,
}

/// Name of a month, 1 to 12; none where the language's are not known.
pub(super) fn month(code: &str, month: u32, form: Form) -> Option<String> {
    let found = MONTHS.iter().find(|months| months.code == code)?;
    let list = if form == Form::Genitive && !found.genitive.is_empty() { found.genitive } else { found.plain };
    let name = list.split(' ').nth(month as usize - 1)?;
    let length = if form == Form::Short && found.short > 0 { found.short } else { usize::MAX };
    Some(name.chars().take(length).collect())
}

/// Name of a day of the week, 0 for Sunday; none but in English.
pub(super) fn weekday(code: &str, day: u32) -> Option<&'static str> {
    let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
    (code == "en" || code == "simple").then(|| days[day as usize % 7])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_twelve_months() {
        for months in MONTHS {
            for list in [months.plain, months.genitive].into_iter().filter(|list| !list.is_empty()) {
                assert_eq!(list.split(' ').count(), 12, "{}", months.code);
            }
        }
        assert_eq!(month("uk", 5, Form::Genitive).as_deref(), Some("травня"));
        assert_eq!(month("en", 5, Form::Genitive).as_deref(), Some("May"));
        assert_eq!(month("en", 12, Form::Short).as_deref(), Some("Dec"));
        assert_eq!(month("ltg", 1, Form::Plain), None);
    }

    /// CLDR's examples of integers for each form.
    #[test]
    fn plural_forms() {
        for (code, numbers, form) in [
            ("en", &[1][..], 0),
            ("en", &[0, 2, 11], 1),
            ("fr", &[0, 1], 0),
            ("uk", &[1, 21, 101], 0),
            ("uk", &[2, 4, 22], 1),
            ("uk", &[0, 5, 11, 12, 14, 111], 2),
            ("pl", &[1], 0),
            ("pl", &[2, 22, 104], 1),
            ("pl", &[0, 5, 21, 112], 2),
            ("cs", &[1], 0),
            ("cs", &[2, 4], 1),
            ("cs", &[5, 100], 2),
            ("lv", &[0, 10, 11, 20], 0),
            ("lv", &[1, 21], 1),
            ("lv", &[2, 9, 22], 2),
            ("ar", &[0], 0),
            ("ar", &[2], 2),
            ("ar", &[103], 3),
            ("ja", &[7], 0),
        ] {
            for number in numbers {
                assert_eq!(plural(code, f64::from(*number)), form, "{code} {number}");
            }
        }
    }
}
