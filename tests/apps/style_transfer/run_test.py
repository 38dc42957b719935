"""What the style_transfer binary makes, says, returns and leaves on the disk.

ENGINE_STYLE_TRANSFER names the binary. The bad input: arguments, part of the message, exit code.
"""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "cnn"))
import pictures  # noqa: E402

BINARY = os.environ["ENGINE_STYLE_TRANSFER"]
SMALL = ["--size", "48", "--threads", "1", "--precision", "f32"]
LIMIT_S = 100
IS_SANITIZED = b"sanitizers:" in subprocess.run([BINARY, "--version"], check=True,
                                                stdout=subprocess.PIPE).stdout
measures_memory = unittest.skipIf(IS_SANITIZED, "sanitizers take memory of their own")


class Case(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="style test ")
        self.addCleanup(self.temporary.cleanup)
        self.folder = self.temporary.name

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, data):
        with open(self.path(name), "wb") as file:
            file.write(data)
        return self.path(name)

    def call(self, *arguments, **options):
        return subprocess.run([BINARY, "run", *arguments], cwd=self.folder, timeout=LIMIT_S,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def makes(self, *arguments):
        result = self.call(*arguments, "--json")
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return json.loads(result.stdout)

    def fails(self, arguments, message, code):
        result = self.call(*arguments)
        text = result.stderr.decode()
        self.assertIn(message, text)
        self.assertEqual(result.returncode, code, text)
        self.assertNotIn("terminate called", text)

    def rows(self, folder):
        with open(self.path(folder, "metrics.jsonl")) as file:
            return [json.loads(line) for line in file]


def picture():
    return pictures.png(40, 30, lambda x, y: (6 * x, 8 * y, (x * y) % 256))


def png_size(path):
    with open(path, "rb") as file:
        head = file.read(24)
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


class Makes(Case):
    def test_a_picture_and_a_page(self):
        result = self.makes("scene:18", "pattern:waves", "-o", "out.png", *SMALL, "--iterations",
                            "12", "--preview", "5", "--out", "run")
        self.assertEqual(png_size(self.path("out.png")), (48, 36))
        self.assertEqual(result["iterations"], 12)
        rows = self.rows("run")
        self.assertEqual([row["iteration"] for row in rows], list(range(1, 13)))
        self.assertLess(rows[-1]["loss"], 0.8 * rows[0]["loss"])
        with open(self.path("run", "report.html")) as file:
            page = file.read()
        self.assertIn("data:image/png", page)
        self.assertNotIn("http-equiv", page)  # it is finished
        self.assertTrue(os.path.exists(self.path("run", "preview.png")))

    def test_every_optimizer_lowers_the_loss(self):
        for optimizer in ("adam", "lbfgs", "lbfgs-fixed", "gd"):
            with self.subTest(optimizer):
                self.makes("scene:18", "pattern:dots", "-o", "out.png", *SMALL, "--iterations", "15",
                           "--optimizer", optimizer, "--init", "noise", "--out", optimizer)
                rows = self.rows(optimizer)
                self.assertLess(min(row["loss"] for row in rows), 0.7 * rows[0]["loss"])

    def test_scales_colors_and_several_styles(self):
        result = self.makes("scene:2", "pattern:waves", "pattern:embers", "--style-weights", "1,3",
                            "--colors", "content", "--scales", "2", "--style-scale", "0.8",
                            "--pooling", "max", "-o", "out.jpg", *SMALL, "--iterations", "6",
                            "--out", "run", "--content-layers", "conv2_2:0.5,conv3_1",
                            "--style-layers", "conv1_1,conv2_1:2")
        self.assertEqual((result["width"], result["height"]), (48, 36))
        self.assertEqual([row["size"] for row in self.rows("run")], [24] * 3 + [48] * 3)

    def test_killed_and_resumed_it_has_the_same_bits(self):
        for optimizer in ("adam", "lbfgs"):
            arguments = ["scene:18", "pattern:waves", *SMALL, "--iterations", "24", "--scales", "2",
                         "--preview", "1", "--optimizer", optimizer]
            self.makes(*arguments, "-o", "whole.png", "--out", "whole-" + optimizer)
            folder = "cut-" + optimizer
            process = subprocess.Popen([BINARY, "run", *arguments, "-o", "cut.png", "--out", folder],
                                       cwd=self.folder, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            metrics = self.path(folder, "metrics.jsonl")
            deadline = time.monotonic() + LIMIT_S
            while time.monotonic() < deadline:
                if os.path.exists(metrics) and len(self.rows_so_far(metrics)) >= 15:
                    break
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            self.makes("--resume", folder)
            with open(self.path("whole.png"), "rb") as a, open(self.path("cut.png"), "rb") as b:
                self.assertEqual(a.read(), b.read())
            losses = [[row["loss"] for row in self.rows(name)]
                      for name in ("whole-" + optimizer, folder)]
            self.assertEqual(*losses)

    @staticmethod
    def rows_so_far(path):
        with open(path) as file:
            return file.readlines()

    @measures_memory
    def test_the_memory_figure_is_the_peak(self):
        result = self.makes("scene:18", "pattern:waves", "-o", "out.png", "--size", "640",
                            "--iterations", "1", "--scales", "1", "--threads", "1")
        self.assertLess(abs(result["memory_planned_gib"] / result["memory_peak_gib"] - 1), 0.05)

    def test_ctrl_c_leaves_a_checkpoint(self):
        process = subprocess.Popen([BINARY, "run", "scene:18", "pattern:waves", "-o", "out.png",
                                    *SMALL, "--iterations", "100000", "--out", "run"],
                                   cwd=self.folder, stderr=subprocess.PIPE)
        metrics = self.path("run", "metrics.jsonl")
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            if os.path.exists(metrics) and len(self.rows_so_far(metrics)) >= 2:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 130, text)
        self.assertIn("--resume", text.decode())
        self.assertTrue(os.path.exists(self.path("run", "checkpoint.safetensors")))
        self.assertTrue(os.path.exists(self.path("run", "preview.png")))


class Refuses(Case):
    def test_bad_input(self):
        good = self.write("good.png", picture())
        whole = picture()
        damaged = self.write("damaged.png", whole[: len(whole) // 2])
        text = self.write("text.png", b"no picture")
        weights = self.write("weights.safetensors", b"\x02\0\0\0\0\0\0\0{}")
        os.mkdir(self.path("folder.png"))
        base = [good, "pattern:waves", "-o", "out.png", *SMALL]
        table = [
            ([good], "at least one style", 2),
            ([good, "pattern:waves"], "-o is needed", 2),
            ([good, "pattern:none", "-o", "out.png"], "there is no such pattern", 2),
            (["scene:x", "pattern:waves", "-o", "out.png"], "write scene: and a number", 2),
            ([good, "pattern:waves", damaged, "-o", "out.png"], "damaged.png", 1),
            ([text, "pattern:waves", "-o", "out.png"], "text.png", 1),
            ([good, self.path("missing.jpg"), "-o", "out.png"], "missing.jpg", 1),
            ([good, "pattern:waves", "-o", "out.gif"], "must end in .png, .jpg", 2),
            ([good, "pattern:waves", "-o", "folder.png"], "is a folder", 2),
            ([good, "pattern:waves", "-o", "nowhere/out.png"], "there is no folder", 1),
            ([good, "pattern:waves", "-o", "out.png", "--size", "16", "--style-scale", "0.5"],
             "too small for conv5_1", 2),
            ([good, "pattern:waves", "-o", "out.png", "--size", "20", "--style-layers", "conv5_1"],
             "too small for conv5_1", 2),
            (base + ["--weights", weights], "holds no VGG network", 1),
            (base + ["--content-layers", "conv9_1"], 'no layer "conv9_1"', 2),
            (base + ["--style-layers", "conv1_1:x"], "write conv4_2", 2),
            (base + ["--style-weights", "1,2"], "2 weights for 1 styles", 2),
            (base + ["--optimizer", "newton"], "--optimizer", 2),
            (base[:4] + ["--size", "2048", "--memory", "0.5"], "the largest that fits is --size", 1),
            (["--resume", "nowhere"], "is no run folder", 2),
        ]
        for arguments, message, code in table:
            with self.subTest(message):
                self.fails(arguments, message, code)
        self.assertFalse(os.path.exists(self.path("out.png")))
        self.assertFalse(os.path.exists(self.path("runs")))  # refused before a run folder was made

    @measures_memory
    def test_the_size_that_it_names_does_fit(self):
        arguments = ["scene:18", "pattern:waves", "-o", "out.png", "--threads", "1", "--memory",
                     "0.25", "--iterations", "1", "--scales", "1"]
        text = self.call(*arguments, "--size", "2000").stderr.decode()
        size = text.split("--size ")[-1].split()[0]
        result = self.makes(*arguments, "--size", size)
        self.assertLess(result["memory_peak_gib"], 0.25 * 1.02)

    def test_weights_that_are_cut_or_changed(self):
        source = os.environ["ENGINE_STYLE_ENCODER"]
        with open(source, "rb") as file:
            data = bytearray(file.read())
        arguments = ["scene:18", "pattern:waves", "-o", "out.png", *SMALL, "--weights"]
        cut = self.write("cut.safetensors", bytes(data[: len(data) // 2]))
        self.fails(arguments + [cut], "cut.safetensors", 1)
        data[-400_000:] = bytes(400_000)
        changed = self.write("changed.safetensors", bytes(data))
        self.fails(arguments + [changed], "the mean activation of conv", 1)


if __name__ == "__main__":
    unittest.main()
