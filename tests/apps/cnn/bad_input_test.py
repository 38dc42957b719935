"""What the cnn binary says, returns and leaves on the disk when it is given something bad.

ENGINE_CNN names the binary. Each case: input, part of the message, exit code, what is on disk.
"""
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import pictures
from case import CNN, LIMIT_S, QUICK, Case, cnn


FEW = ["--items", "60"]


class CommandLine(Case):
    def test_bad_flags(self):
        table = [
            ([], "a command is needed; there are: train eval predict doctor"),
            (["evaluate"], 'no command "evaluate"; there are: train eval predict doctor'),
            (["train", "--no-such-flag"], "--no-such-flag"),
            (["train", "--epochs", "0"], "--epochs"),
            (["train", "--epochs", "many"], "--epochs"),
            (["train", "--learning-rate", "-1"], "--learning-rate: -1 is no number above 0"),
            (["train", "--learning-rate", "nan"], "nan is no number above 0"),
            (["train", "--learning-rate", "1e-3x"], "1e-3x is no number above 0"),
            (["train", "--network", "resnet"], "there are: logistic mlp deep_mlp daynight lenet5"),
            (["train", "--precision", "f64"], "--precision"),
            (["train", "--device", "tpu"], "tpu"),
            (["train", "--size", "0x4"], "--size 0x4"),
            (["train", "--split", "80/30/x"], "80/30/x"),
            (["train", "--threshold", "2"], "--threshold 2"),
            (["train", "--folds", "5", "--split", "80/20"], "exclude each other"),
            (["train", "--resume", "--epochs", "3"], "--epochs"),
            (["train", "--resume"], "no unfinished run"),
            (["predict", "--model", "x"], "files"),
            (["eval", "--model", "x", "--split", "all"], "--split requires --data"),
            (["train", "--network", "logistic", "--hidden", "5", *FEW], "no hidden layer"),
            (["train", "--network", "vgg_small", "--size", "8", *FEW], "--network vgg_small"),
            (["train", "--network", "mlp", "--width", "2", *FEW], "has no convolutions"),
            (["train", "--channels", "1"], "--channels requires --data"),
            (["train", "--fit", "crop"], "--fit requires --data"),
            (["train", "--items", "60", "--data", "x"], "--items excludes --data"),
            (["train", "--scene-seed", "2", "--data", "x"], "--scene-seed excludes --data"),
            (["train", "--threshold", "auto", "--folds", "3"], "folds have no validation part"),
            (["train", "--threshold", "auto", "--split", "80/0/20", *FEW], "no validation part"),
        ]
        for arguments, message in table:
            with self.subTest(arguments=arguments):
                self.fails(arguments, message, 2)
                self.no_run_folder()

    def test_version_and_help(self):
        self.assertIn("oneDNN", self.succeeds("--version"))
        self.assertIn("--learning-rate", self.succeeds("train", "--help"))

    def test_out_is_not_empty(self):
        pictures.write(self.path("mine", "thesis.txt"), b"precious")
        self.fails(["train", "--out", "mine", *QUICK], "mine: the folder is not empty", 2)
        self.assertEqual(os.listdir(self.path("mine")), ["thesis.txt"])
        self.fails(["train", "--out", "mine/thesis.txt", *QUICK], "is a file", 2)

    def test_standard_output_is_full(self):
        with open("/dev/full", "wb") as full:
            self.fails(["doctor"], "cannot write to standard output", 1, stdout=full)


