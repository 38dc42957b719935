#!/usr/bin/env python3
"""bench/report.py on made-up results: report_test.py SOURCE_FOLDER"""
import json
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree as tree

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(SOURCE / "bench"))
sys.dont_write_bytecode = True
import report  # noqa: E402

CEILINGS = {"copy_bytes_per_second": 1e10, "f32_flops_per_second": 1e12,
            "tf32_flops_per_second": 0, "bf16_flops_per_second": 2e12, "f16_flops_per_second": 3e12}


def row(name, kind, dtype, ours, theirs, flops=10 ** 9, family="conv2d"):
    def side(who, seconds):
        return {"name": who, "algorithm": "", "median_seconds": seconds,
                "quartile_seconds": [seconds * 0.9, seconds * 1.1], "n": 9, "scratch_bytes": 0, "error": 1e-7}
    result = {"name": name, "family": family, "shape_class": kind, "dtype": dtype, "bytes": 10 ** 7,
              "flops": flops, "checked": 1, "elements": 1, "limit": "matrix", "share_of_limit": 0.5, "settled": name != "same",
              "engine": side("engine", ours)}
    if theirs:
        result.update(peer=side("cuDNN", theirs), ratio=ours / theirs)
    return result


def bench(date, rows, left_out=(), quick="no"):
    return {"engine_bench": 2, "header": {"date": date, "device": "<a & b>", "quick": quick}, "ceilings": CEILINGS,
            "rows": rows, "left_out": [{"name": name, "reason": "time"} for name in left_out]}


def comparison(date, ratio):
    return {"compare": 1, "header": {"date": date}, "rows": [
        {"what": "lenet5 step", "blocks": 3, "ratio": ratio,
         "engine": {"name": "engine", "median_ms": 1, "quartiles_ms": [0.9, 1.1]},
         "peer": {"name": "PyTorch", "version": "2.4", "median_ms": 1 / ratio, "quartiles_ms": [1.9, 2.1]}}]}


class Report(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.results = pathlib.Path(folder.name) / "results"
        self.out = pathlib.Path(folder.name) / "RESULTS.md"
        (self.results / "gpu").mkdir(parents=True)
        (self.results / "empty").mkdir()

    def put(self, name, data):
        (self.results / "gpu" / name).write_text(json.dumps(data))

    def text(self):
        self.assertEqual(report.write_report(self.results, self.out), ["gpu"])
        return self.out.read_text()

    def put_two_runs(self):
        # Names in the other order than dates: the date decides.
        self.put("a.json", bench("2026-02-02", [row("win", "large", "f32", 1e-3, 4e-3),
                                                row("narrow", "narrow", "bf16", 3e-3, 1e-3),
                                                row("relu", "", "f32", 1e-3, None, flops=0, family="memory"),
                                                row("product", "", "f32", 2e-3, 1e-3, family="linear"),
                                                row("gram", "", "f32", 1e-3, None, family="style")]))
        self.put("b.json", bench("2026-01-01", [row("win", "large", "f32", 1e-3, 9e-3),
                                                row("same", "large", "f32", 2e-3, 1e-3)], ["narrow", "absent"]))

    def test_the_newest_row_counts(self):
        self.put_two_runs()
        text = self.text()
        self.assertIn("| 0.25 | `win`", text)
        self.assertIn("**0.71**", text)  # the geometric mean of 0.25 and 2
        self.assertIn("**3.00**", text)  # classes apart
        self.assertLess(text.index("`narrow`"), text.index("`same`"))  # losses first
        self.assertLess(text.index("`same`"), text.index("`win`"))
        self.assertIn("| `absent` | time |", text)
        self.assertIn("| `same` | 2000 ±10 % ~ | 1000 ±10 % |", text)
        self.assertIn("| `win` | 1000 ±10 % | 4000 ±10 % |", text)
        self.assertLess(text.index("Products of linear layers"), text.index("| 2.00 | `product`"))
        self.assertLess(text.index("What moves memory"), text.index("| - | `relu`"))
        self.assertLess(text.index("What style transfer adds"), text.index("| - | `gram`"))
        self.assertNotIn("| `narrow` | time |", text)

    def test_quick_rows_only_fill_gaps(self):
        self.put("a.json", bench("2026-01-01", [row("thorough", "large", "f32", 1e-3, 4e-3)]))
        self.put("b.json", bench("2026-02-02", [row("thorough", "large", "f32", 1e-3, 9e-3),
                                                row("gap", "large", "f32", 1e-3, 5e-3)], quick="yes"))
        text = self.text()
        self.assertIn("| 0.25 | `thorough`", text)
        self.assertIn("| 0.20 | `gap`", text)
        self.assertIn("- date: 2026-01-01", text)

    def test_steps_of_the_newest_comparison(self):
        self.put("a.json", comparison("2026-02-02", 0.5))
        self.put("b.json", comparison("2026-01-01", 0.25))
        text = self.text()
        self.assertIn("| 0.50 | lenet5 step |", text)
        self.assertIn("| PyTorch 2.4 | 2026-02-02 |", text)
        self.assertNotIn("0.25", text)

    def test_the_roofline_has_a_mark_for_each_side(self):
        self.put_two_runs()
        self.assertIn("results/gpu/roofline.svg", self.text())
        svg = tree.fromstring((self.results / "gpu/roofline.svg").read_text())
        title = "{http://www.w3.org/2000/svg}title"
        marks = {mark.find(title).text: float(mark.get("y") or mark.get("cy"))
                 for mark in svg if mark.find(title) is not None}
        self.assertEqual(len(marks), 6)  # three convolutions
        self.assertIn("engine win: 1 TFLOP/s", marks)
        heights = {text.split(":")[0]: height for text, height in marks.items()}
        self.assertLess(heights["engine win"], heights["cuDNN win"])  # faster is higher

    def test_the_roofline_tells_types_apart(self):
        self.put("a.json", bench("2026-02-02", [row(dtype, "large", dtype, 1e-3, 4e-3)
                                                for dtype in ("f32", "tf32", "bf16", "f16")]))
        self.assertIn("large products 1.00 (f32), 2.00 (bf16), 3.00 (f16) TFLOP/s", self.text())
        drawn = (self.results / "gpu/roofline.svg").read_text()
        self.assertIn("square f32, diamond tf32, circle bf16, ellipse f16; filled: engine", drawn)
        self.assertEqual(drawn.count("f16 products"), 2)  # of bf16 and f16; tf32 was not measured
        self.assertEqual(drawn.count("rotate(45"), 2)
        self.assertEqual(drawn.count("<ellipse"), 2)

    def test_strange_files_are_refused_by_name(self):
        for text in ("{}", "{"):
            (self.results / "gpu/strange.json").write_text(text)
            with self.assertRaisesRegex(SystemExit, "strange.json"):
                report.write_report(self.results, self.out)


if __name__ == "__main__":
    unittest.main()
