"""Lays out labelled text for language identification: what `tongues languages train` learns from and is measured on.

    pip download --no-deps --dest WHEELS wordfreq==3.1.1 django==5.2.*
    python benches/identification_texts.py --data DIR --wheels WHEELS --command target/release/tongues --output TEXTS

DIR holds public corpora as the recipes name them (`text/nllb_seed/seed/ltg_Latn`, `wikipedia/misc/…`); what is missing is left out
and named. TEXTS gets `train/SOURCE/TAG.txt`, and two halves of each measuring text, `choose/TEXT/TAG.txt` to choose settings by and
`test/TEXT/TAG.txt` for the figures that are published, one sentence a line. No source is in both: the UDHR, Tatoeba and the
news and web texts are never trained on, and a line that stands in one of them is taken out of what is. FLORES-200 is the exception,
dev to train on and other sentences (those of SIB-200) to measure by, and is named so. Only texts whose licence lets a model be
shared are trained on: CC0, CC BY, CC BY-SA, MIT, BSD, Apache.
"""

import argparse
import bisect
import collections
import csv
import glob
import gzip
import hashlib
import html
import json
import lzma
import os
import re
import subprocess
import sys
import tomllib
import unicodedata
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Files of the UDHR whose name is no code of a profile, or of several.
UDHR = {
    "arb": "arb_Arab", "azj_latn": "azj_Latn", "bos_latn": "bos_Latn", "cmn_hans": "zho_Hans", "cmn_hant": "zho_Hant",
    "deu_1996": "deu_Latn", "ell_monotonic": "ell_Grek", "gug": "grn_Latn", "hat_kreyol": "hat_Latn", "hau_NG": "hau_Latn",
    "lav": "lvs_Latn", "mal_chillus": "mal_Mlym", "nep": "npi_Deva", "nya_chechewa": "nya_Latn", "nya_chinyanja": "nya_Latn",
    "lnc": "oci_Latn", "pes_1": "pes_Arab", "pes_2": "prs_Arab", "por_BR": "por_Latn", "por_PT": "por_Latn",
    "ron_2006": "ron_Latn", "srp_cyrl": "srp_Cyrl", "tso_ZW": "tso_Latn", "tso_MZ": "tso_Latn", "tuk_latn": "tuk_Latn",
    "uig_arab": "uig_Arab", "uzn_latn": "uzn_Latn", "aka_akuapem": "twi_Latn", "aka_asante": "twi_Latn", "tzm_tfng": "tzm_Tfng",
    "chr_cased": "chr_Cher", "mly_latn": "zsm_Latn", "kas": "kas_Deva", "dip": "dik_Latn", "tam_LK": "tam_Taml",
    "ace": "ace_Latn", "min": "min_Latn", "knc": "knc_Latn", "kng": "kon_Latn",
    # Files in another script or variety than the name says.
    "ckb": None, "yue": None, "aka_fante": None, "pbu": None, "taq": None, "tha2": None, "tzm": None,
}
# Labels that FLORES-200 and NLLB-Seed write differently.
RENAMED = {"gug_Latn": "grn_Latn", "zgh_Tfng": "tzm_Tfng"}
# Locales of programs and codes of word lists that are no Wikipedia's.
LOCALES = {"nb": "nob_Latn", "zh_Hans": "zho_Hans", "zh_Hant": "zho_Hant", "sr_Latn": None, "fil": "tgl_Latn", "pt_BR": "por_Latn",
           "es_AR": "spa_Latn", "es_MX": "spa_Latn", "ar_DZ": "arb_Arab", "ku": None, "zh": None, "sh": None, "no": "nob_Latn",
           "simple": "eng_Latn", "ja": "jpn_Jpan"}
TEXTS = ("other FLORES-200 sentences", "UDHR", "Tatoeba", "news and web")
WORDS_OF_A_LINE = 8
LINES_OF_A_WORD_LIST = 1500


def key(line):
    """What two spellings of one line have in common."""
    return re.sub(r"\W+", "", unicodedata.normalize("NFC", line)).lower()


