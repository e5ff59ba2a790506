#!/usr/bin/env python3
"""One HTML page: pages of dumps as wikitext, as text by `tongues extract` and as text by WikiExtractor.

    benches/side_by_side.py DUMP... --tongues target/release/tongues --wikiextractor venv/bin/wikiextractor \
        --output side_by_side.html

Both programs run on every dump (.xml, .bz2, .xz) with the same templates. Of each, pages are shown from the shortest to
the longest: the middle one of each of `--pages` equal shares. "Survives" is told from the source: which of its numbers
and list items, outside of comments, references, tables, templates and targets of links, stand in the text too. Numbers
that ours lacks are marked in the wikitext. The counts over whole dumps go to stdout as a Markdown table.
"""
import argparse
import bz2
import collections
import html
import lzma
import os
import re
import shlex
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

from wikiextractor import DEBRIS, NUMBER, texts

COMMENT = re.compile(r"<!--.*?-->", re.S)
REFERENCE = re.compile(r"<ref[^<>]*/>|<ref\b.*?</ref>|<(math|gallery|timeline|syntaxhighlight|source)\b.*?</\1>", re.S | re.I)
INNER_TABLE = re.compile(r"\{\|(?:(?!\{\||\|\}).)*\|\}", re.S)
INNER_HTML_TABLE = re.compile(r"<table\b(?:(?!<table\b).)*?</table>", re.S | re.I)
INNER_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}")
LINK = re.compile(r"\[\[([^\[\]|]*)(?:\|([^\[\]]*))?\]\]")
EXTERNAL = re.compile(r"\[?(?:https?:)?//[^\s\]|<>]*")
TAG = re.compile(r"</?[a-z][^<>]*>", re.I)
ITEM = re.compile(r"^[*#:;]*[*#]\s*(\S.*)", re.M)
WORDS = re.compile(r"[\w ,.\-–«»]{4,}")

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --lost: #e5484d55 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; }
h1 { font-size: 1.5rem } h2 { margin: 2.5rem 0 .5rem; font-size: 1.2rem } h3 { margin: 1.5rem 0 .3rem; font-size: 1rem }
table { border-collapse: collapse } th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--line); text-align: right }
th:first-child, td:first-child { text-align: left }
.three { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .6rem }
.three div { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .7rem; max-height: 26rem; overflow: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px }
.three div:first-child { font: 12px/1.45 ui-monospace, monospace; background: var(--soft) }
.head { font-size: 13px; opacity: .75 } mark { background: var(--lost); color: inherit; border-radius: 3px }
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dumps", nargs="+", metavar="DUMP")
    parser.add_argument("--tongues", required=True, help="the command `tongues`, with options of `extract` if wanted")
    parser.add_argument("--wikiextractor", required=True, help="the command `wikiextractor`")
    parser.add_argument("--pages", type=int, default=10, help="of each dump [10]")
    parser.add_argument("--output", required=True)
    return parser.parse_args()


def plain_copy(dump, folder):
    """The dump without .xz, which WikiExtractor does not read."""
    if not dump.endswith(".xz"):
        return dump
    path = os.path.join(folder, os.path.basename(dump)[:-3])
    with lzma.open(dump) as packed, open(path, "wb") as plain:
        while piece := packed.read(1 << 20):
            plain.write(piece)
    return path


def sources(dump):
    """Name of the wiki, and wikitext by title of its articles; a dump that is cut off gives what is before the cut."""
    opened, name, found = bz2.open if dump.endswith(".bz2") else open, "", {}
    with opened(dump, "rb") as file:
        try:
            for _, element in ElementTree.iterparse(file):
                kind = element.tag.rsplit("}", 1)[-1]
                if kind == "dbname":
                    name = element.text
                if kind != "page":
                    continue
                inside = {child.tag.rsplit("}", 1)[-1]: child.text for child in element.iter()}
                if inside.get("ns") == "0" and "redirect" not in inside and inside.get("text"):
                    found[inside["title"]] = inside["text"]
                element.clear()
        except ElementTree.ParseError:
            pass
    return name or os.path.basename(dump).split(".")[0], found


def without(pattern, text, instead=""):
    """Takes out what is innermost until nothing is left to take out."""
    while True:
        text, count = pattern.subn(instead, text)
        if not count:
            return text


def running(source):
    """What of a source is shown as running text, told roughly: the measure for both programs."""
    text = REFERENCE.sub("", COMMENT.sub("", source))
    text = without(INNER_TEMPLATE, text)
    text = without(INNER_HTML_TABLE, without(INNER_TABLE, text, "\n"), "\n")
    label = lambda link: "" if ":" in link[1] and not link[1].startswith(":") else link[2] if link[2] is not None else link[1]
    text = LINK.sub(label, LINK.sub(label, text))
    return html.unescape(TAG.sub("", EXTERNAL.sub("", text))).replace("'''", "").replace("''", "").replace("\xa0", " ")


