//! Names of months, plain and as they stand in dates. A language that is not here gets their numbers.

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
    Months {
        code: "en",
        plain: "January February March April May June July August September October November December",
        genitive: "",
        short: 3,
    },
    Months {
        code: "be",
        plain: "студзень люты сакавік красавік май чэрвень ліпень жнівень верасень кастрычнік лістапад снежань",
        genitive: "студзеня лютага сакавіка красавіка мая чэрвеня ліпеня жніўня верасня кастрычніка лістапада снежня",
        short: 3,
    },
    Months {
        code: "bn",
        plain: "জানুয়ারি ফেব্রুয়ারি মার্চ এপ্রিল মে জুন জুলাই আগস্ট সেপ্টেম্বর অক্টোবর নভেম্বর ডিসেম্বর",
        genitive: "",
        short: 0,
    },
    Months {
        code: "de",
        plain: "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        genitive: "",
        short: 3,
    },
    Months {
        code: "es",
        plain: "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        genitive: "",
        short: 3,
    },
    Months {
        code: "fr",
        plain: "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        genitive: "",
        short: 0,
    },
    Months {
        code: "hi",
        plain: "जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितम्बर अक्टूबर नवम्बर दिसम्बर",
        genitive: "",
        short: 0,
    },
    Months {
        code: "it",
        plain: "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        genitive: "",
        short: 3,
    },
    Months {
        code: "lt",
        plain: "sausis vasaris kovas balandis gegužė birželis liepa rugpjūtis rugsėjis spalis lapkritis gruodis",
        genitive: "sausio vasario kovo balandžio gegužės birželio liepos rugpjūčio rugsėjo spalio lapkričio gruodžio",
        short: 0,
    },
    Months {
        code: "lv",
        plain: "janvāris februāris marts aprīlis maijs jūnijs jūlijs augusts septembris oktobris novembris decembris",
        genitive: "janvāra februāra marta aprīļa maija jūnija jūlija augusta septembra oktobra novembra decembra",
        short: 3,
    },
    Months {
        code: "mr",
        plain: "जानेवारी फेब्रुवारी मार्च एप्रिल मे जून जुलै ऑगस्ट सप्टेंबर ऑक्टोबर नोव्हेंबर डिसेंबर",
        genitive: "",
        short: 0,
    },
    Months {
        code: "nl",
        plain: "januari februari maart april mei juni juli augustus september oktober november december",
        genitive: "",
        short: 3,
    },
    Months {
        code: "pl",
        plain: "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień",
        genitive: "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
        short: 3,
    },
    Months {
        code: "pt",
        plain: "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        genitive: "",
        short: 3,
    },
    Months {
        code: "ru",
        plain: "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
        genitive: "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
        short: 3,
    },
    Months {
        code: "uk",
        plain: "січень лютий березень квітень травень червень липень серпень вересень жовтень листопад грудень",
        genitive: "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
        short: 0,
    },
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
}
