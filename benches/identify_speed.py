"""Documents that `tongues identify` labels in a second on one core, on the documents of dumps.

    python benches/identify_speed.py --command target/release/tongues --tag ltg_Latn DUMP [--tag ukr_Cyrl DUMP …] [--rounds 5]

Each dump is extracted once; its documents, one a line, are repeated until a round takes some seconds. The time is the
process's own (user and system), less that of an empty input, which loads the model; the median of the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile


def seconds(command, text, model=None):
    before = os.times()
    subprocess.run([command, "identify", *(["--model", model] if model else [])], input=text, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--command", default="tongues")
    arguments.add_argument("--tag", nargs=2, action="append", required=True, metavar=("TAG", "DUMP"))
    arguments.add_argument("--model", help="another identifier than the one in the program")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments = arguments.parse_args()
    print("| documents of | documents | characters each | documents/s | MB/s |")
    print("|---|---|---|---|---|")
    for tag, dump in arguments.tag:
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "documents.jsonl")
            subprocess.run([arguments.command, "extract", dump, "--language", tag, "--output", out], check=True, capture_output=True)
            documents = [json.loads(row)["text"].replace("\n", " ") for row in open(out, encoding="utf-8")]
        documents = [text for text in documents if text.strip()]
        times = max(1, 20_000_000 // sum(map(len, documents)))
        text = ("\n".join(documents) + "\n").encode() * times
        rounds = []
        for _ in range(arguments.rounds):
            loading = seconds(arguments.command, b"", arguments.model)
            rounds.append(seconds(arguments.command, text, arguments.model) - loading)
        middle = statistics.median(rounds)
        count = len(documents) * times
        print(f"| {tag} | {count:,} | {sum(map(len, documents)) // len(documents):,} | {count / middle:,.0f} | {len(text) / middle / 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    main()
