"""The picture of bench/report.py: what convolutions reach under the measured limits of the device, as SVG."""
import html
import math

DTYPES = ("f32", "tf32", "bf16", "f16")
MARKS = {"f32": "square f32", "tf32": "diamond tf32", "bf16": "circle bf16", "f16": "ellipse f16"}
CLASSES = ("narrow", "small_batch", "large", "other")
CLASS_WORDS = {"narrow": "first layers and depthwise", "small_batch": "at most 32 images",
               "large": "3x3 and 1x1, more images", "other": "other"}
COLOURS = {"narrow": "#2f9e5b", "small_batch": "#3b6fd4", "large": "#d4622b", "other": "#777777"}

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 580, 80, 24, 76, 60


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


def grid(x, y):
    out = []
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
    return out


def roof_lines(x, y, roofs, copy):
    out = [f'<clipPath id="plot"><rect x="{LEFT}" y="{TOP}" width="{WIDTH - RIGHT - LEFT}" '
           f'height="{HEIGHT - BOTTOM - TOP}"/></clipPath>']
    for dtype, rate in roofs.items():
        begin, knee = 10 ** x.low, rate / copy
        path = (f"M{x.at(begin):.1f},{y.at(begin * copy):.1f} L{x.at(knee):.1f},{y.at(rate):.1f} "
                f"L{WIDTH - RIGHT},{y.at(rate):.1f}")
        out.append(f'<path d="{path}" fill="none" stroke="black" stroke-width="1.5" clip-path="url(#plot)"/>'
                   f'<text x="{x.at(knee) - 10:.1f}" y="{y.at(rate) + 4:.1f}" text-anchor="end">{dtype} products '
                   f'{rate_words(rate)}</text>')
    return out


def mark(x, y, intensity, rate, row, side):
    colour = COLOURS.get(row["shape_class"], "#777777")
    fill = colour if side == "engine" else "none"
    title = html.escape(f"{row[side]['name']} {row['name']}: {rate_words(rate)}")
    left, top = x.at(intensity), y.at(rate)
    square = f'x="{left - 4:.1f}" y="{top - 4:.1f}" width="8" height="8"'
    ellipse = f'cx="{left:.1f}" cy="{top:.1f}"'
    shape, place = {"f32": ("rect", square),
                    "tf32": ("rect", f'{square} transform="rotate(45 {left:.1f} {top:.1f})"'),
                    "bf16": ("circle", f'{ellipse} r="4.5"'),
                    "f16": ("ellipse", f'{ellipse} rx="2.5" ry="6"')}[row["dtype"]]
    return (f'<{shape} {place} fill="{fill}" fill-opacity="0.75" stroke="{colour}"><title>{title}</title>'
            f'</{shape}>')


def roofline(name, device):
    """An SVG: FLOP/s over FLOP/byte of every convolution, under the measured roofs; None without one."""
    rows = [row for row in device["rows"]
            if row["family"] == "conv2d" and row["flops"] > 0 and row["bytes"] > 0]
    copy = device["ceilings"].get("copy_bytes_per_second", 0)
    roofs = {dtype: device["ceilings"].get(f"{dtype}_flops_per_second", 0) for dtype in DTYPES}
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
    out += grid(x, y) + roof_lines(x, y, roofs, copy)
    out += [mark(x, y, *point) for point in points]
    return "\n".join(out + legend(rows) + ["</svg>"]) + "\n"


def legend(rows):
    peer = next((row["peer"]["name"] for row in rows if "peer" in row), None)
    entries = [(COLOURS[kind], CLASS_WORDS[kind]) for kind in CLASSES
               if any(row["shape_class"] == kind for row in rows)]
    out, at = [], LEFT
    for colour, words in entries:
        out.append(f'<rect x="{at}" y="32" width="10" height="10" fill="{colour}"/>'
                   f'<text x="{at + 15}" y="42">{words}</text>')
        at += 32 + 7 * len(words)
    marks = ", ".join(MARKS[dtype] for dtype in DTYPES if any(row["dtype"] == dtype for row in rows))
    out.append(f'<text x="{LEFT}" y="62">{marks}; filled: engine'
               + (f", hollow: {html.escape(peer)}" if peer else "") + "</text>")
    return out
