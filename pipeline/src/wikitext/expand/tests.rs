//! Whole expansions. Values marked with a page are MediaWiki's own: its help pages, or the tests of its extension
//! ParserFunctions (tests/parser/funcsParserTests.txt).

use super::*;
use crate::wikitext::{Wiki, expanded_text};
use std::sync::Arc;

/// A wiki of Latgalian with these templates (name, source), articles where the name begins with a colon, and the article
/// `Lobs`.
fn wiki(templates: &[(&str, &str)]) -> Wiki {
    wiki_in("en", templates)
}

fn wiki_in(code: &str, templates: &[(&str, &str)]) -> Wiki {
    let mut site = Site::new(BTreeMap::from([(10, "Taiss".to_owned()), (14, "Kategoreja".to_owned())]));
    site.introduce("Vikipedeja", &format!("https://{code}.wikipedia.org/wiki/Main"));
    let mut gatherer = Gatherer::new().unwrap();
    gatherer.page(0, "Lobs", "2018-02-28T13:05:09Z");
    for (name, source) in [("Pad", "pad")].iter().chain(templates) {
        if let Some(title) = name.strip_prefix(':') {
            gatherer.article(title, source, &site).unwrap();
            continue;
        }
        let title = format!("Taiss:{name}");
        gatherer.page(10, &title, "2017-01-01T00:00:00Z");
        gatherer.template(&title, source, site.is_redirect(source), &site).unwrap();
    }
    Wiki { site: Arc::new(site), templates: Some(Arc::new(gatherer.finish().unwrap().unwrap())), ..Wiki::default() }
}

fn page() -> Page<'static> {
    Page { title: "Lobs (upe)", timestamp: Some("2016-05-06T07:08:09Z") }
}

fn run(templates: &[(&str, &str)], source: &str) -> Result<(String, Ledger), Overrun> {
    let wiki = wiki(templates);
    let done = expand(source, page(), &wiki.site, wiki.templates.as_ref().unwrap());
    done.map(|(text, ledger)| (text.replace(HOLE, ""), ledger))
}

#[track_caller]
fn check(templates: &[(&str, &str)], cases: &[(&str, &str)]) {
    for (source, wanted) in cases {
        let got = run(templates, source).map(|(text, _)| text);
        assert_eq!(got.as_deref(), Ok(*wanted), "{source}");
    }
}

#[track_caller]
fn functions(cases: &[(&str, &str)]) {
    check(&[], cases);
}

#[test]
fn parameters() {
    let templates = [
        ("Show", "<{{{1}}}|{{{2|none}}}|{{{name|}}}>"),
        ("Default", "{{{1|{{{2|x}}}}}}"),
        ("Computed", "{{{{{{which}}}}}}"),
        ("Pass", "{{Show|{{{1}}}|name={{{1}}}}}"),
    ];
    check(
        &templates,
        &[
            // Help:Templates: named arguments lose white space at both ends, numbered ones keep it.
            ("{{Show| a |name=  b \n}}", "< a |none|b>"),
            ("{{Show|2=b|1= a }}", "<a|b|>"),
            ("{{Show|a|1=b}}", "<b|none|>"), // the last one counts
            ("{{Show}}", "<{{{1}}}|none|>"),
            ("{{Show|}}", "<|none|>"), // empty is not missing
            ("{{Show|a=b=c|x}}", "<x|none|>"),
            ("{{Show|1=a=b}}", "<a=b|none|>"),
            ("{{Show|{{=}}}}", "<=|none|>"), // an `=` that is made names nothing
            ("{{Show|[[a=b|c]]}}", "<[[a=b|c]]|none|>"),
            ("{{show}} {{ taiss : show }} {{Template:Show}}", "<{{{1}}}|none|> <{{{1}}}|none|> <{{{1}}}|none|>"),
            ("{{Default}}{{Default|a}}{{Default|2=b}}", "xab"),
            ("{{Computed|which=name|name=v}}", "v"),
            ("{{Pass| a }}", "< a |none|a>"),
            ("{{{1}}} {{{1|x}}}", "{{{1}}} x"), // on a page
        ],
    );
}

