#!/usr/bin/env python3
"""engine_bench as its users run it: engine_bench_test.py PROGRAM SOURCE_FOLDER"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SOURCE = sys.argv[1:3]
sys.path.insert(0, str(pathlib.Path(SOURCE) / "bench"))
sys.dont_write_bytecode = True
import report  # noqa: E402

SHAPE = "n=2,h=6,c=8,k=8,r=3"


def run(*words, status=0):
    done = subprocess.run([PROGRAM, *map(str, words)], text=True, capture_output=True)
    if done.returncode != status:
        raise AssertionError(f"{words}: code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class EngineBench(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)

    def measured(self, name, *words):
        """A run of one pass in f32 on a small shape; its table and JSON."""
        file = self.path / name
        done = run("--device", "cpu", "--threads", 1, "--quick", "--seconds", 0.01, "--dtype", "f32",
                   "--pass", "forward", "--json", file, *words)
        return done.stdout, json.loads(file.read_text())

    def agrees_with_the_report(self, table, found):
        """The program's table and bench/report.py have the same order and the same means."""
        rows, means = table.split("geometric mean of our time over the peer's\n")
        names = [row["name"] for row in report.losses_first(found["rows"])]
        self.assertEqual(sorted(names, key=rows.index), names)
        printed = [line.split()[:3] for line in means.splitlines() if line.startswith("  ")]
        self.assertEqual(printed[:len(report.class_means(found["rows"]))],
                         [[kind, dtype, f"{ratio:.3f}"] for kind, dtype, ratio, _, _ in
                          report.class_means(found["rows"])])

    def test_list_names_rows_and_classes(self):
        lines = run("--device", "cpu", "--list", "--dtype", "f32,bf16").stdout.splitlines()
        names = [line.split()[1] for line in lines]
        self.assertEqual(len(set(names)), len(names))
        self.assertIn("narrow       conv2d_backward_weights/bf16/n=32,h=28,c=1,k=6,r=5", lines)
        self.assertTrue(any(name.startswith("max_pool2d/f32/") for name in names))
        shards = [run("--device", "cpu", "--list", "--dtype", "f32,bf16", "--shard", f"{i}/3").stdout
                  for i in (1, 2, 3)]
        self.assertEqual(sorted(lines), sorted("".join(shards).splitlines()))
        self.assertGreater(min(len(shard) for shard in shards), 0)

    def test_list_reads_shapes_of_ones_own(self):
        file = self.path / "mine.txt"
        file.write_text(f"{SHAPE}  # a comment\n")
        lines = run("--device", "cpu", "--list", "--shapes", file, "--dtype", "f32", "--family",
                    "conv2d").stdout.splitlines()
        self.assertEqual(len(lines), 3)

    def test_a_row_has_both_sides_errors_and_limits(self):
        table, found = self.measured("new.json", "--conv", SHAPE, "--conv", "n=64,h=4,c=8,k=8,r=1")
        self.assertEqual([row["name"] for row in found["rows"]],
                         [f"conv2d_forward/f32/{SHAPE}", "conv2d_forward/f32/n=64,h=4,c=8,k=8,r=1"])
        row = found["rows"][0]
        self.assertEqual(row["checked"], 2 * 6 * 6 * 8)
        self.assertEqual(row["flops"], 2 * 2 * 6 * 6 * 8 * 9 * 8)
        for side in (row["engine"], row["peer"]):
            self.assertGreater(side["median_seconds"], 0)
            self.assertLessEqual(side["quartile_seconds"][0], side["median_seconds"])
            self.assertGreaterEqual(side["n"], 5)
            self.assertLess(side["error"], 1e-5)
        self.assertLessEqual(row["engine"]["share_of_bound"], 1)
        self.assertGreater(found["ceilings"]["copy_bytes_per_second"], 1e8)
        self.assertIn("date", found["header"])
        self.assertIn("geometric mean", table)
        self.agrees_with_the_report(table, found)

        # Against itself nothing is slower; against a run that was ten times as fast it is.
        new = self.path / "new.json"
        run("--compare", new, "--with", new)
        for row in found["rows"]:
            row["engine"]["median_seconds"] /= 10
            row["engine"]["quartile_seconds"] = [row["engine"]["median_seconds"]] * 2
        (self.path / "old.json").write_text(json.dumps(found))
        run("--compare", self.path / "old.json", "--with", new, status=3)

    def test_continue_measures_only_what_is_missing(self):
        _, first = self.measured("rows.json", "--conv", SHAPE, "--no-peer")
        self.assertNotIn("peer", first["rows"][0])
        _, second = self.measured("rows.json", "--conv", SHAPE, "--conv", "n=1,h=4,c=4,k=4,r=1",
                                  "--no-peer", "--continue")
        self.assertEqual(len(second["rows"]), 2)
        self.assertEqual(second["rows"][0], first["rows"][0])
        # The rows share a header and the ceilings that their shares were computed with.
        self.assertEqual(second["ceilings"], first["ceilings"])
        self.assertIn("continued", second["header"])
        self.assertEqual(second["header"]["quick"], "yes")

    def test_continue_refuses_rows_measured_in_another_way(self):
        self.measured("rows.json", "--conv", SHAPE, "--no-peer")
        file = self.path / "rows.json"
        before = file.read_text()
        for changed, words in [
            (None, ["--no-peer", "--seconds", 0.02]),
            (None, []),
            (None, ["--no-peer", "--scratch-mib", 7]),
            ("engine", ["--no-peer"]),
            ("device", ["--no-peer"]),
        ]:
            with self.subTest(changed=changed, words=words):
                if changed:
                    found = json.loads(before)
                    found["header"][changed] = "another"
                    file.write_text(json.dumps(found))
                written = file.read_text()
                done = run("--device", "cpu", "--threads", 1, "--quick", "--seconds", 0.01, "--dtype", "f32",
                           "--pass", "forward", "--json", file, "--continue", "--conv", SHAPE, *words, status=2)
                self.assertIn("rows.json was measured with", done.stderr)
                self.assertEqual(file.read_text(), written)

    def test_time_limit_leaves_rows_out_by_name(self):
        _, found = self.measured("none.json", "--conv", SHAPE, "--time-limit", 1e-9)
        self.assertEqual(found["rows"], [])
        self.assertEqual(found["left_out"][0]["name"], f"conv2d_forward/f32/{SHAPE}")

    def test_memory_rows_are_checked_too(self):
        _, found = self.measured("memory.json", "--filter", "^max_pool2d/")
        self.assertEqual(found["rows"][0]["engine"]["error"], 0)
        self.assertEqual(found["rows"][0]["limit"], "copy")

    def test_rows_of_linear_layers_keep_their_bounds(self):
        file = self.path / "linear.json"
        run("--device", "cpu", "--threads", 1, "--quick", "--seconds", 0.01, "--dtype", "f32", "--family", "linear",
            "--filter", "in=400", "--json", file)
        rows = json.loads(file.read_text())["rows"]
        self.assertEqual([row["name"] for row in rows], [f"linear_{name}/f32/rows=256,in=400,out=120" for name in
                                                         ("forward", "backward_data", "backward_weights")])
        for row in rows:
            self.assertEqual(row["flops"], 2 * 256 * 400 * 120)
            self.assertLess(row["engine"]["error"], 1e-5)
            self.assertNotIn("peer", row)  # ours is oneDNN's on a CPU

    def test_rows_of_style_transfer_keep_their_bounds(self):
        _, found = self.measured("style.json", "--family", "style", "--filter", "resize|total|64x64x512|color|lbfgs")
        rows = {row["name"].split("/")[0]: row for row in found["rows"]}
        self.assertEqual(set(rows), {
            "gram", "gram_backward", "mean_squared_difference", "mean_squared_difference_backward", "total_variation",
            "total_variation_backward", "color_transform", "resize_to_256", "resize_to_256_backward",
            "resize_to_1024", "resize_to_1024_backward", "lbfgs_update"})
        self.assertEqual([name for name, row in rows.items() if row["limit"] == "matrix"], ["gram", "gram_backward"])
        for name, row in rows.items():
            with self.subTest(name):
                self.assertEqual("error" in row["engine"], name != "lbfgs_update")
                self.assertLess(row["engine"].get("error", 0), 1e-5)

    def test_bad_input(self):
        (self.path / "bad.json").write_text("{")
        for words, text in [
            (["--conv", "n=1"], "h is missing"),
            (["--colour"], "unknown option"),
            (["--set", "absent"], "there is no absent.txt"),
            (["--shapes", self.path / "absent"], "cannot be read"),
            (["--filter", "["], "regular expression"),
            (["--filter", "no such row"], "no row fits"),
            (["--compare", self.path / "bad.json"], "not results of engine_bench"),
            (["--compare", self.path / "absent.json"], "cannot be read"),
            (["--device", "tpu"], "tpu"),
            (["--device", "cpu", "--dtype", "tf32"], "does not compute in tf32"),
            (["--device", "cpu", "--dtype", "f32,f16", "--list"], "does not compute in f16"),
        ]:
            with self.subTest(words=words):
                self.assertIn(text, run(*words, status=2).stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
