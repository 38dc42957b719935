#!/usr/bin/env python3
"""Makes bench/RESULTS.md and a roofline for each device from the JSON under bench/results/<device>/.

    bench/report.py [--results bench/results] [--out bench/RESULTS.md]
    bench/report.py --self-test

Reads what `engine_bench --json` (all shards of it) and `compare.py --json` wrote. Of a row that is in several
files the newest counts. Needs nothing but Python's standard library.
"""
import argparse
import html
import json
import math
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = ("narrow", "small_batch", "large", "other")
CLASS_WORDS = {"narrow": "first layers and depthwise", "small_batch": "at most 32 images",
               "large": "3x3 and 1x1, more images", "other": "other"}
COLOURS = {"narrow": "#2f9e5b", "small_batch": "#3b6fd4", "large": "#d4622b", "other": "#777777"}


# ---------------------------------------------------------------------------------------------- reading

def read_device(folder):
    """{"header", "ceilings", "rows", "left_out", "steps"} of a device's files; None where there are none."""
    benches, steps = [], {}
    for path in sorted(folder.glob("*.json")):
        try:
            data = json.loads(path.read_text())
        except ValueError as error:
            sys.exit(f"{path}: not JSON: {error}")
        if "engine_bench" in data:
            benches.append(data)
        elif "compare" in data:
            for row in data["rows"]:
                steps[row["what"], row["peer"]["name"]] = row
        else:
            sys.exit(f"{path}: neither engine_bench's results nor compare.py's")
    if not benches and not steps:
        return None
    benches.sort(key=lambda bench: bench["header"].get("date", ""))
    rows, left_out = {}, {}
    for bench in benches:
        for row in bench["rows"]:
            # A row keeps the ceilings of its own run.
            rows[row["name"]] = dict(row, ceilings=bench["ceilings"])
        for row in bench["left_out"]:
            left_out[row["name"]] = row["reason"]
    newest = benches[-1] if benches else {"header": {}, "ceilings": {}}
    return {"header": newest["header"], "ceilings": newest["ceilings"], "rows": list(rows.values()),
            "left_out": {name: why for name, why in left_out.items() if name not in rows},
            "steps": list(steps.values())}


# ---------------------------------------------------------------------------------------------- tables

def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def spread(side):
    low, high = side["quartile_seconds"]
    return 50 * (high - low) / side["median_seconds"]


