//! Modules of our own, run on small wikis.

use crate::wikitext::expand::{Gatherer, Ledger, Page, expand};
use crate::wikitext::{Wiki, debris::HOLE, expanded_text, site::Site};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A wiki of Latgalian with these templates and modules (name, source), `Lobs` among its articles.
fn wiki(templates: &[(&str, &str)], modules: &[(&str, &str)]) -> Wiki {
    let names = [(0, ""), (1, "Sprīža"), (10, "Taiss"), (14, "Kategoreja"), (828, "Modulis")];
    let mut site = Site::new(names.into_iter().map(|(number, name)| (number, name.to_owned())).collect());
    site.introduce("Vikipedeja", "https://ltg.wikipedia.org/wiki/Suokuma_puslopa");
    let mut gatherer = Gatherer::new().unwrap();
    gatherer.page(0, "Lobs", "2018-02-28T13:05:09Z");
    for (name, source) in templates {
        gatherer.template(&format!("Taiss:{name}"), source, false, &site).unwrap();
    }
    for (name, source) in modules {
        gatherer.module(&format!("Modulis:{name}"), source).unwrap();
    }
    let templates = Some(Arc::new(gatherer.finish().unwrap().unwrap()));
    Wiki { site: Arc::new(site), templates, ..Wiki::default() }
}

fn run(wiki: &Wiki, source: &str) -> (String, Ledger) {
    let page = Page { title: "Lobs/upe", timestamp: Some("2016-05-06T07:08:09Z") };
    let (text, ledger) = expand(source, page, &wiki.site, wiki.templates.as_ref().unwrap()).unwrap();
    (text.replace(HOLE, ""), ledger)
}

/// What `return EXPRESSION` gives as a module's function, `frame` at hand.
fn value(expression: &str) -> String {
    let module = format!("local p = {{}}\nfunction p.f(frame)\nreturn {expression}\nend\nreturn p");
    let (text, ledger) = run(&wiki(&[], &[("M", &module)]), "{{#invoke:M|f|a| b |c= d |7=e}}");
    assert!(ledger.failures.is_empty(), "{expression}: {:?}", ledger.failures);
    text
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (expression, wanted) in cases {
        assert_eq!(value(expression), *wanted, "{expression}");
    }
}

