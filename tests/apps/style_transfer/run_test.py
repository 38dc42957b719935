"""What the style_transfer binary makes, and what it makes when it is stopped in between."""
import os
import signal
import struct
import subprocess
import time
import unittest

from style_case import BINARY, LIMIT_S, SMALL, Case, picture


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

    def test_lbfgs_says_when_it_goes_back(self):
        result = self.call("scene:18", "pattern:dots", "-o", "out.png", *SMALL, "--iterations", "15", "--init",
                           "noise", "--optimizer", "lbfgs-fixed", "--learning-rate", "5", "--preview", "3", "--out",
                           "run")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("L-BFGS diverged; it went back and began anew with shorter steps", result.stderr.decode())
        losses = [row["loss"] for row in self.rows("run")]
        self.assertGreater(max(losses), 10 * losses[0])
        self.assertLess(losses[-1], 0.2 * losses[0])

    def test_a_loss_that_explodes_ends_the_run_and_leaves_the_last_preview(self):
        for preview in ("1", "25"):  # alone, and among iterations that are enqueued together
            self.fails(["scene:18", "pattern:dots", "-o", "out.png", *SMALL, "--optimizer", "gd", "--learning-rate",
                        "1e30", "--preview", preview, "--out", preview], "the loss is no longer finite at iteration 2", 1)
            self.assertEqual([row["iteration"] for row in self.rows(preview)], [1])
            self.assertFalse(os.path.exists(self.path("out.png")))
        self.assertEqual(png_size(self.path("1", "preview.png")), (48, 36))

    def test_scales_colors_and_several_styles(self):
        result = self.makes("scene:2", "pattern:waves", "pattern:embers", "--style-weights", "1,3",
                            "--colors", "content", "--scales", "2", "--style-scale", "0.8",
                            "--pooling", "max", "-o", "out.jpg", *SMALL, "--iterations", "6",
                            "--out", "run", "--content-layers", "conv2_2:0.5,conv3_1",
                            "--style-layers", "conv1_1,conv2_1:2")
        self.assertEqual((result["width"], result["height"]), (48, 36))
        self.assertEqual([row["size"] for row in self.rows("run")], [24] * 3 + [48] * 3)

    def test_each_style_in_its_own_half(self):
        styles = ["pattern:waves", "pattern:embers"]
        arguments = ["-o", "out.png", *SMALL, "--iterations", "6", "--scales", "2"]
        result = self.makes("scene:2", *styles, "--masks", "half:top", "half:bottom", *arguments)
        self.assertEqual((result["width"], result["height"]), (48, 36))
        losses = [row["loss"] for row in self.rows(result["run"])]
        self.assertLess(losses[-1], losses[3])  # of the finer scale
        with open(self.path(result["run"], "report.html")) as page:
            text = page.read()
        self.assertIn("half:top", text)
        self.assertIn("half:bottom", text)

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

    def resumes_alike(self, arguments, stop):
        """A run that `stop(process, folder)` ended goes on to the bits of one that was left alone."""
        whole = self.makes(*arguments, "-o", "whole.png", "--out", "whole")
        process = subprocess.Popen([BINARY, "run", *arguments, "-o", "cut.png", "--out", "cut"],
                                   cwd=self.folder, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        stop(process)
        process.communicate(timeout=LIMIT_S)
        self.makes("--resume", "cut")
        with open(self.path("whole.png"), "rb") as a, open(self.path("cut.png"), "rb") as b:
            self.assertEqual(a.read(), b.read())
        losses = [[row["loss"] for row in self.rows(name)] for name in ("whole", "cut")]
        self.assertEqual(*losses)
        return whole

    def test_ctrl_c_before_the_first_iteration(self):
        def stop(process):
            process.stderr.readline()  # what encoder is used: the signal is expected by then
            process.send_signal(signal.SIGINT)
            text = process.stderr.read().decode()
            self.assertEqual(process.wait(), 130, text)
            self.assertIn("stopped after iteration 0 of 6", text)
            for name in ("preview.png", "report.html", "checkpoint.safetensors"):
                self.assertFalse(os.path.exists(self.path("cut", name)), name)

        self.resumes_alike(["scene:18", "pattern:waves", *SMALL, "--iterations", "6"], stop)

    def test_a_damaged_checkpoint_has_one_before_it(self):
        def stop(process):
            before = self.path("cut", "checkpoint.safetensors.previous")
            deadline = time.monotonic() + LIMIT_S
            while not os.path.exists(before) and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            os.truncate(self.path("cut", "checkpoint.safetensors"), 1000)

        self.resumes_alike(["scene:18", "pattern:waves", *SMALL, "--iterations", "40", "--preview",
                            "2"], stop)

    def test_an_lbfgs_run_that_found_its_minimum_stays_there(self):
        arguments = ["scene:18", "pattern:waves", "-o", "out.png", "--size", "24", "--threads", "1",
                     "--precision", "f32", "--optimizer", "lbfgs", "--iterations", "3000",
                     "--content-weight", "0", "--style-weight", "0", "--variation-weight", "1e-3",
                     "--out", "run"]
        text = self.call(*arguments).stderr.decode()
        self.assertIn("L-BFGS finds no better picture at this scale", text)
        rows = len(self.rows("run"))
        self.assertLess(rows, 3000)
        with open(self.path("out.png"), "rb") as file:
            before = file.read()
        os.remove(self.path("run", "result.json"))  # as if it had been killed just before its end
        self.makes("--resume", "run")
        self.assertEqual(len(self.rows("run")), rows)
        with open(self.path("out.png"), "rb") as file:
            self.assertEqual(file.read(), before)


if __name__ == "__main__":
    unittest.main()