def numbers(text):
    return collections.Counter(NUMBER.findall(text.replace("\xa0", " ")))


def items(text):
    """Of each list item its first words between signs."""
    found = (WORDS.search(item) for item in ITEM.findall(text))
    return [match[0].strip(" ,.-–")[:40] for match in found if match]


def counts(source, text):
    """Numbers and list items of the source, those that the text has too, and marks of markup in it."""
    wanted, flat = numbers(running(source)), " ".join(text.split())
    listed = [" ".join(item.split()) for item in items(running(source))]
    return collections.Counter(
        numbers=wanted.total(),
        numbers_kept=(wanted & numbers(text)).total(),
        items=len(listed),
        items_kept=sum(item in flat for item in listed),
        debris=len(DEBRIS.findall(text)),
        letters=sum(map(str.isalpha, text)),
    )


def marked(source, text):
    """The wikitext as HTML; numbers of its running text that are not in the text are marked."""
    lost = numbers(running(source)) - numbers(text)
    piece = lambda match: f"<mark>{html.escape(match[0])}</mark>" if match[0] in lost else html.escape(match[0])
    return re.sub(NUMBER.pattern + r"|[^\d]+|.", piece, source)


def share(kept, all_of_them):
    return f"{kept:,} of {all_of_them:,}" + (f" ({100 * kept / all_of_them:.1f} %)" if all_of_them else "")


HEAD = ["", "pages", "numbers, ours", "numbers, WikiExtractor", "list items, ours", "list items, WikiExtractor",
        "marks of markup, ours / theirs", "letters, ours / theirs"]


def row(name, pages, ours, theirs):
    return [name, str(pages)] + [share(side[f"{what}_kept"], side[what]) for what in ("numbers", "items")
                                 for side in (ours, theirs)] + \
        [f"{ours['debris']:,} / {theirs['debris']:,}", f"{ours['letters']:,} / {theirs['letters']:,}"]


def table(rows):
    line = lambda cells, tag: "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
    return "<table>" + line(HEAD, "th") + "".join(line(cells, "td") for cells in rows) + "</table>"


def extract(command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{shlex.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")


def main():
    o = arguments()
    rows, body = [], []
    for dump in o.dumps:
        with tempfile.TemporaryDirectory() as folder:
            program, *options = shlex.split(o.tongues)
            extract([program, "extract", dump, "--format", "mediawiki", "--output", f"{folder}/ours.jsonl", *options])
            dump = plain_copy(dump, folder)
            extract(shlex.split(o.wikiextractor) + [dump, "--json", "-q", "-o", f"{folder}/theirs"])
            ours, theirs = texts(f"{folder}/ours.jsonl"), texts(f"{folder}/theirs/**/*")
            name, wikitext = sources(dump)
        titles = sorted(wikitext.keys() & (ours.keys() | theirs.keys()), key=lambda title: (len(wikitext[title]), title))
        text = lambda side, title: side.get(title, "")
        counted = {title: [counts(wikitext[title], text(side, title)) for side in (ours, theirs)] for title in titles}
        total = lambda chosen: [sum((counted[title][i] for title in chosen), collections.Counter()) for i in (0, 1)]
        shown = [titles[(2 * i + 1) * len(titles) // (2 * o.pages)] for i in range(min(o.pages, len(titles)))]
        rows.append(row(name, len(titles), *total(titles)))
        body.append(f"<h2>{html.escape(name)}</h2>" + table([row("these pages", len(shown), *total(shown)), rows[-1]]))
        for title in shown:
            a, b = (text(side, title) for side in (ours, theirs))
            mine, other = counted[title]
            said = (f"numbers {share(mine['numbers_kept'], mine['numbers'])}, WikiExtractor {other['numbers_kept']:,}; "
                    f"list items {share(mine['items_kept'], mine['items'])}, WikiExtractor {other['items_kept']:,}")
            body.append(f"<h3>{html.escape(title)}</h3><p class=head>{said}</p><div class=three>"
                        f"<div>{marked(wikitext[title], a)}</div><div>{html.escape(a)}</div><div>{html.escape(b)}</div></div>")
    with open(o.output, "w", encoding="utf-8") as page:
        page.write("<!doctype html><meta charset=utf-8><title>Side by side</title><style>" + STYLE + "</style>"
                   "<h1>Pages as wikitext, as text by tongues, as text by WikiExtractor</h1>"
                   "<p>Kept: numbers and list items of the running text of the source that stand in the text too. "
                   "Marked: numbers that ours lacks.</p>" + table(rows) + "".join(body))
    print("\n".join("| " + " | ".join(cells) + " |" for cells in [HEAD, ["---"] * len(HEAD), *rows]))


if __name__ == "__main__":
    main()