#[test]
fn arguments_of_the_call_and_of_the_template_around_it() {
    let module = "local p = {}
        function p.show(frame)
            local own, above = frame.args, frame:getParent().args
            local names = {}
            for name, value in pairs(above) do names[#names + 1] = tostring(name) .. '=' .. value end
            table.sort(names)
            return table.concat({ own[1], own['1'], own.x or 'none', above[1], above.missing or 'none', frame:getTitle(),
                frame:getParent():getTitle(), table.concat(names, ',') }, ';')
        end
        return p";
    let wiki = wiki(&[("T", "{{#invoke:M|show| {{{1}}} |x={{{y|}}} z}}"), ("P", "p")], &[("M", module)]);
    let (text, ledger) = run(&wiki, "{{T|{{P}}|y= q }}");
    assert_eq!(text, " p ; p ;q z;p;none;Modulis:M;Taiss:T;1=p,y=q");
    assert_eq!((ledger.invoked, ledger.modules), (1, 0));
    // Spaces stay in numbered arguments and go from named ones; ipairs stops at the first gap.
    check(&[
        ("frame.args[2] .. '|' .. frame.args.c .. '|' .. frame.args[7] .. tostring(frame.args[3])", " b |d|enil"),
        ("(function() local n = 0 for i in ipairs(frame.args) do n = i end return n end)()", "2"),
        ("(function() local n = 0 for k in pairs(frame.args) do n = n + 1 end return n end)()", "4"),
        ("frame:getParent():getTitle()", "Lobs/upe"),
    ]);
}

#[test]
fn frames_expand_wikitext_templates_and_functions() {
    let module = "local p = {}
        function p.f(frame)
            return table.concat({
                frame:preprocess('{{{1}}}{{T|{{{x}}}}}{{PAGENAME}}'),
                frame:expandTemplate{ title = 'T', args = { 'a|b' } },
                frame:callParserFunction('#if', { '', 'yes', 'no' }),
                frame:callParserFunction{ name = 'lc:ABC', args = {} },
                frame:callParserFunction('#tag', 'nowiki', '[[x]]'),
                frame:extensionTag('ref', 'source', { name = 'n' }),
                frame:extensionTag{ name = 'span', content = 'in', args = { class = 'c' } },
                frame:newChild{ title = 'Taiss:C', args = { 'given' } }:preprocess('{{{1}}}'),
                tostring(pcall(frame.expandTemplate, frame, { title = 'None' })),
            }, ';')
        end
        return p";
    let wiki = wiki(&[("T", "<{{{1}}}>")], &[("M", module)]);
    let (text, ledger) = run(&wiki, "{{#invoke:M|f|one|x=two}}");
    assert_eq!(
        text,
        "one<two>Lobs/upe;<a|b>;no;abc;<nowiki>[[x]]</nowiki>;<ref/>;<span class=\"c\">in</span>;given;false"
    );
    assert_eq!((ledger.included, ledger.missing), (2, 1));
}

/// Values from the Scribunto reference manual, or of PHP and Lua where it has none.
#[test]
fn strings_and_characters() {
    check(&[
        ("mw.ustring.len('āž') .. mw.ustring.sub('šāž', 2, -1) .. mw.ustring.upper('āž')", "2āžĀŽ"),
        ("table.concat({ mw.ustring.find('abcā d', 'ā%s(d)') }, ',')", "4,6,d"),
        ("mw.ustring.gsub('āža', '[āž]', { ['ā'] = 'a' })", "aža2"),
        ("(mw.ustring.gsub('ā b', '(%a) (%a)', '%2 %1'))", "b ā"),
        ("mw.ustring.char(257, 98) .. mw.ustring.codepoint('ā')", "āb257"),
        (
            "(function() local o = '' for c in mw.ustring.gmatch('āb', '.') do o = o .. c .. '.' end return o end)()",
            "ā.b.",
        ),
        ("mw.ustring.toNFD('ā') == 'a\\204\\132'", "true"),
        (
            "('x'):rep(3) .. ('abc'):find('b') .. ('k=v'):match('(%w)=(%w)') .. ('abc'):gsub('%w', '%0%0')",
            "xxx2kaabbcc",
        ),
        (
            "(function() local o = '' for k, v in ('a=1,b=2'):gmatch('(%w)=(%w)') do o = o .. k .. v end return o end)()",
            "a1b2",
        ),
        ("('hello'):gsub('l', function(l) return l:upper() end)", "heLLo2"),
        ("('abc'):gsub('', '-')", "-a-b-c-4"),
        ("mw.text.trim('  a b\\n') .. '|' .. mw.text.trim('xxaxx', 'x')", "a b|a"),
        ("table.concat(mw.text.split('a, b,c', ',%s*'), ';')", "a;b;c"),
        ("table.concat(mw.text.split('āb', ''), ';')", "ā;b"),
        ("mw.text.listToText({ 'a', 'b', 'c' })", "a, b un c"),
        ("mw.text.truncate('abcdef', 3) .. mw.text.truncate('abcdef', -3)", "abc……def"),
        ("mw.text.decode('&lt;&amp;') .. mw.text.encode('<a>')", "<&&lt;a&gt;"),
        (
            "mw.text.jsonEncode({ 1, 'a', { b = true } }) .. mw.text.jsonDecode('{\"a\":[5]}').a[1]",
            "[1,\"a\",{\"b\":true}]5",
        ),
        (
            "mw.text.tag('b', { class = 'x' }, 'y') .. mw.text.nowiki('[[x]]')",
            "<b class=\"x\">y</b>&#91;&#91;x&#93;&#93;",
        ),
        (
            "mw.uri.encode('a b/ā') .. mw.uri.decode('a+b') .. tostring(mw.uri.fullUrl('A b'))",
            "a+b%2F%C4%81a b//ltg.wikipedia.org/wiki/A_b",
        ),
    ]);
}

#[test]
fn titles_languages_and_elements() {
    check(&[
        ("mw.title.getCurrentTitle().fullText .. mw.title.new('taiss:a b').prefixedText", "Lobs/upeTaiss:A b"),
        ("mw.title.new('a#b').fragment .. tostring(mw.title.new('a{'))", "bnil"),
        ("tostring(mw.title.new('lobs').exists) .. tostring(mw.title.new('Lobs2').exists)", "truefalse"),
        ("tostring(mw.title.new('a') == mw.title.new('A')) .. tostring(mw.title.new('Talk:A').isTalkPage)", "truetrue"),
        ("mw.title.makeTitle('Template', 'x/y').subpageText .. mw.title.makeTitle(10, 'x/y').baseText", "yX"),
        ("mw.site.namespaces[10].name .. mw.site.namespaces.Category.id .. mw.site.siteName", "Taiss14Vikipedeja"),
        ("mw.getContentLanguage():getCode() .. mw.language.fetchLanguageName('ltg', 'en')", "ltgLatgalian"),
        ("mw.getContentLanguage():formatDate('Y-m-d', '2015-03-04') .. os.date('!%Y', os.time())", "2015-03-042018"),
        (
            "mw.language.new('en'):formatNum(1234567.5) .. mw.language.new('uk'):plural(3, 'a', 'b', 'c')",
            "1,234,567.5b",
        ),
        (
            "tostring(mw.html.create('div'):addClass('a'):addClass('b'):css('color', 'red'):attr('id', 1):wikitext('x')\
             :tag('br'):done():tag('span'):wikitext('y'):allDone())",
            "<div class=\"a b\" id=\"1\" style=\"color:red\">x<br /><span>y</span></div>",
        ),
        (
            "tostring(mw.html.create('p'):attr({ title = 't', id = 1 }):css({ color = 'red', border = 0 }))",
            "<p id=\"1\" title=\"t\" style=\"border:0;color:red\"></p>",
        ),
        ("mw.message.new('parentheses', 'x'):plain() .. mw.message.newRawMessage('$1-$2', 'a', 'b'):plain()", "(x)a-b"),
        ("tostring(mw.wikibase.getEntity()) .. tostring({}) .. tostring(print) .. tostring(mw)", "niltableniltable"),
        ("require('bit32').band(12, 10) .. require('bit32').bxor(12, 10) .. require('bit32').lshift(1, 4)", "8616"),
    ]);
}

#[test]
fn modules_load_modules_and_data() {
    let wiki = wiki(
        &[],
        &[
            (
                "A",
                "local b = require('Module:B')\nlocal p = {}\nfunction p.f() return b.x .. require('Modulis:b').x .. mw.loadData('Module:D').list[2] end\nreturn p",
            ),
            ("B", "count = (count or 0) + 1\nreturn { x = 'b' .. count }"),
            ("D", "return { list = { 'p', 'q' }, map = { k = 'v' } }"),
            ("W", "local p = {}\nfunction p.f() mw.loadData('Module:D').list[2] = 'changed' end\nreturn p"),
            ("J", "{\"a\": [1, \"two\"]}"),
            (
                "R",
                "local p = {}\nfunction p.f() local o = '' for k, v in pairs(mw.loadData('Module:D').map) do o = o .. k .. v end\nreturn o .. mw.loadJsonData('Module:J').a[2] .. #require('Module:D').list end\nreturn p",
            ),
            ("S", "require('strict')\nlocal p = {}\nfunction p.f() undeclared = 1 end\nreturn p"),
        ],
    );
    // Each is run once in a call, and anew in the next one.
    assert_eq!(run(&wiki, "{{#invoke:A|f}}{{#invoke:A|f}}").0, "b1b1qb1b1q");
    assert_eq!(run(&wiki, "{{#invoke:R|f}}").0, "kvtwo2");
    let (text, ledger) = run(&wiki, "a{{#invoke:W|f}}{{#invoke:S|f}}b{{#invoke:A|f}}");
    assert_eq!(text, "abb1b1q");
    let reasons: Vec<_> = ledger.failures.iter().map(|failure| failure.reason.as_str()).collect();
    assert!(reasons[0].contains("read-only") && reasons[1].contains("undeclared"), "{reasons:?}");
}

#[test]
fn what_fails_is_counted_and_gives_nothing() {
    let wiki = wiki(
        &[("Lang", "{{#invoke:M|fail}}")],
        &[
            ("M", "local p = {}\nfunction p.fail() error('so it is') end\nfunction p.ok() return 'ok' end\nreturn p"),
            ("Broken", "return {"),
            ("Plain", "return 1"),
        ],
    );
    let source = "a{{#invoke:M|fail}}{{#invoke:M|none}}{{#invoke:None|f}}{{#invoke:Broken|f}}{{#invoke:Plain|f}}{{#invoke:M|ok}}";
    let (text, ledger) = run(&wiki, source);
    assert_eq!(text, "aok");
    assert_eq!((ledger.invoked, ledger.modules), (1, 5));
    let keys: Vec<_> = ledger.module_errors.iter().map(|(key, count)| format!("{key} {count}")).collect();
    assert_eq!(
        keys,
        ["Broken.f: syntax 1", "M.fail: error 1", "M: no_function 1", "None: no_module 1", "Plain: no_function 1"]
    );
    assert!(ledger.failures[0].reason.ends_with("so it is"), "{:?}", ledger.failures[0]);
    // Of a template that is known by its name, what the arguments say is left.
    assert_eq!(run(&wiki, "{{Lang|de|Bach}}").0, "Bach");
}

/// Nothing reaches files, time, other pages or the state itself.
#[test]
fn the_sandbox_has_no_way_out() {
    let gone = [
        "io",
        "dofile",
        "loadfile",
        "load",
        "loadstring",
        "collectgarbage",
        "newproxy",
        "coroutine",
        "print",
        "module",
        "os.execute",
        "os.getenv",
        "os.remove",
        "package.loadlib",
        "debug.getregistry",
        "debug.sethook",
        "string.dump",
    ];
    for name in gone {
        assert_eq!(value(&format!("tostring({name})")), "nil", "{name}");
    }
    check(&[
        ("tostring(pcall(require, 'io')) .. tostring(pcall(require, '/etc/passwd'))", "falsefalse"),
        ("tostring(getmetatable('')) .. tostring(getfenv(0)) .. tostring(pcall(setfenv, mw.clone, {}))", "nilnilfalse"),
        ("tostring(getfenv(1) == _G)", "true"),
    ]);
    let wiki = wiki(
        &[],
        &[
            (
                "Spoil",
                "local p = {}\nfunction p.f() string.len = nil mw.text.trim = 'gone' x = 1 math.randomseed(5)\nlocal m = getmetatable(mw.html.create('b')) m.__tostring = nil m.__index.tag = nil\npackage.loaded['Module:Fine'] = 'gone' return '' end\nreturn p",
            ),
            (
                "Fine",
                "local p = {}\nfunction p.f() return tostring(x) .. ('a'):len() .. string.len('ab') .. mw.text.trim(' c ') .. tostring(mw.html.create('b')) .. math.random(1000) end\nreturn p",
            ),
        ],
    );
    let clean = run(&wiki, "{{#invoke:Fine|f}}").0;
    assert!(clean.starts_with("nil12c<b></b>"), "{clean}");
    assert_eq!(run(&wiki, "{{#invoke:Spoil|f}}{{#invoke:Fine|f}}").0, clean);
    assert_eq!(run(&wiki, "{{#invoke:Fine|f}}").0, clean);
    // Bytecode is no source.
    let lua = mlua::Lua::new();
    let code = lua.load("return {}").into_function().unwrap().dump(true);
    let code = String::from_utf8_lossy(&code).into_owned();
    let wiki = super::tests::wiki(&[], &[("Code", &code)]);
    assert_eq!(run(&wiki, "{{#invoke:Code|f}}").1.module_errors, BTreeMap::from([("Code.f: syntax".to_owned(), 1)]));
}

/// Modules made to kill: each ends in time, the text beside it stays, and later calls on other pages work.
#[test]
fn modules_made_to_kill() {
    let body = |code: &str| format!("local p = {{}}\nfunction p.f(frame)\n{code}\nend\nreturn p");
    let modules: Vec<(&str, String, &str)> = vec![
        ("Loop", body("while true do end"), "too_many_instructions"),
        ("Catch", body("while true do pcall(function() while true do end end) end"), "too_many_instructions"),
        (
            "Handler",
            body("while true do xpcall(function() while true do end end, function() return 1 end) end"),
            "too_many_instructions",
        ),
        ("Tables", body("local t = {} while true do t[#t + 1] = { 1, 2, 3 } end"), "too_much_memory"),
        ("Doubling", body("local s = 'x' while true do s = s .. s end"), "too_much_memory"),
        ("Repeat", body("return ('x'):rep(1e9)"), "too_much_memory"),
        ("Nothing", body("for i = 1, 1e9 do local s = (''):rep(1e9) end"), "too_many_instructions"),
        ("Copies", body("local s = ('x'):rep(5e6) for i = 1, 1e9 do local t = s .. i end"), "too_much_memory"),
        ("Pattern", body("return (('a'):rep(30000)):find(('.-'):rep(20) .. 'b')"), "too_many_instructions"),
        ("Unicode", body("return mw.ustring.find(('ā'):rep(30000), ('ā*'):rep(20) .. 'b')"), "too_many_instructions"),
        ("Insert", body("local t = {} for i = 1, 1e9 do table.insert(t, 1, i) end"), "too_many_instructions"),
        (
            "Sort",
            body("table.sort({ 1, 2, 3, 4, 5, 6, 7, 8 }, function() while true do end end)"),
            "too_many_instructions",
        ),
        ("Stack", body("local function f() return 1 + f() end return f()"), "error"),
        ("Deep", body("return frame:preprocess('{{#invoke:Deep|f}}')"), "too_deep"),
        ("Wide", body("return frame:preprocess('{{#invoke:Wide|f}}{{#invoke:Wide|f}}')"), "too_many_instructions"),
        ("Nested", "return ".to_owned() + &"(".repeat(100_000) + "1" + &")".repeat(100_000), "syntax"),
    ];
    let sources: Vec<(&str, &str)> = modules.iter().map(|(name, source, _)| (*name, source.as_str())).collect();
    let fine = ("Fine", "return { f = function() return 'fine' end }");
    let wiki = wiki(&[], &[&sources[..], &[fine]].concat());
    for (name, _, kind) in &modules {
        let started = std::time::Instant::now();
        let source = format!("Lobs {{{{#invoke:{name}|f}}}}irā.");
        let page = Page { title: "Lobs", timestamp: None };
        let (text, ledger) = expanded_text(&source, page, &wiki);
        assert!(text.starts_with("Lobs") && text.ends_with("irā."), "{name}: {text:?}");
        assert!(ledger.module_errors.keys().any(|key| key.ends_with(kind)), "{name}: {ledger:?}");
        assert!(started.elapsed().as_secs() < 300, "{name}: {:?}", started.elapsed());
        assert_eq!(run(&wiki, "{{#invoke:Fine|f}}").0, "fine", "after {name}");
    }
}

/// What a page overruns inside a module ends the page, and no module catches it.
#[test]
fn the_bounds_of_the_page_hold_inside_modules() {
    let doubling: Vec<(String, String)> =
        (0..40).map(|i| (format!("D{i}"), format!("{{{{D{}}}}}{{{{D{}}}}}", i + 1, i + 1))).collect();
    let templates: Vec<(&str, &str)> = doubling.iter().map(|(name, source)| (name.as_str(), source.as_str())).collect();
    let module =
        "local p = {}\nfunction p.f(frame) while true do pcall(frame.preprocess, frame, '{{D0}}') end end\nreturn p";
    let wiki = wiki(&templates, &[("M", module)]);
    let page = Page { title: "Lobs", timestamp: None };
    let (text, ledger) = expanded_text("Lobs {{#invoke:M|f}}irā.", page, &wiki);
    assert_eq!(text, "Lobs irā.");
    assert_eq!(ledger.unexpanded, BTreeMap::from([("too_many_steps".to_owned(), 1)]));
}

/// The order of pages and what was run before them change nothing.
#[test]
fn results_do_not_depend_on_the_pages_before() {
    let module = "calls = (calls or 0) + 1\nlocal p = {}\nfunction p.f(frame)\nlocal t = {}\nfor i = 1, 200000 do t[i] = tostring(i) end\nlocal out = {}\nfor k in pairs({ a = 1, b = 2, c = 3, [1] = 4 }) do out[#out + 1] = tostring(k) end\nreturn calls .. table.concat(out) .. #t .. math.random() .. tostring(out) end\nfunction p.big() local t = {}\nfor i = 1, 400000 do t[i] = i .. 'x' end\nreturn #t end\nreturn p";
    let wiki = Arc::new(wiki(&[], &[("M", module)]));
    let all = |order: [&'static str; 3]| {
        let wiki = wiki.clone();
        let work = move || order.map(|source| (source, run(&wiki, source)));
        let mut answers = std::thread::spawn(work).join().unwrap();
        answers.sort_by_key(|(source, _)| *source);
        answers
    };
    let (f, big, both) = ("{{#invoke:M|f}}", "{{#invoke:M|big}}", "{{#invoke:M|f}}{{#invoke:M|big}}{{#invoke:M|f}}");
    let first = all([f, big, both]);
    assert!(first.iter().all(|(_, (text, ledger))| !text.is_empty() && ledger.failures.is_empty()), "{first:?}");
    assert_eq!(first, all([both, big, f]));
    assert_eq!(first, all([big, f, both]));
}
