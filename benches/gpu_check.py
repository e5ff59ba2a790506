#!/usr/bin/env python3
"""Self test and training speed of `tongues` on a GPU, beside PyTorch where this Python has it, as one Markdown table.

Run by `make gpu-check`. Every figure is the median of some rounds, each in a process of its own, the two programs in turns.
Exits with 1 where the self test fails or a benchmark does not run. `--device cpu` tries this script where there is no GPU.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

SIZES = {
    "5 M": "--vocab 8192 --d 256 --layers 4 --heads 4 --seq 256 --batch 32",
    "110 M": "--vocab 32768 --d 768 --layers 12 --heads 12 --seq 512 --batch 16",
}
TRIAL = {"tiny": "--vocab 512 --d 64 --layers 2 --heads 2 --seq 64 --batch 4"}
TORCH = pathlib.Path(__file__).with_name("torch_train.py")


def said(command):
    """What a program printed, and what was wrong with it."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        return None, str(error)
    return done.stdout, "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def torch_version(device):
    """The version of PyTorch, or why there is none to compare with."""
    wanted = "import torch; print(torch.__version__); assert %r == 'cpu' or torch.cuda.is_available(), 'PyTorch sees no GPU'"
    out, wrong = said([sys.executable, "-c", wanted % device])
    return (out.strip(), None) if not wrong else (None, wrong.splitlines()[-1])


def measure(commands, rounds):
    """Medians by program; a program that fails says why instead."""
    found = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            if isinstance(found[name], str):
                continue
            out, wrong = said(command)
            if wrong:
                found[name] = wrong.splitlines()[0]
            else:
                found[name].append(json.loads(out))
    keys = ("tokens_per_second", "forward_ms", "backward_ms", "optimiser_ms", "device_peak_bytes", "peak_bytes")
    middle = lambda rows, key: statistics.median(row.get(key) or 0 for row in rows)
    return {name: rows if isinstance(rows, str) else {key: middle(rows, key) for key in keys} for name, rows in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="tongues, built with CUDA")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    o = parser.parse_args()

    out, wrong = said([o.binary, "selftest", "--device", o.device, "--json"])
    if not out:
        sys.exit(f"the self test did not run: {wrong}")
    report = json.loads(out)
    checks = report["checks"]
    failed = [check for check in checks if not check["passed"]]
    torch, no_torch = torch_version(o.device)
    print(f"{report['device']}; tongues {report['version']}; PyTorch {torch or 'not compared (' + no_torch + ')'}\n")
    print(f"Self test: {len(checks)} checks, {len(failed)} failed.")
    for check in failed:
        print(f"- {check['name']}: {check['error'] or check['found']}, tolerance {check['tolerance']}")
    print("\n| model | products | program | tokens/s | forward, ms | backward, ms | optimiser, ms | memory, MiB |")
    print("|---|---|---|---|---|---|---|---|")
    broken = bool(failed)
    for size, words in (SIZES if o.device == "cuda" else TRIAL).items():
        for dtype in ("f32", "bf16"):
            same = [*words.split(), "--steps", str(o.steps), "--device", o.device, "--dtype", dtype]
            commands = {"tongues": [o.binary, "bench", "train", "--json", *same]}
            if torch:
                commands["PyTorch"] = [sys.executable, str(TORCH), *same]
            figures = measure(commands, o.rounds)
            for name, row in figures.items():
                start = f"| {size} | {dtype} | {name} | "
                if isinstance(row, str):
                    broken = True
                    print(f"{start}{row.replace('|', '/')} | | | | |")
                    continue
                memory = (row["device_peak_bytes"] if o.device == "cuda" else row["peak_bytes"]) / 2**20
                parts = [row[key] for key in ("forward_ms", "backward_ms", "optimiser_ms")]
                print(f"{start}{row['tokens_per_second']:.0f} | {' | '.join(f'{ms:.1f}' for ms in parts)} | {memory:.0f} |", flush=True)
            if len(figures) == 2 and not any(isinstance(row, str) for row in figures.values()):
                ratio = figures["tongues"]["tokens_per_second"] / figures["PyTorch"]["tokens_per_second"]
                print(f"| {size} | {dtype} | tongues / PyTorch | {ratio:.2f} | | | | |", flush=True)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
