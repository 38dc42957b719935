#!/usr/bin/env python3
"""scripts/check-distributions.sh with made-up chroots: what its table and its exit code say.

check_distributions_test.py SOURCE_FOLDER
"""
import pathlib
import shutil
import sys
import unittest

from machine import Machine

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()

DEBOOTSTRAP = """\
suite=${@: -3:1} root=${@: -2:1}
[[ " $BROKEN " != *" $suite "* ]] || exit 1
mkdir -p "$root/etc/apt/apt.conf.d" "$root/etc/apt/auth.conf.d"
echo "PRETTY_NAME='System $suite'" >"$root/etc/os-release"
"""
# Enters no chroot: answers what is asked there. FAILING names the scripts that fail.
UNSHARE = """\
last=${@: -1} script=${last##*/}
case "$*" in
  *dpkg-query*) echo 2.6.3-1 ;;
  *dumpfullversion*) echo 12.2.0 ;;
  *scripts/test.sh)
    if [[ $FAILING == *test.sh* ]]; then echo '99% tests passed, 3 tests failed out of 831'
    else echo '100% tests passed, 0 tests failed out of 831'; fi ;;
esac
[[ " $FAILING " != *" $script "* ]]
"""


class CheckDistributions(Machine):
    def setUp(self):
        super().setUp()
        scripts = self.root / "engine/scripts"
        scripts.mkdir(parents=True)
        shutil.copy(SOURCE / "scripts/check-distributions.sh", scripts)
        (self.root / "keyrings").mkdir()
        for family in ("debian", "ubuntu"):
            (self.root / f"keyrings/{family}-archive-keyring.gpg").touch()
        self.program("id", "echo 0")
        self.program("git", "printf 'scripts/check-distributions.sh\\0'")
        self.program("apt-get", "echo http://mirror.test/debian/")
        self.program("wget", "for suite in $SERVED; do [[ $* != *\"/$suite/\"* ]] || exit 0; done; exit 8")
        self.program("debootstrap", DEBOOTSTRAP)
        self.program("unshare", UNSHARE)

    def check(self, *suites, status, served="bookworm trixie jammy noble", broken="", failing=""):
        result = self.call(self.root / "engine/scripts/check-distributions.sh", *suites, SERVED=served,
                           BROKEN=broken, FAILING=failing, ENGINE_DISTRIBUTIONS_DIR=str(self.root / "chroots"),
                           ENGINE_DISTRIBUTIONS_KEYRINGS=str(self.root / "keyrings"))
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result.stdout.splitlines()[2:]

    def test_all_pass(self):
        rows = self.check(status=0)
        self.assertEqual(len(rows), 4)
        self.assertRegex(rows[0], r"^\| System bookworm \| 2\.6\.3 \| 12\.2\.0 \| \d+ \| \d+ \| \d+: "
                                  r"100% tests passed, 0 tests failed out of 831 \|$")
        self.assertFalse((self.root / "chroots/bookworm").exists())

    def test_a_stage_fails(self):
        row, = self.check("bookworm", status=1, failing="test.sh")
        self.assertIn("failed: 99% tests passed, 3 tests failed", row)
        self.assertTrue((self.root / "chroots/bookworm").exists())  # to be looked at
        row, = self.check("bookworm", status=1, failing="run.sh")
        self.assertIn("| failed | failed |", row)

    def test_one_of_two_fails(self):
        rows = self.check("bookworm", "trixie", status=1, broken="bookworm")
        self.assertIn("debootstrap failed", rows[0])
        self.assertIn("System trixie", rows[1])

    def test_suites_that_cannot_be_tried(self):
        rows = self.check(status=0, served="bookworm")
        self.assertIn("| jammy | not on this machine's mirror |", rows[2])
        self.check("jammy", status=1, served="bookworm")
        self.check(status=1, served="")
        self.program("apt-get", "exit 1")
        self.check(status=1)
        self.check("trixie=http://elsewhere.test/debian", status=0)
        (self.root / "keyrings/debian-archive-keyring.gpg").unlink()
        row, = self.check("trixie=http://elsewhere.test/debian", status=1)
        self.assertIn("keyring", row)


if __name__ == "__main__":
    unittest.main()