def number(value, digits=3):
    """Significant digits without an exponent."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def side_words(side):
    return f"{number(side['median_seconds'] * 1e6)} ±{spread(side):.0f} %"


def error_words(side):
    return f"{side['error']:.1e}" if "error" in side else "-"


def class_means(rows):
    """[(class, type, ratio, rows, losses)] of the rows with a peer."""
    means = []
    for name in CLASSES:
        dtypes = sorted({row["dtype"] for row in rows if row["shape_class"] == name and "peer" in row})
        for dtype in dtypes:
            ratios = [row["ratio"] for row in rows
                      if row["shape_class"] == name and row["dtype"] == dtype and "peer" in row]
            means.append((name, dtype, geometric_mean(ratios), len(ratios), sum(r > 1 for r in ratios)))
    return means


def losses_first(rows):
    with_peer = sorted((row for row in rows if "peer" in row), key=lambda row: -row["ratio"])
    alone = sorted((row for row in rows if "peer" not in row), key=lambda row: row["share_of_limit"])
    return with_peer + alone


def bench_table(rows):
    peer = next((row["peer"]["name"] for row in rows if "peer" in row), "peer")
    body = []
    for row in rows:
        seconds = row["engine"]["median_seconds"]
        rate = (rate_words(row["flops"] / seconds) if row["flops"]
                else f"{number(row['bytes'] / seconds * 1e-9)} GB/s")
        body.append([f"{row['ratio']:.2f}" if "peer" in row else "-", f"`{row['name']}`",
                     side_words(row["engine"]), side_words(row["peer"]) if "peer" in row else "-", rate,
                     f"{100 * row['share_of_limit']:.0f} % of {row['limit']}",
                     error_words(row["engine"]), error_words(row["peer"]) if "peer" in row else "-"])
    return table(["ratio", "row", "engine, us", f"{peer}, us", "rate", "of the limit", "error",
                  f"{peer}'s"], body)


def step_table(steps):
    body = []
    for row in sorted(steps, key=lambda row: -row["ratio"]):
        words = [f"{number(row[side]['median_ms'])} ({number(row[side]['quartiles_ms'][0])} to "
                 f"{number(row[side]['quartiles_ms'][1])})" for side in ("engine", "peer")]
        body.append([f"{row['ratio']:.2f}", row["what"], words[0], words[1], row["peer"]["name"]])
    return table(["ratio", "what", "engine, ms (quartiles)", "peer, ms", "peer"], body)


def folded(title, text):
    return f"<details><summary>{title}</summary>\n\n{text}\n</details>\n"


def section(name, device, picture):
    header, rows = device["header"], device["rows"]
    text = [f"## {name}\n"]
    if header:
        text.append("\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in header.items()) + "\n")
    if device["ceilings"]:
        c = device["ceilings"]
        text.append(f"Measured in the same run: copy {number(c['copy_bytes_per_second'] * 1e-9)} GB/s, "
                    f"large products {number(c['f32_flops_per_second'] * 1e-12)} (f32) and "
                    f"{number(c['bf16_flops_per_second'] * 1e-12)} (bf16) TFLOP/s.\n")
    means = class_means(rows)
    if means:
        text.append("Geometric means of our time over the peer's (below 1: we are faster):\n")
        text.append(table(["class", "type", "ratio", "rows", "slower"],
                          [[f"{kind}: {CLASS_WORDS[kind]}", dtype, f"**{ratio:.2f}**", str(count),
                            str(losses)] for kind, dtype, ratio, count, losses in means]))
    if picture:
        text.append(f"![roofline of {name}]({picture})\n")
    if device["steps"]:
        text.append("Whole steps, both sides in turn:\n\n" + step_table(device["steps"]))
    convs = losses_first([row for row in rows if row["family"] == "conv2d"])
    losses = [row for row in convs if row.get("ratio", 0) > 1]
    if losses:
        text.append(f"Losses, {len(losses)} of {len(convs)} convolutions:\n\n" + bench_table(losses[:40]))
        if len(losses) > 40:
            text.append(folded(f"{len(losses) - 40} smaller losses", bench_table(losses[40:])))
    rest = [row for row in convs if row.get("ratio", 0) <= 1]
    if rest:
        text.append(folded(f"{len(rest)} other convolutions", bench_table(rest)))
    memory = losses_first([row for row in rows if row["family"] == "memory"])
    if memory:
        text.append("What moves memory:\n\n" + bench_table(memory))
    if device["left_out"]:
        text.append(folded(f"{len(device['left_out'])} rows left out", table(
            ["row", "why"], [[f"`{row}`", why] for row, why in device["left_out"].items()])))
    return "\n".join(text)


# ---------------------------------------------------------------------------------------------- roofline

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 560, 80, 24, 56, 60


class Axis:
    """A logarithmic axis from `low` to `high` over pixels `begin` to `end`."""

    def __init__(self, low, high, begin, end):
        self.low, self.high, self.begin, self.end = math.log10(low), math.log10(high), begin, end

    def at(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def decades(self):
        return [10 ** power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]


def rate_words(flops_per_second):
    for unit, size in (("PFLOP/s", 1e15), ("TFLOP/s", 1e12), ("GFLOP/s", 1e9), ("MFLOP/s", 1e6)):
        if flops_per_second >= size:
            return f"{flops_per_second / size:.3g} {unit}"
    return f"{flops_per_second:.3g} FLOP/s"


def roofline(name, device):
    """An SVG: FLOP/s over FLOP/byte of every convolution, under the measured roofs; None without one."""
    rows = [row for row in device["rows"] if row["flops"] > 0 and row["bytes"] > 0]
    copy = device["ceilings"].get("copy_bytes_per_second", 0)
    roofs = {dtype: device["ceilings"].get(f"{dtype}_flops_per_second", 0) for dtype in ("f32", "bf16")}
    roofs = {dtype: rate for dtype, rate in roofs.items() if rate > 0}
    if not rows or not roofs or copy <= 0:
        return None
    points = [(row["flops"] / row["bytes"], row["flops"] / row[side]["median_seconds"], row, side)
              for row in rows for side in ("engine", "peer") if side in row]
    xs, ys = [p[0] for p in points], [p[1] for p in points] + list(roofs.values())
    x = Axis(min(xs + [1]) / 2, max(xs + [max(roofs.values()) / copy]) * 2, LEFT, WIDTH - RIGHT)
    y = Axis(min(ys) / 2, max(ys) * 2, HEIGHT - BOTTOM, TOP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
           f'height="{HEIGHT}" font-family="sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="20" font-size="15">{html.escape(name)}: convolutions under the limits '
           'measured in the same run</text>']
    for value in x.decades():
        at = x.at(value)
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>'
                   f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:g}</text>')
    for value in y.decades():
        at = y.at(value)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e4e4e4"/>'
                   f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{rate_words(value).split()[0]} '
                   f'{rate_words(value).split()[1][0]}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 22}" text-anchor="middle">FLOP for each '
               'byte read or written once</text>')
    out.append(f'<text x="16" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" '
               f'transform="rotate(-90 16 {(TOP + HEIGHT - BOTTOM) / 2})">FLOP/s</text>')
    out.append(f'<clipPath id="plot"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - RIGHT - LEFT}" '
               f'height="{HEIGHT - BOTTOM - TOP}"/></clipPath>')
    for dtype, rate in roofs.items():
        knee = rate / copy
        begin = 10 ** x.low
        path = (f"M{x.at(begin):.1f},{y.at(begin * copy):.1f} L{x.at(knee):.1f},{y.at(rate):.1f} "
                f"L{WIDTH - RIGHT},{y.at(rate):.1f}")
        out.append(f'<path d="{path}" fill="none" stroke="black" stroke-width="1.5" clip-path="url(#plot)"/>'
                   f'<text x="{WIDTH - RIGHT - 4}" y="{y.at(rate) - 6:.1f}" text-anchor="end">{dtype} products '
                   f'{rate_words(rate)}</text>')
    for intensity, rate, row, side in points:
        colour = COLOURS.get(row["shape_class"], "#777777")
        fill = colour if side == "engine" else "none"
        title = html.escape(f"{row[side]['name']} {row['name']}: {rate_words(rate)}")
        at = f'{x.at(intensity):.1f}', f'{y.at(rate):.1f}'
        mark = (f'<circle cx="{at[0]}" cy="{at[1]}" r="4.5"' if row["dtype"] == "bf16" else
                f'<rect x="{float(at[0]) - 4:.1f}" y="{float(at[1]) - 4:.1f}" width="8" height="8"')
        out.append(f'{mark} fill="{fill}" fill-opacity="0.75" stroke="{colour}"><title>{title}</title>'
                   f'{"</circle>" if row["dtype"] == "bf16" else "</rect>"}')
    out += legend(rows)
    return "\n".join(out + ["</svg>"]) + "\n"


def legend(rows):
    peer = next((row["peer"]["name"] for row in rows if "peer" in row), None)
    entries = [(COLOURS[kind], CLASS_WORDS[kind]) for kind in CLASSES
               if any(row["shape_class"] == kind for row in rows)]
    out, at = [], LEFT
    for colour, words in entries:
        out.append(f'<rect x="{at}" y="32" width="10" height="10" fill="{colour}"/>'
                   f'<text x="{at + 15}" y="42">{words}</text>')
        at += 32 + 7 * len(words)
    out.append(f'<text x="{WIDTH - RIGHT}" y="42" text-anchor="end">circle bf16, square f32; filled: engine'
               + (f", hollow: {html.escape(peer)}" if peer else "") + "</text>")
    return out


# ---------------------------------------------------------------------------------------------- main

INTRODUCTION = """# Results

