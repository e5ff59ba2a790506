#!/usr/bin/env python3
"""Forecast and measured peak memory of `tongues bench train` over a grid of sizes; prints a Markdown table.

    benches/memory.py --command "cargo run --release --quiet --" [--model encoder] [--few]

Each row is a process of its own. The last lines say how far the forecasts are off.
"""
import argparse
import json
import shlex
import subprocess

BASE = dict(vocab=8192, d=256, layers=4, heads=4, seq=256, batch=8)
GRID = [
    {}, dict(recompute=True), dict(optimiser="sgd"), dict(optimiser="muon"), dict(optimiser="nt_asgd"), dict(average=0.99),
    dict(dropout=0.1), dict(vocab=2048), dict(vocab=32768), dict(vocab=32768, recompute=True),
    dict(d=128, layers=2, seq=128), dict(d=128, layers=12), dict(d=128, layers=12, recompute=True),
    dict(layers=12, batch=4), dict(layers=12, batch=16), dict(layers=12, batch=16, recompute=True),
    dict(seq=128, batch=4), dict(seq=512, batch=16), dict(seq=512, batch=16, recompute=True),
    dict(d=512, heads=8, layers=8, seq=512, batch=4), dict(d=512, heads=8, layers=8, seq=512, batch=4, recompute=True),
    dict(d=512, heads=8, layers=8, seq=512, batch=8), dict(d=512, heads=8, layers=8, seq=512, batch=8, recompute=True),
    dict(d=512, heads=8, layers=2, vocab=32768, seq=128, batch=4),
    dict(d=512, heads=8, layers=2, vocab=32768, seq=128, batch=4, optimiser="muon"),
]
FEW = [0, 1, 8, 11, 12, 21, 22]


def words(point):
    for name, value in point.items():
        yield f"--{name}"
        if value is not True:
            yield str(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", default="cargo run --release --quiet --", help="the command `tongues`")
    parser.add_argument("--model", choices=("decoder", "encoder"), default="decoder")
    parser.add_argument("--steps", type=int, default=1, help="beside three to warm up")
    parser.add_argument("--few", action="store_true", help="a few sizes only")
    o = parser.parse_args()
    print("| sizes | forecast, MiB | measured, MiB | forecast / measured | tokens/s |\n|---|---|---|---|---|")
    ratios = []
    for number, point in enumerate(GRID):
        if o.few and number not in FEW:
            continue
        command = [*shlex.split(o.command), "bench", "train", "--device", "cpu", "--json", "--steps", str(o.steps),
                   "--model", o.model]
        found = subprocess.run([*command, *words({**BASE, **point})], check=True, stdout=subprocess.PIPE).stdout
        found = json.loads(found)
        ratios.append(found["forecast_bytes"] / found["peak_bytes"])
        sizes = ", ".join(f"{name} {value}" if value is not True else name for name, value in point.items())
        forecast, peak = (found[key] / 2**20 for key in ("forecast_bytes", "peak_bytes"))
        print(f"| {sizes or 'as below'} | {forecast:.0f} | {peak:.0f} | {ratios[-1]:.2f} | {found['tokens_per_second']:.0f} |",
              flush=True)
    base = ", ".join(f"{name} {value}" for name, value in BASE.items())
    print(f"\nWhere nothing else is said: {base}, adamw.\nForecast over measured: {min(ratios):.2f} to {max(ratios):.2f}.")


if __name__ == "__main__":
    main()
