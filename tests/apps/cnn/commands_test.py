"""What the commands of the cnn binary do together: train, go on, evaluate, predict."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import pictures
from case import CNN, LIMIT_S, QUICK, Case

PICTURES = ["--network", "logistic", "--epochs", "2"]
LONG = ["--items", "400", "--size", "32", "--network", "daynight", "--no-baselines", "--threads",
        "1", "--precision", "f32"]


class Commands(Case):
    def starts(self, *arguments, until):
        """A training that has written `until`."""
        process = subprocess.Popen([CNN, "train", *arguments], cwd=self.folder,
                                   stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + LIMIT_S
        while not os.path.exists(self.path(until)):
            self.assertLess(time.monotonic(), deadline)
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        return process

    def kills(self, process):
        process.send_signal(signal.SIGKILL)
        process.wait()

    def trains(self, *arguments):
        return json.loads(self.succeeds("train", *arguments, "--json"))

    def rows(self, run):
        with open(self.path(run, "metrics.jsonl")) as file:
            return [json.loads(line) for line in file]

    def page(self, run):
        with open(self.path(run, "report.html")) as file:
            return file.read()


class Resuming(Commands):
    def test_a_run_that_goes_on_is_not_taken(self):
        process = self.starts(*LONG, "--epochs", "1000",
                              until="runs/cnn-daynight-001/checkpoint.safetensors")
        try:
            self.fails(["train", "--resume"], "but those that are running", 2)
            self.fails(["train", "--resume", "runs/cnn-daynight-001"], "is running", 2)
        finally:
            self.kills(process)

    def test_data_that_changed_is_noticed(self):
        data = pictures.two_classes(self.path("photos"))
        process = self.starts("--data", "photos", *PICTURES[:2], "--epochs", "1000000", "--out",
                              "run", until="run/checkpoint.safetensors")
        self.kills(process)
        before = pictures.bright(3)
        pictures.write(os.path.join(data, "bright", "3.png"), pictures.bright(99))
        self.fails(["train", "--resume", "run"], "photos: has changed since this run began", 1)
        pictures.write(os.path.join(data, "bright", "3.png"), before)
        self.trains("--data", "photos", *PICTURES, "--out", "whole")
        self.succeeds("eval", "--model", "whole")
        pictures.write(os.path.join(data, "bright", "new.png"), pictures.bright(50))
        self.fails(["eval", "--model", "whole"], "photos: has changed since this run began", 1)

    def test_a_run_goes_on_with_the_device_and_the_precision_that_it_began_with(self):
        self.trains(*QUICK, "--out", "run")
        with open(self.path("run", "config.json")) as file:
            config = json.load(file)
        self.assertNotEqual(config["device"], "auto")
        self.assertNotEqual(config["precision"], "auto")

    def test_time_of_all_folds_counts(self):
        arguments = [*LONG, "--epochs", "3", "--folds", "3", "--out", "run"]
        self.kills(self.starts(*arguments, until="run/fold-2.safetensors"))
        result = self.trains("--resume", "run")
        last = {row["fold"]: row for row in self.rows("run")}
        self.assertEqual(sorted(last), [1, 2, 3])
        for key in ("seconds", "step_seconds"):
            self.assertTrue(all(row[key] > 0 for row in last.values()))
        self.assertAlmostEqual(result["seconds"], sum(row["seconds"] for row in last.values()),
                               delta=0.01)
        images = sum(row["step"] for row in last.values()) * 32
        seconds = sum(row["step_seconds"] for row in last.values())
        self.assertAlmostEqual(result["images_per_second"] * seconds / images, 1, delta=0.02)


class Reports(Commands):
    def test_a_validation_part_that_is_judged_also_chose_the_epoch(self):
        data = ["--data", pictures.two_classes(self.path("photos")), *PICTURES]
        result = self.run_cnn("train", *data, "--split", "70/30", "--out", "two")
        self.assertIn(b"also chose the epoch", result.stdout)
        self.assertIn("also chose the epoch", self.page("two"))
        self.assertIn("<td>70/30</td>", self.page("two"))
        result = self.run_cnn("train", *data, "--out", "three")
        self.assertNotIn(b"also chose the epoch", result.stdout)
        self.assertIn(b"(penalty ", result.stdout)
        self.assertNotIn("also chose the epoch", self.page("three"))
        self.assertIn("<td>80/10/10, stratified</td>", self.page("three"))
        self.assertNotIn(">1.2<", self.page("three"))  # two epochs

    def test_a_page_says_which_folds_it_draws(self):
        self.trains(*QUICK, "--folds", "7", "--out", "run")
        self.assertIn("Of the 7 folds the first 6 are drawn", self.page("run"))


class Evaluating(Commands):
    def test_pictures_of_the_training_part_are_counted(self):
        data = pictures.two_classes(self.path("photos"), count=40)
        self.trains("--data", data, *PICTURES, "--out", "run")
        run = self.run_cnn("eval", "--model", "run", "--data", data, "--split", "0.5/0/0.5")
        self.assertRegex(run.stderr.decode(), r"learned from [1-9]\d* of these 40 pictures")
        run = self.run_cnn("eval", "--model", "run", "--data", data)
        self.assertIn("learned from 64 of these 80 pictures", run.stderr.decode())
        run = self.run_cnn("eval", "--model", "run")
        self.assertNotIn("learned from", run.stderr.decode())
        self.fails(["eval", "--model", "run", "--split", "all"], "--split requires --data", 2)

    def test_a_config_json_of_another_program(self):
        data = pictures.two_classes(self.path("photos"))
        self.trains("--data", data, *PICTURES, "--out", "run")
        os.mkdir(self.path("models"))
        shutil.copy(self.path("run", "model.safetensors"), self.path("models"))
        for text in ("{}", '{"app": "editor"}', "[1, 2", ""):
            with open(self.path("models", "config.json"), "w") as file:
                file.write(text)
            self.succeeds("eval", "--model", "models", "--data", data)


class Predicting(Commands):
    def test_the_batch_changes_nothing(self):
        data = pictures.two_classes(self.path("photos"))
        self.trains("--data", data, *PICTURES, "--precision", "f32", "--out", "run")
        folder = os.path.join(data, "dark")
        answers = [json.loads(self.succeeds("predict", "--model", "run", folder, "--json",
                                            "--precision", "f32", "--batch", batch))
                   for batch in ("1", "5", "32")]
        for other in answers[1:]:
            for a, b in zip(answers[0]["predictions"], other["predictions"]):
                self.assertEqual(a["label"], b["label"])
                self.assertAlmostEqual(a["probability"], b["probability"], delta=1e-5)

    def test_a_folder_that_cannot_be_read(self):
        self.trains(*QUICK, "--out", "run")
        os.mkdir(self.path("closed"), 0)
        os.chmod(self.folder, 0o755)
        nobody = {"preexec_fn": lambda: os.setuid(65534)} if os.geteuid() == 0 else {}
        try:
            text = self.run_cnn("predict", "--model", "run", "closed", **nobody).stderr.decode()
        except (PermissionError, subprocess.SubprocessError):
            self.skipTest("nobody may not run the binary")
        self.assertIn("closed: cannot read the folder: Permission denied", text)


if __name__ == "__main__":
    unittest.main()