#[test]
fn arguments_are_expanded_when_asked_for_and_where_they_were_written() {
    let templates = [
        ("Never", "{{#if:|{{{1}}}|no}}"),
        ("Outer", "{{Inner|{{{1}}}}}"),
        ("Inner", "({{{1}}},{{{2|inner}}})"),
        ("Twice", "{{{1}}}{{{1}}}"),
    ];
    let (text, ledger) = run(&templates, "{{Never|{{Missing}}}}{{Outer|x|outer}}").unwrap();
    assert_eq!((text.as_str(), ledger.missing, ledger.included), ("no(x,inner)", 0, 3));
    // Once expanded, an argument is not expanded again.
    assert_eq!(run(&templates, "{{Twice|{{Inner|a}}}}").unwrap().1.included, 2);
}

#[test]
fn inclusion_tags_and_redirects() {
    check(
        &[
            ("Doc", "text<noinclude> documentation {{Doc}}</noinclude><includeonly> [[Kategoreja:X]]</includeonly>"),
            ("Only", "before <onlyinclude>kept</onlyinclude> after"),
            ("Short", "#REDIRECT [[Taiss:Only]]"),
            ("Long", "#REDIRECT [[Taiss:short]]"),
        ],
        &[("{{Doc}}", "text [[Kategoreja:X]]"), ("{{Only}}", "kept"), ("{{Short}}{{Long}}", "keptkept")],
    );
}

#[test]
fn lists_and_tables_begin_a_line() {
    check(
        &[("List", "* a"), ("Table", "{|\n|}"), ("Text", "a")],
        &[("x {{List}}", "x \n* a"), ("x\n{{List}}", "x\n* a"), ("x {{Table}}", "x \n{|\n|}"), ("x {{Text}}", "x a")],
    );
}

/// The sections of funcsParserTests.txt of these names.
#[test]
fn conditions() {
    functions(&[
        ("[{{#ifexpr:}},{{#if:}},{{#ifeq:}},{{#switch:}},{{#ifexist:}}]", "[,,,,]"),
        ("{{#ifexpr:|true|false}} {{#if:|true|false}} {{#ifeq:||equal|not equal}}", "false false equal"),
        ("{{#switch:|=empty|#default=something else}} {{#ifexist:|true|false}}", "empty false"),
        ("{{#if: string | yes | no}}{{#if:      | yes | no}}{{#if:\n\n| yes | no}}", "yesnono"),
        ("{{#if: foo | yes }}({{#if: | yes }}){{#if: {{{1}}} | yes | no}}{{#if: {{{1|}}} | yes | no}}", "yes()yesno"),
        ("{{#ifeq: 01 | 1 | yes | no}}{{#ifeq: 0 | -0 | yes | no}}{{#ifeq: foo | Foo | yes | no}}", "yesyesno"),
        ("{{#ifeq: \"01\" | \"1\" | yes | no}}{{#ifeq: a'b | a&#39;b | yes | no}}", "noyes"),
        (
            "{{#iferror: {{#expr: 1 + 2 }} | error | correct }}{{#iferror: {{#expr: 1 + X }} | error | correct }}",
            "correcterror",
        ),
        ("{{#iferror: {{#expr: 1 + 2 }} | error }}{{#iferror: {{#expr: 1 + X }} }}", "3"),
        ("{{#ifexpr: 1 > 0 | yes }}({{#ifexpr: 1 < 0 | yes }})({{#ifexpr: (-1)*0 | true | false }})", "yes()(false)"),
        (
            "{{#ifexist: lobs | yes | no}} {{#ifexist: Template:pad | yes | no}} {{#ifexist: Lobs2 | yes | no}}",
            "yes yes no",
        ),
    ]);
}

#[test]
fn switch() {
    functions(&[
        ("<{{#switch: foo | bar | #default = DEF }}><{{#switch: foo | #default | bar = DEF }}>", "<DEF><DEF>"),
        ("<{{#switch: foo | #default | bar = DEF | baz = GHI }}>", "<DEF>"),
        ("<{{#switch: foo | #defaultWTF? = This is crazy }}>", "<>"),
        ("{{#switch:foo&bar|foo&amp;bar=yes|no}} {{#switch:foo&bar|fred=1|foo&amp;bar|g=yes|no}}", "yes yes"),
        ("{{#switch:none|foo=1|bar=2|#default=no match|baz=3}}", "no match"),
        ("{{#switch:none|foo=1|bar=2|#default=ignored|baz=3|Second default}}", "Second default"),
        ("{{#switch: 01 | 1 = yes | no}}{{#switch: 0 | -0 = yes | no}}{{#switch: foo | Foo = yes | no}}", "yesyesno"),
        ("{{#switch: 1 | 02 | 01 = yes | no}}{{#switch: \"01\" | \"1\" = yes | no}}", "yesno"),
        // Help:Extension:ParserFunctions, ##switch: cases fall through to the next value.
        ("{{#switch: baz | foo = Foo | baz = Baz | Bar }} {{#switch: x | a | x | b = one | c = two}}", "Baz one"),
        ("{{#switch: a | a = {{Pad}} | b = {{Missing}} }}", "pad"),
        ("{{#switch:foo|bar|baz=no|*default}}", "\n*default".trim_start_matches('\n')), // at the beginning of a line
    ]);
}