class Pictures(Case):
    def test_folders(self):
        os.makedirs(self.path("empty"))
        pictures.two_classes(self.path("one"))
        shutil.rmtree(self.path("one", "dark"))
        pictures.write(self.path("junk", "a", "1.png"), b"no picture at all")
        pictures.write(self.path("junk", "b", "1.png"), b"nor this")
        table = [("missing", "missing: No such file or directory"),
                 ("empty", "empty: empty folder; one folder of pictures per class is needed"),
                 ("one", "one: only one class, 'bright'"),
                 ("junk", "class 'a': none of its 1 pictures can be read")]
        for name, message in table:
            with self.subTest(name=name):
                self.fails(["train", "--data", name, *QUICK[2:]], message, 1)
                self.no_run_folder()

    def test_a_threshold_is_for_two_classes(self):
        pictures.two_classes(self.path("three"))
        pictures.two_classes(self.path("three"), names=("green", "dark"))
        self.fails(["train", "--data", "three", "--threshold", "0.7"], "this data has 3", 2)
        self.no_run_folder()

    def test_damaged_pictures_are_named_and_skipped(self):
        data = pictures.two_classes(self.path("my photos"), names=("full sun", "deep night"))
        whole = pictures.bright(1)
        pictures.write(os.path.join(data, "full sun", "cut off.png"), whole[:len(whole) // 2])
        pictures.write(os.path.join(data, "full sun", "text.jpg"), b"hello")
        pictures.write(os.path.join(data, "full sun", "huge.png"),
                       pictures.png_of(60000, 60000, b"x"))
        pictures.write(os.path.join(data, "full sun", "a png.jpg"), whole)  # content decides
        result = self.run_cnn("train", "--data", "my photos", "--out", "a run", "--network",
                              "logistic", "--epochs", "2", "--json")
        text = result.stderr.decode()
        self.assertEqual(result.returncode, 0, text)
        for name in ("cut off.png", "text.jpg", "huge.png"):
            self.assertIn(name, text)
        self.assertNotIn("a png.jpg", text)
        self.assertEqual(len(json.loads(result.stdout)["baselines"]), 2)
        for name in ("config.json", "metrics.csv", "metrics.jsonl", "model.safetensors",
                     "checkpoint.safetensors", "report.html", "result.json"):
            self.assertTrue(os.path.getsize(self.path("a run", name)) > 0, name)
        self.predict_good_and_bad(data)

    def predict_good_and_bad(self, data):
        good = os.path.join(data, "deep night", "3.png")
        bad = os.path.join(data, "full sun", "cut off.png")
        result = self.run_cnn("predict", "--model", "a run", bad, good, "--json")
        self.assertEqual(result.returncode, 1)
        self.assertIn("cut off.png", result.stderr.decode())
        answers = json.loads(result.stdout)["predictions"]
        self.assertIn("error", answers[0])
        self.assertEqual(answers[1]["label"], "deep night")
        pictures.two_classes(self.path("others"), names=("cat", "dog"))
        self.fails(["eval", "--model", "a run", "--data", "others"], "others", 1)


class Models(Case):
    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="cnn model ")
        cls.run_folder = os.path.join(cls.shared, "run")
        result = cnn("train", *QUICK, "--out", cls.run_folder)
        assert result.returncode == 0, result.stderr.decode()
        cls.model = os.path.join(cls.run_folder, "model.safetensors")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared)

    def setUp(self):
        super().setUp()
        pictures.write(self.path("p.png"), pictures.bright(1))

    def predict_fails(self, message):
        self.fails(["predict", "--model", "m.safetensors", "p.png"], message, 1)

    def test_cut_at_any_byte(self):
        with open(self.model, "rb") as file:
            content = file.read()
        header = 8 + int.from_bytes(content[:8], "little")
        cuts = [0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(content) // 2,
                len(content) - 4, len(content) - 1]
        for cut in cuts:
            with self.subTest(cut=cut):
                pictures.write(self.path("m.safetensors"), content[:cut])
                self.predict_fails("m.safetensors")

    def test_lying_headers(self):
        def first(header):
            return next(value for name, value in header.items() if name != "__metadata__")

        def lie_about(change):
            header, data = pictures.read_model(self.model)
            change(header)
            pictures.write_model(self.path("m.safetensors"), header, data)
            self.predict_fails("m.safetensors")

        lie_about(lambda h: first(h).update(data_offsets=[0, 1 << 40]))
        lie_about(lambda h: first(h).update(data_offsets=[64, 0]))
        lie_about(lambda h: first(h).update(shape=[1 << 40, 1 << 40]))
        lie_about(lambda h: first(h).update(dtype="F17"))
        lie_about(lambda h: h["__metadata__"].pop("engine"))
        pictures.write(self.path("m.safetensors"), b"\xff" * 64)
        self.predict_fails("m.safetensors")

    def test_of_another_network(self):
        def edit(change, message):
            header, data = pictures.read_model(self.model)
            info = json.loads(header["__metadata__"]["engine"])
            change(info)
            header["__metadata__"]["engine"] = json.dumps(info)
            pictures.write_model(self.path("m.safetensors"), header, data)
            self.predict_fails(message)

        edit(lambda i: i.update(network="lenet5"), "lenet5 needs a tensor")
        edit(lambda i: i.update(network="resnet"), "no network \"resnet\"")
        edit(lambda i: i.update(app="siamese"), "made by the app \"siamese\"")
        edit(lambda i: i.update(format=99), "format 99")
        edit(lambda i: i["input"].update(height=32), "hidden1.weight")
        edit(lambda i: i["input"].update(height=-3), "size is impossible")
        edit(lambda i: i.update(labels=["day"]), "fewer than two labels")
        edit(lambda i: i["normalization"].update(standard_deviation=[0, 0, 0]), "impossible")

    def test_missing(self):
        self.fails(["predict", "--model", "none", "p.png"], "none: there is no such", 1)
        os.makedirs(self.path("void"))
        self.fails(["predict", "--model", "void", "p.png"], "no model.safetensors", 1)
        self.fails(["eval", "--model", self.model, "--data", "nowhere"], "nowhere", 1)
        self.fails(["train", "--resume", self.run_folder], "finished", 2)
        self.fails(["train", "--resume", "void"], "no config.json", 2)


