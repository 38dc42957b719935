#!/usr/bin/env python3
"""scripts/fetch_vgg19.sh and convert_vgg.py: vgg_test.py SOURCE_FOLDER. Conversions need python3-torch."""
import contextlib
import hashlib
import io
import json
import os
import pathlib
import pickle
import resource
import struct
import sys
import unittest
from unittest import mock

from machine import Machine

sys.path.insert(0, str(pathlib.Path(sys.argv[1], "scripts")))
sys.dont_write_bytecode = True
try:
    import torch
    import convert_vgg
except ImportError:
    torch = None
    # python3-torch belongs to the distribution's interpreter.
    if os.path.exists("/usr/bin/python3") and not os.path.samefile(sys.executable, "/usr/bin/python3"):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()


class Fetch(Machine):
    """With a curl and a python3 that only tell how they were called."""

    def setUp(self):
        super().setUp()
        self.program("curl", 'echo "curl $*" >>"$CALLS"')
        self.program("python3", '[[ $1 == -c ]] || printf "%s\\n" "$@" >>"$CALLS"')

    def fetch(self, *arguments):
        return self.call(SOURCE / "scripts/fetch_vgg19.sh", *arguments)

    def test_a_relative_target_is_the_callers(self):
        self.assertEqual(self.fetch("my vgg.safetensors").returncode, 0)
        calls = (self.root / "calls").read_text().splitlines()
        self.assertIn("https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", calls[0])
        # Nothing changed the folder: curl, the script and its arguments.
        self.assertEqual(calls[1], str(SOURCE / "scripts/convert_vgg.py"))
        self.assertEqual(calls[-1], "my vgg.safetensors")
        self.assertRegex(calls[calls.index("--sha256") + 1], "^dcbb9e9d[0-9a-f]{56}$")

    def test_what_is_missing_is_told_before_the_download(self):
        result = self.fetch("absent/vgg.safetensors")
        self.assertEqual(result.returncode, 1)
        self.assertIn("absent/vgg.safetensors: cannot be written", result.stderr)
        (self.root / "bin/curl").unlink()
        self.assertIn("curl is missing", self.fetch().stderr)
        self.assertFalse((self.root / "calls").exists())


@unittest.skipIf(torch is None, "no python3-torch")
class Convert(Machine):
    def setUp(self):
        super().setUp()
        torch.manual_seed(1)
        self.weights = {"features.0.weight": torch.randn(32, 3, 3, 3), "features.0.bias": torch.randn(32),
                        "features.2.weight": torch.randn(32, 32, 3, 3), "features.2.bias": torch.randn(32),
                        "classifier.weight": torch.randn(2, 2)}
        self.target = self.root / "out.safetensors"

    def convert(self, source, *options):
        """The exit text, None when all went well. In this process: importing PyTorch takes seconds."""
        arguments = ["convert_vgg.py", *options, str(source), str(self.target)]
        with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(io.StringIO()):
            try:
                return convert_vgg.main()
            except SystemExit as error:
                return error.code

    def refused(self, source, words, *options):
        self.assertIn(words, self.convert(source, *options) or "no error")
        self.assertEqual(list(self.root.glob("*.tmp")), [])

    def saved(self, name="in.pth", **options):
        torch.save(self.weights, self.root / name, **options)
        return self.root / name

    def test_pth_of_both_formats(self):
        for is_zip in (True, False):  # torchvision's VGG-19 is of 2017: no zip
            source = self.saved(_use_new_zipfile_serialization=is_zip)
            self.assertIsNone(self.convert(source))
            tensors, metadata = convert_vgg.read_safetensors(self.target)
            self.assertEqual(sorted(tensors), sorted(name for name in self.weights if name[0] == "f"))
            for name, tensor in tensors.items():
                self.assertTrue(torch.equal(tensor, self.weights[name]), name)
            stated = json.loads(metadata["style_transfer"])
            self.assertEqual(stated["network"], "vgg_small")
            self.assertEqual(list(stated["check"]["means"]), ["conv1_1", "conv1_2"])
            # The check picture by its definition, element by element; the first layer by hand.
            picture = torch.tensor([[[(37 * y + 59 * x + 83 * c + x * y) % 256 for x in range(64)]
                                     for y in range(64)] for c in range(3)]).float()
            self.assertTrue(torch.equal(convert_vgg.check_picture()[0], picture))
            mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
            maps = torch.conv2d(((picture / 255 - mean) / deviation)[None], self.weights["features.0.weight"],
                                self.weights["features.0.bias"], padding=1).relu()
            self.assertAlmostEqual(stated["check"]["means"]["conv1_1"], maps.mean().item(), places=4)

    def test_halves_are_read(self):
        numbers = torch.tensor([1.5, -2.0, 0.15625, 3e-5])
        for name, dtype in (("F16", torch.float16), ("BF16", torch.bfloat16)):
            data = b"".join(struct.pack("<h", bits) for bits in numbers.to(dtype).view(torch.int16).tolist())
            header = json.dumps({"x": {"dtype": name, "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
            path = self.root / "half.safetensors"
            path.write_bytes(struct.pack("<Q", len(header)) + header + data)
            found = convert_vgg.read_safetensors(path)[0]["x"]
            self.assertTrue(torch.equal(found, numbers.to(dtype).float().view(2, 2)), name)

    def test_bad_files_are_told_in_a_line(self):
        source = self.saved()
        (self.root / "half.pth").write_bytes(source.read_bytes()[:2000])
        self.refused(self.root / "half.pth", "no weights that PyTorch can read")
        self.refused(self.root / "absent.pth", "No such file")
        self.refused(source, "no normalization in its metadata", "--input", "cnn")
        for content in (b"", b"\xff" * 20, struct.pack("<Q", 2) + b"[]",
                        struct.pack("<Q", 61) + b'{"x":{"dtype":"F32","shape":[9,9],"data_offsets":[0,324]}}   '):
            (self.root / "bad.safetensors").write_bytes(content)
            self.refused(self.root / "bad.safetensors", "not a whole safetensors file")
        self.weights = {"features.0.weight": torch.zeros(1, 1)}
        self.refused(self.saved(), "no weights of vgg16")
        self.assertFalse(self.target.exists())

    def test_a_hash_is_checked_before_anything_is_read(self):
        source = self.saved()
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        self.assertIsNone(self.convert(source, "--sha256", digest))
        self.refused(source, "its SHA-256 is not " + "0" * 64, "--sha256", "0" * 64)

    def test_code_in_a_pth_does_not_run(self):
        class Attack:
            def __reduce__(self):
                return os.mkdir, (attacked,)
        attacked = str(self.root / "attacked")
        (self.root / "attack.pth").write_bytes(pickle.dumps({"features.0.weight": Attack()}))
        self.refused(self.root / "attack.pth", "attack.pth")
        self.assertFalse(os.path.exists(attacked))

    def test_a_failed_write_leaves_the_old_file(self):
        self.target.write_text("old")
        source = self.saved()
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10000, before[1]))
        try:
            self.refused(source, "File too large")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.assertEqual(self.target.read_text(), "old")


if __name__ == "__main__":
    unittest.main()
