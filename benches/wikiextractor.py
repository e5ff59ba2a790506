#!/usr/bin/env python3
"""`tongues extract` beside WikiExtractor on one dump: seconds of the whole process in turns, and what survives.

    benches/wikiextractor.py DUMP --tongues target/release/tongues --wikiextractor venv/bin/wikiextractor

Both read the same file and write JSON lines, with templates and without, WikiExtractor with as many processes as there
are cores. Ratios are medians of single rounds: other work on the machine comes and goes. "Survives" counts numbers
(runs of digits) and list items in the texts of the pages that both give, and marks of markup that stayed behind.
"""
import argparse
import glob
import json
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

NUMBER = re.compile(r"\d+(?:[.,  ]\d+)*")
DEBRIS = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|<ref|</?div|</?span|<br|&[a-z]+;|\{\{\{")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dump")
    parser.add_argument("--tongues", required=True, help="the command `tongues`")
    parser.add_argument("--wikiextractor", required=True, help="the command `wikiextractor`")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def run(command):
    """Wall and CPU seconds of a command, and its last line on stderr."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{shlex.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, (done.stderr.strip().splitlines() or [""])[-1]


def texts(pattern):
    """Text by title of JSON lines in all files."""
    found = {}
    for path in sorted(glob.glob(pattern, recursive=True)):
        if os.path.isfile(path):
            for line in open(path, encoding="utf-8"):
                page = json.loads(line)
                if page["text"].strip():
                    found[page["title"]] = page["text"]
    return found


def survives(texts_by_title, titles):
    chosen = [texts_by_title[title] for title in titles]
    numbers = sum(len(NUMBER.findall(text)) for text in chosen)
    items = sum(bool(re.match(r"\s*[-*•#] ?\S", line)) for text in chosen for line in text.split("\n"))
    letters = sum(sum(map(str.isalpha, text)) for text in chosen)
    debris = sum(len(DEBRIS.findall(text)) for text in chosen)
    return numbers, items, letters, debris


def main():
    o = arguments()
    megabytes = os.path.getsize(o.dump) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        for mode in ("with templates", "without templates"):
            plain = mode.startswith("without")
            ours_at, theirs_at = (os.path.join(folder, name + mode[:4]) for name in ("ours", "theirs"))
            os.makedirs(ours_at)
            ours = shlex.split(o.tongues) + ["extract", o.dump, "--output", f"{ours_at}/a.jsonl", "--format", "mediawiki"]
            ours += ["--templates", "drop" if plain else "expand"]
            theirs = shlex.split(o.wikiextractor) + [o.dump, "--json", "-q", "-o", theirs_at, "--processes", str(o.processes)]
            theirs += ["--no-templates"] if plain else []
            rows = [(run(ours)[:2], run(theirs)[:2]) for _ in range(o.rounds)]
            ratio = statistics.median(theirs[0] / ours[0] for ours, theirs in rows)
            cpu = statistics.median(theirs[1] / ours[1] for ours, theirs in rows)
            mine, other = (statistics.median(row[side][0] for row in rows) for side in (0, 1))
            print(f"{mode}: {mine:.2f} s against {other:.2f} s (file of {megabytes:.1f} MB), wall {ratio:.1f} x, CPU {cpu:.1f} x")
            a, b = texts(f"{ours_at}/*.jsonl"), texts(f"{theirs_at}/**/*")
            both = a.keys() & b.keys()
            print(f"  pages with text: {len(a)} and {len(b)}, in both {len(both)}")
            for name, kept in (("tongues", a), ("WikiExtractor", b)):
                print("  {}: {} numbers, {} list items, {} letters, {} marks of markup".format(name, *survives(kept, both)))


if __name__ == "__main__":
    main()
