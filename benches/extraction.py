#!/usr/bin/env python3
"""`tongues extract` beside mwparserfromhell on a dump, and on a .bz2 beside decompressing alone: ratios of whole processes.

    benches/extraction.py DUMP.xml --tongues target/release/tongues --parser venv/bin/python
    benches/extraction.py DUMP.xml.bz2 --tongues target/release/tongues --decompress "lbzip2 -d -c -n 2"

The parser reads the pages with ElementTree in one process per core, takes out the markup of every article
(`strip_code`) and writes JSON lines, as `tongues extract --templates drop` does. Rounds are in turns, ratios medians of
single rounds: other work on the machine comes and goes. Decompressing alone writes to nowhere.
"""
import argparse
import json
import multiprocessing
import os
import shlex
import statistics
import sys
import tempfile
from wikiextractor import run


def pages(dump):
    """Id, title and source of every article of a dump."""
    import bz2
    import xml.etree.ElementTree as tree

    opened = bz2.open(dump) if dump.endswith(".bz2") else open(dump, "rb")
    for _, element in tree.iterparse(opened):
        if element.tag.rsplit("}", 1)[-1] != "page":
            continue
        found = {child.tag.rsplit("}", 1)[-1]: child.text or "" for child in element.iter()}
        if found.get("ns", "0") == "0" and "redirect" not in found:
            yield found["id"], found["title"], found.get("text", "")
        element.clear()


def strip(page):
    import mwparserfromhell

    number, title, source = page
    return json.dumps({"id": number, "title": title, "text": mwparserfromhell.parse(source).strip_code()})


def parse(dump, output, processes):
    """What the other program does, in a process of its own."""
    with multiprocessing.Pool(processes) as pool, open(output, "w", encoding="utf-8") as out:
        for line in pool.imap(strip, pages(dump), chunksize=16):
            out.write(line + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dump")
    parser.add_argument("--tongues", help="the command `tongues`")
    parser.add_argument("--parser", help="a Python that has mwparserfromhell")
    parser.add_argument("--decompress", help="a command that writes what a .bz2 holds to stdout")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--parse-into", metavar="FILE", help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.parse_into:
        return parse(o.dump, o.parse_into, o.processes)
    if not o.tongues or not (o.parser or o.decompress):
        parser.error("give --tongues, and --parser or --decompress")
    with tempfile.TemporaryDirectory() as folder:
        ours = shlex.split(o.tongues) + ["extract", o.dump, "--output", f"{folder}/a.jsonl"]
        others = {}
        if o.parser:
            others["mwparserfromhell"] = [o.parser, __file__, o.dump, "--parse-into", f"{folder}/b.jsonl", "--processes", str(o.processes)]
        if o.decompress:
            others["decompressing alone"] = shlex.split(o.decompress) + [o.dump]
        for name, other in others.items():
            for templates in ("drop", "expand"):
                mine = ours + ["--templates", templates, "--format", "mediawiki"]
                rows = [(run(mine)[:2], run(other)[:2]) for _ in range(o.rounds)]
                seconds = [statistics.median(row[side][0] for row in rows) for side in (0, 1)]
                wall, cpu = (statistics.median(other[i] / mine[i] for mine, other in rows) for i in (0, 1))
                print(f"{name}, templates {templates}: {seconds[0]:.2f} s against {seconds[1]:.2f} s; wall {wall:.2f} x, CPU {cpu:.2f} x", flush=True)


if __name__ == "__main__":
    sys.exit(main())
