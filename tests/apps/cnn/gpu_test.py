"""The cnn binary on a GPU, beside the CPU. Skipped where the binary sees no GPU."""
import json
import unittest

import pictures
from case import Case, cnn

SMALL = ["--items", "40", "--size", "16", "--batch", "8", "--epochs", "2", "--no-baselines",
         "--threads", "1", "--precision", "f32"]


def has_gpu():
    # The device is opened before the model is looked for.
    text = cnn("predict", "--model", "none", "--device", "cuda", "none.png").stderr.decode()
    return "device cuda" not in text


@unittest.skipUnless(has_gpu(), "no GPU here")
class OnGpu(Case):
    def trains(self, device, network):
        run = f"{network} {device}"
        result = json.loads(self.succeeds("train", *SMALL, "--network", network,
                                          "--device", device, "--out", run, "--json"))
        with open(self.path(run, "metrics.jsonl")) as file:
            return result, [json.loads(line) for line in file]

    def predicts(self, picture, device):
        text = self.succeeds("predict", "--model", "daynight cuda", "--device", device,
                             "--precision", "f32", picture, "--json")
        return json.loads(text)["predictions"][0]

    def test_losses_are_those_of_the_cpu(self):
        for network in ("daynight", "mlp"):
            with self.subTest(network):
                _, cpu = self.trains("cpu", network)
                result, gpu = self.trains("cuda", network)
                self.assertTrue(result["device"].startswith("cuda:0"), result["device"])
                self.assertEqual(len(gpu), len(cpu))
                for theirs, ours in zip(cpu, gpu):
                    for loss in ("train_loss", "validation_loss"):
                        self.assertAlmostEqual(ours[loss] / theirs[loss], 1, delta=0.01)

    def test_a_model_predicts_the_same_on_both(self):
        self.trains("cuda", "daynight")
        pictures.write(self.path("photo.png"), pictures.bright(3))
        gpu, cpu = (self.predicts("photo.png", device) for device in ("cuda", "cpu"))
        self.assertEqual(gpu["label"], cpu["label"])
        self.assertAlmostEqual(gpu["probability"], cpu["probability"], delta=1e-3)


if __name__ == "__main__":
    unittest.main()
