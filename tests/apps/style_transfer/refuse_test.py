"""What the style_transfer binary says about bad input: arguments, part of the message, exit code."""
import os
import unittest

import style_case
from style_case import SMALL, Case, picture

pictures = style_case.pictures


class Refuses(Case):
    def test_bad_input(self):
        good = self.write("good.png", picture())
        whole = picture()
        damaged = self.write("damaged.png", whole[: len(whole) // 2])
        text = self.write("text.png", b"no picture")
        other = self.write("other.png", pictures.png(40, 40, lambda x, y: (255, 255, 255)))
        black = self.write("black.png", pictures.png(40, 30, lambda x, y: (0, 0, 0)))
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
            (base + ["--masks", "half:left", "half:right"], "2 masks for 1 styles", 2),
            (base + ["--masks", "half:middle"], "half:left half:right half:top half:bottom", 2),
            (base + ["--masks", other], "a mask of 40 x 40 pixels; the content has 40 x 30", 2),
            (base + ["--masks", black], "the mask is black", 2),
            (base + ["--masks", text], "text.png", 1),
            (base + ["--masks", "missing.png"], "missing.png", 1),
            (base + ["--optimizer", "newton"], "--optimizer", 2),
            (base + ["--style-scale", "0.2"], "pattern:waves at 10 pixels: ", 2),
            (base + ["--scales", "4"], "good.png at 6 pixels: ", 2),
            (["--resume", "x", "--size", "64"], "--size excludes --resume", 2),
            (base + ["--resume"], "content excludes --resume", 2),
            (["--resume", "nowhere"], "is no run folder", 2),
        ]
        for arguments, message, code in table:
            with self.subTest(message):
                self.fails(arguments, message, code)
        self.assertFalse(os.path.exists(self.path("out.png")))
        self.assertFalse(os.path.exists(self.path("runs")))  # refused before a run folder was made

    def test_inputs_that_changed(self):
        for name in ("content.png", "style.png", "mask.png"):
            self.write(name, picture())
        self.makes("content.png", "style.png", "-o", "out.png", *SMALL, "--iterations", "3",
                   "--masks", "mask.png", "--out", "run")
        os.remove(self.path("run", "result.json"))  # as if it had been killed
        other = pictures.png(40, 30, lambda x, y: (5 * x, 8 * y, (x * y) % 256))
        for name in ("content.png", "style.png", "mask.png"):
            self.write(name, other)
            self.fails(["--resume", "run"], name + ": has changed since this run began", 1)
            self.write(name, picture())
        self.makes("--resume", "run")

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