def shuffled(lines):
    """Distinct lines, ordered as if at random and the same every time."""
    return sorted(set(lines), key=lambda line: hashlib.sha256(line.encode()).digest())


def read(path):
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        return [line.strip() for line in file if line.strip()]


class Texts:
    def __init__(self, data):
        self.data = data
        profiles = [tomllib.load(open(path, "rb")) for path in glob.glob(os.path.join(HERE, "../languages/profiles/*.toml"))]
        self.tags = {profile["tag"] for profile in profiles}
        self.wikipedia = {profile["wikipedia"]: profile["tag"] for profile in profiles if profile.get("wikipedia")} | LOCALES
        self.by_code = collections.defaultdict(list)
        for tag in self.tags - set(RENAMED):
            self.by_code[tag[:3]].append(tag)
        self.train = collections.defaultdict(lambda: collections.defaultdict(list))
        self.test = collections.defaultdict(lambda: collections.defaultdict(list))

    def only(self, code):
        """The tag of a code with one script."""
        tags = self.by_code.get(code, [])
        return tags[0] if len(tags) == 1 else None

    def files(self, pattern):
        found = sorted(glob.glob(os.path.join(self.data, pattern), recursive=True))
        if not found:
            print(f"{pattern}: none, left out", file=sys.stderr)
        return found

    def learn(self, source, tag, lines):
        if tag in self.tags or RENAMED.get(tag) in self.tags:
            self.train[source][RENAMED.get(tag, tag)] += lines

    def learn_files(self, source, tag, *patterns):
        for path in (path for pattern in patterns for path in self.files(pattern) if os.path.isfile(path)):
            self.learn(source, tag, read(path))

    def measuring(self):
        dev = {os.path.basename(path)[:8]: set(map(key, read(path))) for path in self.files("language_id/flores200_dev/flores-200-dev/*.dev")}
        for folder in self.files("tasks/sib200/???_????"):
            tag = os.path.basename(folder)
            rows = [row for name in ("train", "dev", "test")
                    for row in csv.reader(open(f"{folder}/{name}.tsv", encoding="utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE)]
            lines = [row[2] for row in rows if row[0] != "index_id"]
            self.test[TEXTS[0]][RENAMED.get(tag, tag)] += [line for line in lines if key(line) not in dev.get(tag, ())]
        for path in self.files("text/udhr_html/*.html"):
            name = os.path.basename(path)[:-5]
            if tag := UDHR.get(name, self.only(name)):
                paragraphs = re.findall(r"<p>(.*?)</p>", open(path, encoding="utf-8").read(), re.S)
                self.test[TEXTS[1]][tag] += [" ".join(html.unescape(re.sub("<[^>]+>", "", one)).split()) for one in paragraphs]
        for path in self.files("text/tatoeba_cc0/*.xz"):
            for row in lzma.open(path, "rt", encoding="utf-8"):
                _, code, line = row.rstrip("\n").split("\t")[:3]
                if tag := self.only(code) or {"ara": "arb_Arab", "cmn": None}.get(code):
                    self.test[TEXTS[2]][tag].append(line)
        for path in self.files("text/lafand_mt/*/*"):
            code = path.rsplit(".", 1)[1]
            if tag := self.only({"swa": "swh"}.get(code, code)):
                self.test[TEXTS[3]][tag] += read(path)
        for tag, name in (("pes_Arab", "Persian_fas"), ("urd_Arab", "Urdu_urd"), ("arb_Arab", "Arabic_arb")):
            for path in self.files(f"text/persoarabic/{name}.txt"):
                self.test[TEXTS[3]][tag] += read(path)

    def learning(self, wheels, command, work):
        for path in self.files("language_id/flores200_dev/flores-200-dev/*.dev"):
            self.learn("FLORES-200 dev", os.path.basename(path)[:8], read(path))
        for path in self.files("text/nllb_seed/seed/???_????"):
            self.learn("NLLB-Seed", os.path.basename(path), read(path))
        bibles = {"Armenian-PART": "hye_Armn", "Cherokee-NT": "chr_Cher", "Coptic-NT": "cop_Copt", "Dinka-NT": "dik_Latn", "Ewe-NT": "ewe_Latn",
                  "Kabyle-NT": "kab_Latn", "Manx-PART": "glv_Latn", "Swahili-NT": "swh_Latn", "Syriac-NT": "syc_Syrc",
                  "Tachelhit-NT": "shi_Latn", "Wolof-NT": "wol_Latn", "Zulu-NT": "zul_Latn"}
        for name, tag in bibles.items():
            for path in self.files(f"text/bible_corpus_xml/bibles/{name}.xml"):
                verses = re.findall(r"<seg[^>]*>(.*?)</seg>", open(path, encoding="utf-8").read(), re.S)
                self.learn("Bible corpus", tag, [html.unescape(" ".join(verse.split())) for verse in verses])
        for tag, name in {"bal_Arab": "Balochi_bal", "brh_Arab": "Brahui_brh", "glk_Arab": "Gilaki_glk-wiki-20221201", "hac_Arab": "Gorani_hac",
                          "trw_Arab": "Torwali_trw"}.items():
            self.learn_files("PersoArabic", tag, f"text/persoarabic/{name}.txt")
        self.learn_files("Northern Sami Wikipedia", "sme_Latn", "text/northern_sami_wiki/wikipedia/sewiki.txt")
        nusax = {"acehnese": "ace_Latn", "balinese": "ban_Latn", "banjarese": "bjn_Latn", "english": "eng_Latn", "indonesian": "ind_Latn",
                 "javanese": "jav_Latn", "minangkabau": "min_Latn", "sundanese": "sun_Latn"}
        for name, tag in nusax.items():
            for path in self.files(f"tasks/nusax/sentiment/{name}/*.csv"):
                self.learn("NusaX", tag, [row["text"] for row in csv.DictReader(open(path, encoding="utf-8"))])
        self.learn_files("Naija treebank", "pcm_Latn", "text/african_baltic/naija_nsc/pcm/*.txt")
        for code in ("xho", "zul"):
            self.learn_files("State of the Nation addresses", self.only(code), f"text/african_baltic/sona_za/{code}/**/*.txt")
        self.learn_files("Burmese and Javanese", "mya_Mymr", "text/google_langres/voanews/burmese_*.txt")
        self.learn_files("Burmese and Javanese", "jav_Latn", "text/google_langres/wikimedia/jv_wiki_cleaned.txt")
        self.django(wheels)
        self.word_lists(wheels)
        self.wikipedias(command, work)

    def django(self, wheels):
        """Messages of a program in its translations; placeholders are gone."""
        for wheel in glob.glob(os.path.join(wheels, "django-*.whl")):
            archive = zipfile.ZipFile(wheel)
            for name in archive.namelist():
                if name.endswith(".po") and (tag := self.wikipedia.get(name.split("locale/")[1].split("/")[0])):
                    text = archive.read(name).decode()
                    blocks = re.findall(r'^msgid ((?:".*"\n)+)(?:msgid_plural (?:".*"\n)+)?((?:msgstr(?:\[\d\])? (?:".*"\n)+)+)', text, re.M)
                    for own, said in blocks:
                        for one in re.findall(r'msgstr(?:\[\d\])? ((?:".*"\n)+)', said):
                            line = "".join(re.findall(r'"(.*)"', one)).replace("\\n", " ").replace('\\"', '"')
                            line = re.sub(r"%(\(\w+\))?[a-z]|\{\w*\}|<[^>]+>|&\w+;", " ", line)
                            if len(line) >= 12 and key(line) not in own and "charset=" not in line:
                                self.learn("Django", tag, [" ".join(line.split())])

    def word_lists(self, wheels):
        """Lines of words drawn as often as the list says they occur; the place in the list of places is a Weyl sequence."""
        for wheel in glob.glob(os.path.join(wheels, "wordfreq-*.whl")):
            import msgpack
            archive = zipfile.ZipFile(wheel)
            for name in archive.namelist():
                code = re.fullmatch(r"wordfreq/data/small_(\w+)\.msgpack\.gz", name)
                tag = code and self.wikipedia.get(code[1])
                if not tag or code[1] in ("ja", "zh"):
                    continue
                bins = msgpack.loads(gzip.decompress(archive.read(name)), raw=False)[1:]
                # Bin n holds the words of frequency 10 ^ (−n / 100).
                words = [(word, 10 ** (-place / 100)) for place, bin in enumerate(bins) for word in bin if not re.search(r"\d", word)]
                words = words[:20000]
                self.learn("wordfreq", tag, drawn(words, LINES_OF_A_WORD_LIST * WORDS_OF_A_LINE))

    def wikipedias(self, command, work):
        dumps = [(path, path.split(os.sep)[-2]) for path in self.files("wikipedia/dbpedia_minidumps/*/wiki.xml.bz2")]
        dumps += [(path, os.path.basename(path)[:2]) for path in self.files("wikipedia/ssvb_truncated/*.xml.xz")]
        dumps += [(path, "ltg") for path in self.files("wikipedia/misc/dumpsterdive_smallwiki-*.xml")]
        for path, code in dumps:
            tag = self.wikipedia.get(code)
            if not tag or not command:
                continue
            out = os.path.join(work, code + ".jsonl")
            done = subprocess.run([command, "extract", path, "--language", tag, "--templates", "drop", "--output", out], capture_output=True)
            if done.returncode == 0:
                lines = [line for row in open(out, encoding="utf-8") for line in json.loads(row)["text"].split("\n")]
                self.learn("Wikipedia", tag, [line for line in lines if len(line) >= 40][:3000])

    def write(self, output):
        def put(folder, tag, lines):
            os.makedirs(os.path.join(output, folder), exist_ok=True)
            with open(os.path.join(output, folder, tag + ".txt"), "w", encoding="utf-8") as file:
                file.write("".join(" ".join(line.split()) + "\n" for line in lines))

        measured = collections.defaultdict(set)
        for text, languages in self.test.items():
            for tag, lines in sorted(languages.items()):
                lines = shuffled(line for line in lines if sum(map(str.isalpha, line)) >= 5)
                measured[tag].update(map(key, lines))
                most = 200 if text == TEXTS[0] else 500
                for half, some in (("choose", lines[0::2][: most // 2]), ("test", lines[1::2][: most // 2])):
                    if len(some) < 12:
                        continue
                    put(f"{half}/{text}", tag, some)
                    if text in TEXTS[:2]:
                        first = [" ".join(line.split()[:5]) if len(line.split()) > 5 else line[:20] for line in some[:50]]
                        put(f"{half}/first five words, {text}", tag, first)
        for source, languages in self.train.items():
            count = 0
            for tag, lines in sorted(languages.items()):
                lines = [line for line in shuffled(lines) if len(key(line)) >= 5 and key(line) not in measured[tag]]
                lines = lines[:20000]
                put(f"train/{source}", tag, lines)
                count += len(lines)
            print(f"{source}: {len(languages)} languages, {count} lines", file=sys.stderr)


def drawn(words, count):
    """`count` words in lines, drawn by their weights with equal steps of the golden ratio through the list."""
    cumulated, total = [], 0.0
    for _, weight in words:
        total += weight
        cumulated.append(total)
    place, out = 0.5, []
    for _ in range(count):
        place = (place + 0.6180339887498949) % 1.0
        out.append(words[min(bisect.bisect(cumulated, place * total), len(words) - 1)][0])
    # Neighbours of the sequence are related: their order is that of a hash.
    out = [word for _, _, word in sorted((hashlib.sha256(f"{n} {word}".encode()).digest(), n, word) for n, word in enumerate(out))]
    return [" ".join(out[start : start + WORDS_OF_A_LINE]) for start in range(0, count, WORDS_OF_A_LINE)]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True)
    arguments.add_argument("--wheels", required=True)
    arguments.add_argument("--command", help="`tongues`, to read Wikipedia's dumps with")
    arguments.add_argument("--output", required=True)
    arguments = arguments.parse_args()
    texts = Texts(arguments.data)
    texts.measuring()
    os.makedirs(arguments.output, exist_ok=True)
    texts.learning(arguments.wheels, arguments.command, arguments.output)
    texts.write(arguments.output)


if __name__ == "__main__":
    main()