#[test]
fn sums() {
    functions(&[
        ("{{#expr: 1/3 round 5 }} {{#expr: 1 + 1 }} {{#expr: }}", "0.33333 2 "),
        ("{{#ifexpr: {{#expr: 6 mod 4}} = 2 | a | b}}", "a"),
        ("{{#expr: {{formatnum:1,234|R}} + 1}}", "1235"),
    ]);
}

/// Help:Magic words, "Formatting" and "URL data"; funcsParserTests.txt for `#titleparts`.
#[test]
fn strings() {
    functions(&[
        ("{{lc:STRASSE Ā}} {{uc:strasse ā}} {{lcfirst:Āa}} {{ucfirst:āa}}", "strasse ā STRASSE Ā āa Āa"),
        (
            "{{padleft:xyz|5}} {{padleft:xyz|5|_}} {{padleft:xyz|5|abc}} {{padleft:xyz|2}} {{padleft:|1|xyz}}",
            "00xyz __xyz abxyz xyz x",
        ),
        ("{{padright:xyz|5}} {{padright:xyz|5|_}} {{padright:xyz|5|abc}} {{padright:|1|xyz}}", "xyz00 xyz__ xyzab x"),
        ("{{formatnum:987654321.654321}} {{formatnum:987,654,321.654321|R}}", "987,654,321.654321 987654321.654321"),
        ("{{formatnum:1234567|NOSEP}}", "1234567"),
        ("{{plural:1|is|are}} {{plural:2|is|are}} {{plural:0|0=none|one|many}}", "is are none"),
        ("{{grammar:genitive|Lobs}} {{gender:X|he|she|they}} {{gender:X|he}}", "Lobs they he"),
        ("{{urlencode:x y z á é (~)}}", "x+y+z+%C3%A1+%C3%A9+%28%7E%29"),
        ("{{urlencode:x y z á|PATH}} {{urlencode:x y z á|WIKI}}", "x%20y%20z%20%C3%A1 x_y_z_%C3%A1"),
        (
            "{{localurl:MediaWiki}} {{localurl:MediaWiki|printable=yes}}",
            "/wiki/MediaWiki /w/index.php?title=MediaWiki&printable=yes",
        ),
        ("{{fullurl:Lobs}} {{ns:10}} {{ns:Template}} [{{ns:0}}]", "//en.wikipedia.org/wiki/Lobs Taiss Taiss []"),
        ("{{#titleparts:A/b/c/d|1}} {{#titleparts:A/b/c/d|-3}} {{#titleparts:A/b/c/d||2}}", "A A b/c/d"),
        ("{{#titleparts:A/b/c/d||-2}} {{#titleparts:A/b/c/d|1|2}} {{#titleparts:A/b/c/d|1|-2}}", "c/d b c"),
        ("{{#tag:ref|text|name=x}} {{#tag:NOWIKI|}}", "<ref name=\"x\">text</ref> <nowiki />"),
        ("[{{DEFAULTSORT:x}}{{DISPLAYTITLE:y}}{{#nonsense:x}}]", "[]"),
        ("{{#time:j F Y|2001-01-15}} {{#time:Y-m-d}} {{#iferror:{{#time:Y|x}}|bad}}", "15 January 2001 2018-02-28 bad"),
    ]);
}

