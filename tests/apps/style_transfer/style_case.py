"""Runs the style_transfer binary, which ENGINE_STYLE_TRANSFER names, in a folder of its own."""
import json
import os
import subprocess
import sys
import tempfile
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
