#!/usr/bin/env python3
"""Makes bench/RESULTS.md and a roofline for each device from the JSON under bench/results/<device>/.

    bench/report.py [--results bench/results] [--out bench/RESULTS.md]

Reads what `engine_bench --json` (all shards of it) and `compare.py --json` wrote. Of a row that is in several
files the newest counts, those of --quick runs only where no other has it. Needs nothing but Python's standard library.
"""
import argparse
import json
import math
import pathlib
import sys

from roofline import CLASSES, CLASS_WORDS, DTYPES, rate_words, roofline

HERE = pathlib.Path(__file__).resolve().parent


# ---------------------------------------------------------------------------------------------- reading

def read_device(folder):
    """{"header", "ceilings", "rows", "left_out", "steps"} of a device's files; None where there are none."""
    benches, comparisons = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            data = json.loads(path.read_text())
        except ValueError as error:
            sys.exit(f"{path}: not JSON: {error}")
        if "engine_bench" in data:
            benches.append(data)
        elif "compare" in data:
            comparisons.append(data)
        else:
            sys.exit(f"{path}: neither engine_bench's results nor compare.py's")
    if not benches and not comparisons:
        return None
    # A later one overrides; a row of --quick is better than none.
    benches.sort(key=lambda bench: (bench["header"].get("quick") != "yes", bench["header"].get("date", "")))
    comparisons.sort(key=lambda comparison: comparison["header"].get("date", ""))
    steps = {(row["what"], row["peer"]["name"]): dict(row, date=comparison["header"].get("date", ""))
             for comparison in comparisons for row in comparison["rows"]}
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
                     side_words(row["engine"]) + ("" if row["settled"] else " ~"), side_words(row["peer"]) if "peer" in row else "-", rate,
                     f"{100 * row['share_of_limit']:.0f} % of {row['limit']}",
                     error_words(row["engine"]), error_words(row["peer"]) if "peer" in row else "-"])
    return table(["ratio", "row", "engine, us", f"{peer}, us", "rate", "of the limit", "error",
                  f"{peer}'s"], body)


def step_table(steps):
    body = []
    for row in sorted(steps, key=lambda row: -row["ratio"]):
        words = [f"{number(row[side]['median_ms'])} ({number(row[side]['quartiles_ms'][0])} to "
                 f"{number(row[side]['quartiles_ms'][1])})" for side in ("engine", "peer")]
        body.append([f"{row['ratio']:.2f}", row["what"], words[0], words[1],
                     f"{row['peer']['name']} {row['peer']['version']}", row["date"]])
    return table(["ratio", "what", "engine, ms (quartiles)", "peer, ms", "peer", "date"], body)


def folded(title, text):
    return f"<details><summary>{title}</summary>\n\n{text}\n</details>\n"


def section(name, device, picture):
    header, rows = device["header"], device["rows"]
    text = [f"## {name}\n"]
    if header:
        text.append("\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in header.items()) + "\n")
    if device["ceilings"]:
        c = device["ceilings"]
        rates = [f"{number(c[f'{dtype}_flops_per_second'] * 1e-12)} ({dtype})" for dtype in DTYPES
                 if c[f"{dtype}_flops_per_second"] > 0]
        text.append(f"Measured in the same run: copy {number(c['copy_bytes_per_second'] * 1e-9)} GB/s"
                    + (f", large products {', '.join(rates)} TFLOP/s.\n" if rates else ".\n"))
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
    products = losses_first([row for row in rows if row["family"] == "linear"])
    if products:
        text.append("Products of linear layers, by kernels of our own:\n\n" + bench_table(products))
    memory = losses_first([row for row in rows if row["family"] == "memory"])
    if memory:
        text.append("What moves memory:\n\n" + bench_table(memory))
    style = losses_first([row for row in rows if row["family"] == "style"])
    if style:
        text.append("What style transfer adds:\n\n" + bench_table(style))
    if device["left_out"]:
        text.append(folded(f"{len(device['left_out'])} rows left out", table(
            ["row", "why"], [[f"`{row}`", why] for row, why in device["left_out"].items()])))
    return "\n".join(text)


# ---------------------------------------------------------------------------------------------- main

INTRODUCTION = """# Results

Made by `bench/report.py` from `bench/results/`; do not edit. How it is measured: `bench/README.md`. Times are
medians with half the distance of the quartiles (~: not settled before they were taken); errors are the largest over
the root mean square of the reference (in double, on a sample of the output where it is large). Rates count the
operations of the definition: Winograd's way, which needs a quarter of the products, may exceed the limit.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results")
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    options.results, options.out = options.results.resolve(), options.out.resolve()
    if not options.results.is_dir():
        sys.exit(f"{options.results}: no such folder; scripts/gpu.sh bench makes results")
    names = write_report(options.results, options.out)
    if not names:
        sys.exit(f"{options.results}: no results in it; scripts/gpu.sh bench makes some")
    print(f"{options.out}: {', '.join(names)}")


if __name__ == "__main__":
    main()