#[test]
fn variables() {
    functions(&[
        (
            "{{PAGENAME}} {{FULLPAGENAME}} {{PAGENAMEE}} [{{NAMESPACE}}] {{TALKPAGENAME}}",
            "Lobs (upe) Lobs (upe) Lobs_(upe) [] talk:Lobs (upe)",
        ),
        ("{{PAGENAME:Taiss:a b}} {{NAMESPACE:Template:A}} {{FULLPAGENAME:template:a/b}}", "A b Taiss Taiss:A/b"),
        ("{{SUBPAGENAME:Template:A/b}} {{BASEPAGENAME:Template:A/b}} {{SUBPAGENAME:A/b}}", "b A A/b"),
        ("{{SITENAME}} {{SERVER}} {{CONTENTLANGUAGE}}", "Vikipedeja //en.wikipedia.org en"),
        (
            "{{CURRENTYEAR}}-{{CURRENTMONTH}}-{{CURRENTDAY2}} {{CURRENTMONTHNAME}} {{LOCALTIMESTAMP}}",
            "2018-02-28 February 20180228130509",
        ),
        ("{{REVISIONYEAR}} {{REVISIONMONTH}} {{REVISIONTIMESTAMP}}", "2016 05 20160506070809"),
        ("{{#if:x|a{{!}}b}} {{pagename}}", "a|b "), // names of variables have one case
    ]);
}

#[test]
fn what_is_no_template_says_what_it_can() {
    let templates = [
        ("Convert", "{{#invoke:Convert|convert}}"),
        ("Core", "{{#invoke:X|y}}"),
        ("Lang", "<i>{{core|{{{2}}}}}</i>"),
        ("Box", "[{{#invoke:X|y}}{{{1}}}]"),
    ];
    let (text, ledger) =
        run(&templates, "{{Convert|5|km|mi}} {{lang|lv|upe}} {{Box|a}} {{nowrap|b}} {{unheard|of}}").unwrap();
    // A module's template that dresses its text keeps it, as one that the dump lacks does.
    assert_eq!(text, "5 km upe [a] b ");
    assert_eq!((ledger.modules, ledger.missing, ledger.included, ledger.expanded), (3, 2, 4, 1));
    let (_, ledger) = run(&templates, "{{:Lobs}} {{unheard|of}}").unwrap();
    assert_eq!((ledger.articles, ledger.missing), (1, 1));
    functions(&[
        ("{{safesubst:#if:x|a}} {{subst:Pad|x}} {{a{b|{{Pad}}}}", "a {{subst:Pad|x}} {{a{b|pad}}"),
        // As templates write it that may be copied into a page (Help:Substitution).
        ("{{ {{{|safesubst:}}}#if:x|a}}{{<includeonly>safesubst:</includeonly>pad}}", "apad"),
        ("<nowiki>{{Pad}}</nowiki> <ref>{{Pad}}</ref> {{msg:Pad}}", "<nowiki>{{Pad}}</nowiki> <ref/> pad"),
        ("{{:Lobs}}", ""),
    ]);
}

#[test]
fn loops_end_where_they_begin() {
    let templates = [("A", "a{{B|{{{1|}}}}}"), ("B", "b{{A|x{{{1|}}}}}"), ("Self", "s{{Self}}{{Self|2}}")];
    let (text, ledger) = run(&templates, "{{A}} {{Self}}").unwrap();
    assert_eq!((text.as_str(), ledger.loops), ("ab s", 3));
}

/// A page that asks for too much stays as it was written, says why, and takes no time.
#[test]
fn budgets() {
    let mut doubling: Vec<(String, String)> =
        (0..40).map(|i| (format!("D{i}"), format!("{{{{D{}}}}}{{{{D{}}}}}", i + 1, i + 1))).collect();
    doubling.push(("D40".to_owned(), "x".to_owned()));
    doubling.push(("Long".to_owned(), "{{{1}}}{{{1}}}{{{1}}}{{{1}}}".to_owned()));
    let templates: Vec<(&str, &str)> = doubling.iter().map(|(name, source)| (&name[..], &source[..])).collect();
    let nested = |open: &str, close: &str, count: usize| open.repeat(count) + "x" + &close.repeat(count);
    for (source, overrun) in [
        ("{{D0}}".to_owned(), Overrun::TooManySteps),      // 2^40 inclusions
        (nested("{{Long|1=", "}}", 15), Overrun::TooLong), // 4^15 letters
        (nested("{{#if:", "}}", 150), Overrun::TooDeep),
        (nested("{{{a|", "}}}", 150), Overrun::TooDeep),
        ("{{Pad}}".repeat(600_000), Overrun::TooManySteps),
    ] {
        let started = std::time::Instant::now();
        let head: String = source.chars().take(20).collect();
        assert_eq!(run(&templates, &source).err(), Some(overrun), "{head}");
        let (text, ledger) = expanded_text(&format!("Lobs irā. {source}"), page(), &wiki(&templates));
        assert!(text.starts_with("Lobs irā."), "{head}");
        assert_eq!(ledger.unexpanded, BTreeMap::from([(overrun.name().to_owned(), 1)]), "{head}");
        assert!(started.elapsed().as_secs() < 20, "{head}");
    }
    // A template that includes itself twice with other parameters, thirty times: 4^30 without a guard.
    let (text, _) = run(&[("Multi", "m{{Multi|{{{1}}}a}}{{Multi|{{{1}}}b}}")], "{{Multi|x}}").unwrap();
    assert_eq!(text, "m");
}

