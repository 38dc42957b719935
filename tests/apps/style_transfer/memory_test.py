"""The memory that the style_transfer binary plans, beside what it takes."""
import os
import unittest

import style_case
from style_case import Case

ONE_STEP = ["-o", "out.png", "--iterations", "1", "--scales", "1", "--threads", "1"]


@style_case.measures_memory
class Memory(Case):
    def test_the_memory_figure_is_the_peak(self):
        wide = style_case.pictures.png(1600, 160, lambda x, y: (x % 256, y, (x * y) % 256))
        self.write("wide.png", wide)
        table = [("the step", ["scene:18", "pattern:waves", "--size", "640"]),
                 ("a large style", ["scene:18", "pattern:waves", "--size", "384", "--style-scale",
                                    "2"]),
                 ("a style of another shape", ["wide.png", "pattern:waves", "--size", "1000"])]
        for name, arguments in table:
            with self.subTest(name):
                result = self.makes(*arguments, *ONE_STEP)
                planned, peak = (result[f"memory_{key}_gib"] for key in ("planned", "peak"))
                self.assertLess(abs(planned / peak - 1), 0.05)

    def test_the_size_that_it_names_does_fit(self):
        arguments = ["scene:18", "pattern:waves", *ONE_STEP, "--memory", "0.25"]
        text = self.call(*arguments, "--size", "2000").stderr.decode()
        size = text.split("--size ")[-1].split()[0]
        result = self.makes(*arguments, "--size", size)
        self.assertLess(result["memory_peak_gib"], 0.25 * 1.02)

    def test_what_cannot_fit_is_refused(self):
        self.fails(["scene:18", "pattern:waves", *ONE_STEP, "--size", "2048", "--memory", "0.5"],
                   "the largest that fits is --size", 1)
        self.assertFalse(os.path.exists(self.path("runs")))

    def test_nothing_may_fit(self):
        self.write("wide.png", style_case.pictures.png(1600, 160, lambda x, y: (x % 256, y, 9)))
        for picture, size in (("wide.png", "200"), ("scene:18", "32"), ("scene:18", "300")):
            with self.subTest(picture=picture, size=size):
                self.fails([picture, "pattern:waves", *ONE_STEP, "--size", size, "--memory", "0.01"],
                           "no size fits", 1)
        self.assertFalse(os.path.exists(self.path("runs")))


if __name__ == "__main__":
    unittest.main()