class Interruptions(Case):
    # Long enough to be caught in the middle, with a first checkpoint early on.
    LONG = ["--items", "400", "--size", "32", "--network", "daynight", "--dropout", "0.2",
            "--no-baselines", "--threads", "1", "--precision", "f32"]

    def start_and_signal(self, out, number, epochs):
        process = subprocess.Popen([CNN, "train", *self.LONG, "--epochs", epochs, "--out", out],
                                   cwd=self.folder, stderr=subprocess.PIPE)
        checkpoint = self.path(out, "checkpoint.safetensors")
        begin = time.monotonic()
        while not os.path.exists(checkpoint):
            self.assertLess(time.monotonic() - begin, LIMIT_S)
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        time.sleep(0.15)
        process.send_signal(number)
        text = process.communicate(timeout=LIMIT_S)[1].decode()
        return process.returncode, text

    def test_killed_or_interrupted_runs_resume_to_the_same_bits(self):
        self.succeeds("train", *self.LONG, "--epochs", "12", "--out", "whole")
        code, _ = self.start_and_signal("killed", signal.SIGKILL, "12")
        self.assertEqual(code, -signal.SIGKILL)
        self.succeeds("train", "--resume", "killed")
        code, text = self.start_and_signal("stopped", signal.SIGINT, "12")
        self.assertEqual(code, 130, text)
        self.assertIn("continue with --resume", text)
        self.assertFalse(os.path.exists(self.path("stopped", "result.json")))
        self.succeeds("train", "--resume", "stopped")
        for name in ("model.safetensors", "last.safetensors"):
            with open(self.path("whole", name), "rb") as file:
                whole = file.read()
            for other in ("killed", "stopped"):
                with open(self.path(other, name), "rb") as file:
                    self.assertEqual(whole, file.read(), f"{other}/{name}")
        for other in ("killed", "stopped"):
            self.assertEqual(self.epochs("whole"), self.epochs(other))

    def epochs(self, run):
        with open(self.path(run, "metrics.jsonl")) as file:
            rows = [json.loads(line) for line in file]
        return [{k: v for k, v in row.items() if k not in ("seconds", "step_seconds")}
                for row in rows]

    def test_full_disk_keeps_the_last_checkpoint(self):
        code, _ = self.start_and_signal("run", signal.SIGINT, "6")
        self.assertEqual(code, 130)
        before = os.path.getsize(self.path("run", "checkpoint.safetensors"))

        def small_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (300 << 10, 300 << 10))

        self.fails(["train", "--resume", "run"], "safetensors", 1, preexec_fn=small_files)
        self.assertEqual(os.path.getsize(self.path("run", "checkpoint.safetensors")), before)
        known = {"config.json", "metrics.jsonl", "metrics.csv", "checkpoint.safetensors",
                 "checkpoint.safetensors.previous", "model.safetensors", "last.safetensors",
                 ".lock"}
        self.assertLessEqual(set(os.listdir(self.path("run"))), known)
        self.succeeds("train", "--resume", "run")

    def test_disk_full_from_the_start(self):
        def tiny_files():
            resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

        self.fails(["train", *QUICK, "--out", "run"], "config.json", 1, preexec_fn=tiny_files)
        self.assertEqual(os.listdir(self.path("run")), [])

    def test_numbers_that_are_no_longer_finite(self):
        text = self.fails(["train", *QUICK, "--learning-rate", "1e30", "--out",
                           "run"], "no longer finite at step", 1)
        self.assertRegex(text, r"step \d+ \(epoch \d+\): \S+")
        self.assertFalse(os.path.exists(self.path("run", "result.json")))


if __name__ == "__main__":
    unittest.main()