/// Sources made to kill parsers give some text, in time and without a panic, and the machine's stack holds.
#[test]
fn sources_made_to_kill() {
    let wiki = wiki(&[("X", "{{{1|}}}"), ("Y", "{{Y|{{{1|}}}}}{{X|{{{1}}}}}"), ("Open", "{{X|"), ("Shut", "}} ]] |}")]);
    let mut sources: Vec<String> = vec![
        "<x>".repeat(14) + "[[{{x}}",
        "{{".repeat(40_000),
        "{{".repeat(20_000) + &"}}".repeat(20_000),
        "[[".repeat(20_000) + &"]]".repeat(20_000),
        "{{{".repeat(27_000),
        "{{x|".repeat(20_000) + &"}}".repeat(20_000),
        "{{#if:x|".repeat(95) + "deep" + &"}}".repeat(95),
        "{{x|".repeat(95) + "deep" + &"}}".repeat(95),
        "{{x|1=".repeat(90) + "{{y}}" + &"}}".repeat(90),
        "{|\n".repeat(20_000) + "{{x}}",
        "{{x|{{x|".repeat(10_000),
        "<ref>{{x|<div class=navbox>".repeat(5_000),
        "{{open}}a}} b {{shut}} {{x|{{shut}}}}".repeat(500),
        "{{#switch:a|".to_owned() + &"b|".repeat(100_000) + "c}}",
        "{{#expr:".to_owned() + &"(".repeat(100_000) + "}}",
        "{{padleft:x|99999999999999999999}}{{padleft:|500|ā}}{{#time:Y|".to_owned() + &"9".repeat(10_000) + "}}",
        "{{#titleparts:a/b|-9223372036854775808|9223372036854775807}}{{#expr:1 round 99999999999}}".to_owned(),
        "<noinclude><includeonly><onlyinclude><nowiki><!--".repeat(5_000),
        "x".repeat(10_000_000) + "{{x}}",
    ];
    sources.push("<div class=navbox>".repeat(20_000) + "{{x}}");
    sources.push("<span style=display:none><ref>{{x|a}}".repeat(5_000));
    for source in sources {
        let started = std::time::Instant::now();
        let (text, _) = expanded_text(&source, page(), &wiki);
        let head: String = source.chars().take(30).collect();
        assert!(!text.contains("{{") && !text.contains("[["), "{head}");
        assert!(started.elapsed().as_secs() < 20, "{head}: {:?}", started.elapsed());
    }
}

/// Pages and templates put together at random from pieces: always some text, the same one twice, no debris.
#[test]
fn no_source_panics_or_leaves_debris() {
    const PIECES: &[&str] = &[
        "{{",
        "}}",
        "{{{",
        "}}}",
        "|",
        "=",
        "[[",
        "]]",
        "{|",
        "\n|}",
        "\n",
        "*",
        ":",
        "1",
        "a",
        "b",
        "é",
        "{{a",
        "{{b|",
        "{{{1|",
        "{{{a}}}",
        "#if:",
        "#switch:",
        "#expr:",
        "1+1",
        "#time:",
        "Y-m-d",
        "#ifeq:",
        "lc:",
        "padleft:",
        "#titleparts:",
        "#tag:ref|",
        "PAGENAME",
        "<ref>",
        "</ref>",
        "<nowiki>",
        "</nowiki>",
        "<!--",
        "-->",
        "<noinclude>",
        "</noinclude>",
        "<includeonly>",
        "</includeonly>",
        "<onlyinclude>",
        "</onlyinclude>",
        "<div class=\"navbox\">",
        "</div>",
        "subst:",
        "{{!}}",
        " ",
        "|x=",
        "#invoke:",
    ];
    let mut state = 7_u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    let mut source = |longest: usize| -> String {
        let length = 1 + random(longest);
        (0..length).map(|_| PIECES[random(PIECES.len())]).collect()
    };
    for _ in 0..2000 {
        let [a, b, text] = [source(12), source(12), source(40)];
        let wiki = wiki(&[("A", &a), ("B", &b)]);
        let first = expanded_text(&text, page(), &wiki);
        assert_eq!(first, expanded_text(&text, page(), &wiki), "{text:?} with {a:?} and {b:?}");
        for debris in ["{{", "}}", "[[", "]]", "{|", "|}", "<ref>", "<div"] {
            assert!(!first.0.contains(debris), "{debris} left of {text:?} with {a:?} and {b:?}: {:?}", first.0);
        }
    }
}

