#!/usr/bin/env python3
"""How the speed of training grows and falls with a model's sizes, as one SVG.

    benches/scaling.py --command "cargo run --release --quiet --" --output docs/scaling.svg [--rounds 2] [--few]

Runs `tongues bench train` around one size, each other one changed alone, and draws tokens a second and GFLOP/s against
each. Rounds are run in turns and their medians drawn. Needs nothing but Python.
"""
import argparse
import json
import math
import shlex
import statistics
import subprocess
import sys

BASE = dict(d=256, layers=4, seq=256, batch=8)
AXES = {
    "d": ("hidden width D", [64, 128, 256, 512]),
    "layers": ("layers", [1, 2, 4, 8]),
    "seq": ("tokens in a window T", [64, 128, 256, 512, 1024]),
    "batch": ("windows in a step B", [1, 2, 4, 8, 16]),
}
FEW = {"d": [128, 256], "layers": [2, 4], "seq": [128, 256], "batch": [4, 8]}
HEAD_WIDTH = 64
FIGURES = [("tokens_per_second", "tokens a second", "#1f6feb"), ("gflops", "GFLOP/s", "#bf5700")]
WIDTH, HEIGHT, MARGIN = 230, 170, 52


def measure(command, point, steps):
    sizes = {**point, "heads": max(1, point["d"] // HEAD_WIDTH), "steps": steps}
    more = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    run = subprocess.run([*shlex.split(command), "bench", "train", "--device", "cpu", "--json", *more],
                         check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)


def ticks(most):
    """Round numbers from 0 to at least `most`, three to six of them."""
    step = 10 ** math.floor(math.log10(most))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2) if most / (step * factor) <= 5)
    return [step * i for i in range(math.ceil(most / step) + 1)]


def panel(left, top, title, points, heights, colour, label, limit):
    """One curve: `points` are (size, figure); sizes are powers of two, so the axis is one of powers."""
    low, high = math.log2(points[0][0]), math.log2(points[-1][0])
    x = lambda size: left + (math.log2(size) - low) / max(high - low, 1) * WIDTH
    y = lambda value: top + HEIGHT - value / heights[-1] * HEIGHT
    out = [f'<text x="{left}" y="{top - 10}" font-weight="bold">{label}</text>']
    for value in heights:
        out.append(f'<line x1="{left}" y1="{y(value):.1f}" x2="{left + WIDTH}" y2="{y(value):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    for size, _ in points:
        out.append(f'<text x="{x(size):.1f}" y="{top + HEIGHT + 16}" text-anchor="middle">{size}</text>')
    out.append(f'<text x="{left + WIDTH / 2}" y="{top + HEIGHT + 34}" text-anchor="middle">{title}</text>')
    if limit:
        out.append(f'<line x1="{left}" y1="{y(limit):.1f}" x2="{left + WIDTH}" y2="{y(limit):.1f}" stroke="#888" '
                   f'stroke-dasharray="4 3"><title>one large product alone: {limit:.0f} GFLOP/s</title></line>')
    line = " ".join(f"{x(size):.1f},{y(value):.1f}" for size, value in points)
    out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for size, value in points:
        out.append(f'<circle cx="{x(size):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}">'
                   f"<title>{title} {size}: {value:,.0f}</title></circle>")
    return out


def draw(curves, limit, about):
    columns, rows = len(AXES), len(FIGURES)
    width, height = columns * (WIDTH + MARGIN + 16) + 16, rows * (HEIGHT + 76) + 44
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/>',
           f'<text x="16" y="20" font-size="13">{about}</text>']
    for row, (figure, label, colour) in enumerate(FIGURES):
        line = limit if figure == "gflops" else None
        # One scale for a row, so that its panels can be compared.
        heights = ticks(max(line or 0, *(found[figure] for curve in curves.values() for _, found in curve)))
        for column, (axis, (title, _)) in enumerate(AXES.items()):
            left, top = MARGIN + column * (WIDTH + MARGIN + 16), 58 + row * (HEIGHT + 76)
            points = [(size, found[figure]) for size, found in curves[axis]]
            out += panel(left, top, title, points, heights, colour, label, line)
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", default="cargo run --release --quiet --", help="the command `tongues`")
    parser.add_argument("--output", default="docs/scaling.svg")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5, help="of one run, beside three to warm up")
    parser.add_argument("--few", action="store_true", help="two points on each axis")
    parser.add_argument("--machine", default="2 cores of an AMD EPYC")
    o = parser.parse_args()
    axes = FEW if o.few else {axis: sizes for axis, (_, sizes) in AXES.items()}
    points = {axis: [{**BASE, axis: size} for size in sizes] for axis, sizes in axes.items()}
    each = []
    for point in (point for line in points.values() for point in line):
        if point not in each:
            each.append(point)
    found = [[] for _ in each]
    for _ in range(o.rounds):
        for place, point in enumerate(each):
            found[place].append(measure(o.command, point, o.steps))
            last = found[place][-1]
            print(f"{point}: {last['tokens_per_second']:.0f} tokens/s, {last['gflops']:.0f} GFLOP/s", file=sys.stderr, flush=True)
    keys = [figure for figure, _, _ in FIGURES]
    medians = [{key: statistics.median(run[key] for run in runs) for key in keys} for runs in found]
    curves = {axis: [(point[axis], medians[each.index(point)]) for point in line] for axis, line in points.items()}
    limit = max(run["limit_gflops"] or 0 for runs in found for run in runs)
    sizes = ", ".join(f"{name} {size}" for name, size in BASE.items())
    about = (f"tongues bench train on {o.machine}, f32: around {sizes}, heads of {HEAD_WIDTH}, vocabulary 8192, one size "
             f"changed at a time; medians of {o.rounds}; dashed: one large product alone")
    with open(o.output, "w", encoding="utf-8") as file:
        file.write(draw(curves, limit, about))
    print("| | " + " | ".join(label for _, label, _ in FIGURES) + " |\n|---|---|---|")
    for point, figures in zip(each, medians):
        changed = [f"{name} {size}" for name, size in point.items() if BASE[name] != size] or ["as above"]
        print(f"| {changed[0]} | " + " | ".join(f"{figures[key]:,.0f}" for key in keys) + " |")


if __name__ == "__main__":
    main()
