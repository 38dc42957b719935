"""The style_transfer binary on a GPU, beside the CPU. Skipped where the binary sees no GPU."""
import subprocess
import tempfile
import unittest

from style_case import BINARY, Case

TWO = ["scene:18", "pattern:waves"]
ALIKE = ["--threads", "1", "--precision", "f32"]


def has_gpu():
    # Memory is refused only once the device is there.
    with tempfile.TemporaryDirectory() as folder:
        text = subprocess.run([BINARY, "run", *TWO, "-o", "out.png", "--device", "cuda",
                               "--memory", "1e-6"], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE).stderr.decode()
    return "may be used" in text


@unittest.skipUnless(has_gpu(), "no GPU here")
class OnGpu(Case):
    def test_losses_are_those_of_the_cpu(self):
        for name, arguments in {"two scales": ["--scales", "2"], "L-BFGS": ["--optimizer", "lbfgs"],
                                "colours": ["--colors", "content"],
                                "a mask": ["--masks", "half:left"]}.items():
            with self.subTest(name):
                gpu, cpu = (self.makes(*TWO, "-o", "out.png", "--device", device, *ALIKE,
                                       "--size", "48", "--iterations", "4", *arguments)
                            for device in ("cuda", "cpu"))
                self.assertTrue(gpu["device"].startswith("cuda:0"), gpu["device"])
                for loss in ("loss", "content_loss", "style_loss"):
                    self.assertAlmostEqual(gpu[loss] / cpu[loss], 1, delta=0.01)

    def test_the_memory_figure_is_the_peak(self):
        arguments = [*TWO, "-o", "out.png", "--device", "cuda", *ALIKE, "--size", "96",
                     "--iterations", "1", "--scales", "1"]
        result = self.makes(*arguments)
        planned = result["memory_planned_gib"]
        self.assertAlmostEqual(planned / result["memory_peak_gib"], 1, delta=0.05)
        self.fails([*arguments, "--memory", str(0.9 * planned)],
                   "the largest that fits is --size", 1)


if __name__ == "__main__":
    unittest.main()