#[test]
fn the_text_of_a_page_has_what_its_templates_say() {
    let wiki = wiki(&[
        ("Century", "{{#switch:{{{1}}}|15=XV|16=XVI}} amžs"),
        ("Stub", "{| class=\"metadata stub\"\n| This is a stub\n|}[[Kategoreja:Stubs]]"),
        ("Note", ":''For others, see [[{{{1}}}]].''"),
        ("Commons", "<div class=\"noprint\">More at <div>Commons</div></div>"),
        ("Km", "{{formatnum:{{{1}}}}}&nbsp;km<span style=\"display:none\">{{{1}}}</span>"),
    ]);
    let source = "{{Note|Lobs}}\n'''Lobs''' ({{century|15}}) is {{km|1234}} long.\n* {{km|5}}\n{{Commons}}\n{{Stub}}";
    let (text, ledger) = expanded_text(source, page(), &wiki);
    assert_eq!(text, "Lobs (XV amžs) is 1,234 km long.\n\n- 5 km");
    assert_eq!((ledger.expanded, ledger.included, ledger.missing), (1, 6, 0));
}

#[test]
fn articles_are_included_like_templates() {
    let templates = [
        (":Upis", "All of it.<onlyinclude>\n* [[Lobs]], {{{1|no}}} {{Pad}}</onlyinclude>"),
        (":Around", "<noinclude>x</noinclude>{{:Upis|2}}"),
        (":Round", "<includeonly>a {{:Round}} b</includeonly>"),
        ("Calls", "{{:Upis}}"),
    ];
    check(
        &templates,
        &[
            ("A {{:Upis|1}}", "A \n* [[Lobs]], 1 pad"),
            ("{{:around}}", "\n* [[Lobs]], 2 pad"),
            ("{{Calls}}", "\n* [[Lobs]], no pad"),
            ("{{:Round}}", "a  b"),
            ("a{{:Lobs (upe)}}b{{:Lobs}}", "ab"), // the page itself, and one that is not at hand
        ],
    );
    let (_, ledger) = run(&templates, "{{:Upis}}{{:Round}}{{:Lobs (upe)}}{{:Lobs}}").unwrap();
    assert_eq!((ledger.included, ledger.loops, ledger.articles), (3, 2, 1));
}

#[test]
fn magic_words_have_names_in_the_language_of_the_wiki() {
    for (code, source, wanted) in [
        ("de", "{{SEITENNAME}} {{GROSS:ab}} {{#wechsle:x|y=1|#standard=2}} {{JETZIGES_JAHR}}", "Lobs (upe) AB 2 2018"),
        ("fr", "{{#si: x |{{NOMPAGE}}|b}} {{#selon:c|a=1|#défaut=2}}", "Lobs (upe) 2"),
        ("ru", "{{#если:|a|b}} {{нрег:ЁЖ}} {{НАЗВАНИЕ_СТРАНИЦЫ:Ёж}}", "b ёж Ёж"),
        ("uk", "{{#якщо:1|{{ВРЕГ:я}}|b}}", "Я"),
        ("ar", "{{#لو:|1|2}} {{اسم الصفحة}}", "2 Lobs (upe)"),
        ("es", "{{#si:x|{{NOMBREDEPÁGINA}}}}{{ORDENAR:x}}", "Lobs (upe)"),
        ("en", "{{SEITENNAME}}{{PAGENAME}}", "Lobs (upe)"),
    ] {
        let wiki = wiki_in(code, &[]);
        let (text, _) = expand(source, page(), &wiki.site, wiki.templates.as_ref().unwrap()).unwrap();
        assert_eq!(text.replace(HOLE, ""), wanted, "{code}");
    }
}
