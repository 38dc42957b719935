"""Runs the cnn binary, which ENGINE_CNN names, in a folder of its own."""
import os
import shutil
import subprocess
import tempfile
import unittest

CNN = os.environ["ENGINE_CNN"]
QUICK = ["--items", "60", "--size", "16", "--network", "mlp", "--epochs", "2", "--no-baselines"]
LIMIT_S = 50


def cnn(*arguments, **options):
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([CNN, *arguments], stderr=subprocess.PIPE, timeout=LIMIT_S, **options)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="cnn test ")  # with spaces, as people have them
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def run_cnn(self, *arguments, **options):
        return cnn(*arguments, cwd=self.folder, **options)

    def fails(self, arguments, message, code, **options):
        result = self.run_cnn(*arguments, **options)
        text = result.stderr.decode()
        self.assertIn(message, text)
        self.assertEqual(result.returncode, code, text)
        self.assertNotIn("terminate called", text)
        return text

    def succeeds(self, *arguments, **options):
        result = self.run_cnn(*arguments, **options)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return result.stdout.decode()

    def no_run_folder(self):
        self.assertFalse(os.path.exists(self.path("runs")) and os.listdir(self.path("runs")))
