#!/usr/bin/env python3
"""Makes a MediaWiki dump N times larger by repeating its pages under new ids and titles; measures memory on such dumps.

    benches/larger_dump.py DUMP N OUTPUT.xml[.bz2] [--other-numbers]
    benches/larger_dump.py DUMP --measure "target/release/tongues" [--times 10 100] [--bz2]

The first copy is as it was; in every other one a page has a new id and its title ends in the copy's number, templates
too, so that there are as many different titles as pages. With `--other-numbers` the numbers in the texts of copies are
others too: every page with a number is a series then, and no page a duplicate. `--measure` runs `tongues extract` on the dump at each size,
plain or as .bz2, with all cores, and prints the peak of resident memory and the ratio of the last to the first.
"""
import argparse
import bz2
import os
import re
import shlex
import subprocess
import tempfile
import time

TEXT = re.compile(r"(<text[^>]*>)(.*?)(</text>)", re.S)
PAGE = re.compile(r"<page>.*?</page>\s*", re.S)


def opened(path, mode):
    return (bz2.open if path.endswith(".bz2") else open)(path, mode, encoding="utf-8")


def enlarge(dump, times, output, other_numbers=False):
    """Writes the larger dump piece by piece: neither is in memory as a whole but for one copy of the pages."""
    with opened(dump, "rt") as file:
        text = file.read()
    begin = text.index("<page>")
    pages = PAGE.findall(text)
    highest = max((int(n) for page in pages for n in re.findall(r"<id>(\d+)</id>", page)[:1]), default=0)
    with opened(output, "wt") as out:
        out.write(text[:begin])
        for copy in range(times):
            for number, page in enumerate(pages):
                if copy:
                    page = page.replace("</title>", f" {copy}</title>", 1)
                    page = re.sub(r"<id>\d+</id>", f"<id>{highest + copy * len(pages) + number}</id>", page, count=1)
                if copy and other_numbers:
                    page = TEXT.sub(lambda text: text[1] + re.sub(r"\d+", lambda n: str(int(n[0]) + copy), text[2]) + text[3], page)
                out.write(page)
        out.write("</mediawiki>\n")


def peak(command):
    """Peak of resident memory in MiB, and seconds."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{shlex.join(command)} failed:\n{said[-2000:]}")
    return usage.ru_maxrss / 1024, time.perf_counter() - begun, said.strip().splitlines()[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dump")
    parser.add_argument("n", type=int, nargs="?")
    parser.add_argument("output", nargs="?")
    parser.add_argument("--measure", metavar="COMMAND")
    parser.add_argument("--times", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--bz2", action="store_true")
    parser.add_argument("--other-numbers", action="store_true")
    o = parser.parse_args()
    if not o.measure:
        if o.n is None or o.output is None:
            parser.error("give N and OUTPUT, or --measure")
        return enlarge(o.dump, o.n, o.output, o.other_numbers)
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for times in o.times:
            path = os.path.join(folder, f"wiki-{times}.xml" + (".bz2" if o.bz2 else ""))
            enlarge(o.dump, times, path)
            command = shlex.split(o.measure) + ["extract", path, "--output", os.path.join(folder, "a.jsonl")]
            megabytes, seconds, said = peak(command)
            peaks.append(megabytes)
            print(f"{times} times, {os.path.getsize(path) / 1e6:.1f} MB: {megabytes:.0f} MiB, {seconds:.1f} s; {said}", flush=True)
            os.remove(path)
    print(f"ratio of the peaks: {peaks[-1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
