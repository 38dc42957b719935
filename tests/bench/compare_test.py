#!/usr/bin/env python3
"""bench/compare.py with our side and a made-up PyTorch: compare_test.py BLOCK_TIMER SOURCE_FOLDER"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TIMER, SOURCE = (pathlib.Path(word).resolve() for word in sys.argv[1:3])

# A python3 that has PyTorch 9.9, whose steps take 1000 ms.
PYTHON = """\
#!/bin/bash
if [[ $1 == -c ]]; then [[ $2 == *torch* ]] && echo 9.9; exit; fi
while read -r line; do echo 1000.0; done
"""


class Compare(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="some where ")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        (self.path / "build/bench").mkdir(parents=True)
        (self.path / "build/bench/block_timer").symlink_to(TIMER)
        self.python = self.path / "python"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)

    def compare(self, *words, status=0):
        done = subprocess.run([sys.executable, SOURCE / "bench/compare.py", *words, "--build", self.path / "build",
                               "--python", self.python], capture_output=True, text=True)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done.stdout, done.stderr

    def training_step(self, *words):
        return self.compare("training-step", "--network", "lenet5", "--batch", "2", "--steps", "1", "--threads", "1",
                            "--precisions", "f32", *words)

    def test_rows_say_what_was_measured(self):
        out = self.path / "steps.json"
        self.training_step("--rounds", "3", "--json", out)
        found = json.loads(out.read_text())
        header = found["header"]
        self.assertRegex(header["date"], r"^\d{4}-\d\d-\d\d ")
        self.assertNotEqual(header["machine"], "")
        self.assertEqual(header["engine"], subprocess.check_output([TIMER, "version"], text=True).strip())
        row, = found["rows"]
        self.assertEqual(row["what"], "lenet5 step, batch 2, f32")
        self.assertEqual((row["peer"]["version"], row["peer"]["median_ms"]), ("9.9", 1000))
        self.assertGreater(row["engine"]["median_ms"], 0)
        self.assertAlmostEqual(row["ratio"], row["engine"]["median_ms"] / 1000)
        self.assertEqual(row["blocks"], 3)

    def test_one_round_is_enough(self):
        printed, _ = self.training_step("--rounds", "1")
        self.assertIn("PyTorch  1000.000 ms", printed)

    def test_what_is_missing_is_named(self):
        self.assertIn("no module jax; left out", self.training_step("--peers", "jax")[0])
        self.assertIn("at least 1", self.compare("training-step", "--rounds", "0", status=2)[1])
        self.assertIn("no such folder", self.compare("training-step", "--json", self.path / "a/b.json", status=2)[1])
        (self.path / "build/bench/block_timer").unlink()
        self.assertIn("--target block_timer", self.compare("training-step", status=1)[1])

    @unittest.skipIf((SOURCE / "bench/onnxruntime/node_modules").exists() and shutil.which("node"), "it is installed")
    def test_prediction_without_onnx_runtime(self):
        self.assertIn("npm install", self.compare("prediction")[0])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