Made by `bench/report.py` from `bench/results/`; do not edit. How it is measured: `bench/README.md`. Times are
medians with half the distance of the quartiles; errors are the largest over the root mean square of the
reference (in double, on a sample of the output where it is large).
"""


def write_report(results, out):
    """Writes the report and the pictures; returns the names of the devices."""
    parts, names = [INTRODUCTION], []
    for folder in sorted(path for path in results.iterdir() if path.is_dir()):
        device = read_device(folder)
        if device is None:
            continue
        svg = roofline(folder.name, device)
        if svg:
            (folder / "roofline.svg").write_text(svg)
        picture = (folder / "roofline.svg").relative_to(out.parent) if svg else None
        parts.append(section(folder.name, device, picture.as_posix() if picture else None))
        names.append(folder.name)
    if names:
        out.write_text("\n".join(parts))
    return names


def sample_row(name, kind, dtype, ours, theirs, flops=10 ** 9, family="conv2d"):
    def side(who, seconds):
        return {"name": who, "algorithm": "", "median_seconds": seconds,
                "quartile_seconds": [seconds * 0.9, seconds * 1.1], "n": 9, "scratch_bytes": 0, "error": 1e-7}
    row = {"name": name, "family": family, "shape_class": kind, "dtype": dtype, "bytes": 10 ** 7,
           "flops": flops, "checked": 1, "elements": 1, "limit": "matrix", "share_of_limit": 0.5,
           "engine": side("engine", ours)}
    if theirs:
        row.update(peer=side("cuDNN", theirs), ratio=ours / theirs)
    return row


def self_test():
    import xml.etree.ElementTree as tree
    ceilings = {"copy_bytes_per_second": 1e10, "f32_flops_per_second": 1e12, "bf16_flops_per_second": 2e12}

    def bench(date, rows, left_out=()):
        return {"engine_bench": 1, "header": {"date": date, "device": "<a & b>"}, "ceilings": ceilings,
                "rows": rows, "left_out": [{"name": n, "reason": "time"} for n in left_out]}
    with tempfile.TemporaryDirectory() as name:
        results = pathlib.Path(name) / "results"
        (results / "gpu").mkdir(parents=True)
        (results / "empty").mkdir()
        old = [sample_row("win", "large", "f32", 1e-3, 9e-3), sample_row("same", "large", "f32", 2e-3, 1e-3)]
        new = [sample_row("win", "large", "f32", 1e-3, 4e-3), sample_row("narrow", "narrow", "bf16", 3e-3, 1e-3),
               sample_row("relu", "", "f32", 1e-3, None, flops=0, family="memory")]
        step = {"what": "lenet5 step", "blocks": 3, "ratio": 0.5,
                "engine": {"name": "engine", "median_ms": 1, "quartiles_ms": [0.9, 1.1]},
                "peer": {"name": "PyTorch", "median_ms": 2, "quartiles_ms": [1.9, 2.1]}}
        # Names in the other order than dates: the date decides.
        (results / "gpu/a.json").write_text(json.dumps(bench("2026-02-02", new)))
        (results / "gpu/b.json").write_text(json.dumps(bench("2026-01-01", old, ["narrow", "absent"])))
        (results / "gpu/steps.json").write_text(json.dumps({"compare": 1, "rows": [step]}))
        out = pathlib.Path(name) / "RESULTS.md"
        assert write_report(results, out) == ["gpu"], "devices"
        text = out.read_text()
        assert "| 0.25 | `win`" in text, "the newest row counts"
        assert "**0.71**" in text, "geometric mean of 0.25 and 2"
        assert "**3.00**" in text, "classes apart"
        assert text.index("`narrow`") < text.index("`same`") < text.index("`win`"), "losses first"
        assert "| `absent` | time |" in text and "| `narrow` | time |" not in text, "left out"
        assert "lenet5 step" in text and "results/gpu/roofline.svg" in text, "steps and picture"
        svg = tree.fromstring((results / "gpu/roofline.svg").read_text())
        space = "{http://www.w3.org/2000/svg}"
        marks = [mark for mark in svg if mark.find(f"{space}title") is not None]
        assert len(marks) == 6, f"a mark for each side of each convolution, not {len(marks)}"
        titles = [mark.find(f"{space}title").text for mark in marks]
        assert "engine win: 1 TFLOP/s" in titles, titles
        heights = {mark.find(f"{space}title").text.split(":")[0]: float(mark.get("y") or mark.get("cy"))
                   for mark in marks}
        assert heights["engine win"] < heights["cuDNN win"], "faster is higher"
        (results / "gpu/c.json").write_text("{}")
        try:
            write_report(results, out)
            raise AssertionError("a strange file was taken")
        except SystemExit as error:
            assert "c.json" in str(error)
    print("report.py: self-test passed")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "RESULTS.md")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        self_test()
        return
    options.results, options.out = options.results.resolve(), options.out.resolve()
    if not options.results.is_dir():
        sys.exit(f"{options.results}: no such folder; scripts/gpu.sh bench makes results")
    names = write_report(options.results, options.out)
    if not names:
        sys.exit(f"{options.results}: no results in it; scripts/gpu.sh bench makes some")
    print(f"{options.out}: {', '.join(names)}")


if __name__ == "__main__":
    main()
