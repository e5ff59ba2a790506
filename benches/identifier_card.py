"""Writes languages/models/README.md from card.json beside it and the texts that the identifier was trained on.

    python benches/identifier_card.py
"""

import json
import os

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../languages/models")
ORDER = ["other FLORES-200 sentences", "UDHR", "Tatoeba", "news and web", "first five words, UDHR", "first five words, other FLORES-200 sentences"]

WITHHELD = "pcm_Latn"  # Naija: English talk was taken for it


def quoted(text):
    """As a shell reads it."""
    return '"' + text + '"' if "'" in text else "'" + text + "'"


def main():
    path = os.path.join(FOLDER, "card.json")
    card = json.load(open(path, encoding="utf-8"))
    tests = sorted(card["tests"], key=lambda test: ORDER.index(test["text"]))
    size = {name: os.path.getsize(os.path.join(FOLDER, name)) for name in ("identifier.ftz", "groups.bin")}
    out = [
        "# The identifier in the program", "",
        f"`identifier.ftz` is a fastText model ({size['identifier.ftz'] / 1e6:.2f} MB: supervised, character n-grams of 1 to 5, 32 dimensions, softmax, "
        f"pruned to 80,000 rows and product-quantised). `groups.bin` ({size['groups.bin'] / 1e6:.2f} MB) is a second look at near languages: naive Bayes "
        "over words, pairs of words and n-grams for each group of `NEAR` in `src/confusable.rs`. `card.json` has all figures below and each label's threshold.",
        f"It gives {len(card['languages']) - 1} languages in a script (Naija, which it was trained on too, is withheld and so never given: English talk was taken for it) and `zxx_Zzzz`: code, random letters, hexadecimal and base64, made up by `src/noise.rs`, and what has no letters. "
        "`und` with a script is no label of it: it is the answer of `tongues identify` below a language's threshold, of fewer than five letters, and in scripts that it knows no language of.", "",
        "## Made again", "",
        "```",
        "pip install msgpack && pip download --no-deps --dest WHEELS wordfreq==3.1.1 'django==5.2.*'",
        "python benches/identification_texts.py --data DIR --wheels WHEELS --command target/release/tongues --output TEXTS",
        f"tongues languages train 'TEXTS/train/*/{{language}}.txt' --small --withhold {WITHHELD} --output languages/models \\",
        *[f"  --trained-on {quoted(text)} \\" for text in card["trained_on"]],
        *[f"  --test '{text}=TEXTS/test/{text}/{{language}}.txt'{' ' + chr(92) if text != ORDER[-1] else ''}" for text in ORDER],
        "mv languages/models/identifier.bin languages/models/identifier.ftz && python benches/identifier_card.py",
        "```", "",
        "One thread trains, and the same lines give the same bytes; the last command writes this page. DIR holds the corpora below as `recipes/` name them.", "",
        "## Trained on", "",
        "| text | licence |", "|---|---|",
        *[f"| {text} |" for text in card["trained_on"]],
        "", "No text is in this repository. The model is shared under CC BY-SA 4.0, with attribution to the authors of these texts.", "",
        "## How well it does", "",
        "Lines by which no setting was chosen, of texts that were not trained on; *grouped* counts the varieties of each group of `GROUPS` in `src/confusable.rs` as one.", "",
        "| text | lines | varieties | macro-F1 | grouped | accuracy |", "|---|---|---|---|---|---|",
    ]
    for test in tests:
        out.append(f"| {test['text']} | {test['lines']:,} | {len(test['languages'])} | {test['macro_f1']:.3f} | {test['grouped_macro_f1']:.3f} | {test['accuracy']:.3f} |")
    out += ["", "Other FLORES-200 sentences are those of SIB-200 that are not in dev: another text, but the same project and translators. "
            "Akan and Twi are one language that FLORES-200 labels twice: which of the two is said means little, and `grouped` counts them as one, as the filter of the pipeline does. "
            "Cape Verdean Creole is written in FLORES-200 in the official spelling (ALUPEC) and in the UDHR in one after Portuguese, of which nothing was trained on. "
            "The first five words (or twenty characters where there are no spaces) are those of the same lines. Languages that a text has and the model does not know are left out.", "",
            "## What it confuses most", "", "| text | language | taken for | lines |", "|---|---|---|---|"]
    for test in tests[:4]:
        out += [f"| {test['text']} | {own} | {said} | {lines} |" for own, said, lines in test["confusions"][:12]]
    out += ["", "## By variety", "", "F1 (lines). – : no text.", "", "| variety | " + " | ".join(test["text"] for test in tests[:4]) + " |", "|---|---|---|---|---|"]
    for tag in sorted({tag for test in tests[:4] for tag in test["languages"]}):
        cells = (test["languages"].get(tag) for test in tests[:4])
        out.append(f"| {tag} | " + " | ".join(f"{cell[1]:.3f} ({cell[0]})" if cell else "–" for cell in cells) + " |")
    with open(os.path.join(FOLDER, "README.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
