"""A machine of made-up programs, for the tests of scripts."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

TOOLS = ("bash", "cat", "chmod", "cksum", "cp", "cut", "dirname", "echo", "env", "find", "grep", "head", "ln",
         "mkdir", "mktemp", "mv", "nproc", "printf", "rm", "sed", "sleep", "sort", "tail", "tar", "timeout", "touch",
         "tr")


class Machine(unittest.TestCase):
    """A folder with a space in its name; programs there and the system's plain tools are all there is."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="some where ")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "bin").mkdir()
        (self.root / "system").mkdir()
        for tool in TOOLS:
            (self.root / "system" / tool).symlink_to(shutil.which(tool))

    def program(self, name, body):
        path = self.root / "bin" / name
        path.write_text("#!/bin/bash\n" + body)
        path.chmod(0o755)
        return path

    def call(self, script, *arguments, **environment):
        env = {"PATH": f"{self.root / 'bin'}:{self.root / 'system'}", "CALLS": str(self.root / "calls"),
               **environment}
        return subprocess.run([script, *arguments], env=env, capture_output=True, text=True, cwd=self.root)

    def run_script(self, script, *arguments, **environment):
        """The lines that it printed, and what it said on standard error; it has to succeed."""
        result = self.call(script, *arguments, **environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout.splitlines(), result.stderr
