#!/usr/bin/env python3
"""scripts/gpu.sh test and sanitize with made-up tests: parts, what is remembered between calls, exit codes.

gpu_test.py SOURCE_FOLDER
"""
import os
import pathlib
import re
import sys
import unittest

from machine import Machine

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()
PARTS = 16
TOO_LITTLE = {"slow": "0:1.1 1:30", "seconds": 4}  # the second part does not fit any more

# Tells which part it was; those in SLOW take the seconds stated there, those in FAILING fail.
ENGINE_TESTS = """\
#!/bin/bash
echo "$GTEST_SHARD_INDEX/$GTEST_TOTAL_SHARDS ${*: -1}" >>"$CALLS"
for slow in $SLOW; do [[ ${slow%:*} != "$GTEST_SHARD_INDEX" ]] || sleep "${slow#*:}"; done
[[ " $FAILING " != *" $GTEST_SHARD_INDEX "* ]]
"""


@unittest.skipUnless(os.path.exists("/usr/include/gtest/gtest.h"), "gpu.sh runs tests where GoogleTest is")
class Gpu(Machine):
    def setUp(self):
        super().setUp()
        self.tests = self.root / "build/tests/engine_tests"
        self.tests.parent.mkdir(parents=True)
        self.tests.write_text(ENGINE_TESTS)
        self.tests.chmod(0o755)
        os.utime(self.tests, (1, 1))

    def gpu(self, *arguments, status, slow="", failing="", seconds=20):
        """The parts that ran, and what was said."""
        calls = self.root / "calls"
        calls.unlink(missing_ok=True)
        result = self.call(SOURCE / "scripts/gpu.sh", *arguments, ENGINE_GPU_BUILD=str(self.root / "build"),
                           ENGINE_GPU_SECONDS=str(seconds), SLOW=slow, FAILING=failing)
        self.assertEqual(result.returncode, status, result.stderr)
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [line.split()[0] for line in lines], result.stderr

    def test_a_stopped_call_goes_on_where_it_was(self):
        ran, said = self.gpu("test", "--device", "cpu", status=75, **TOO_LITTLE)
        self.assertEqual(ran, [f"0/{PARTS}", f"1/{PARTS}"])
        self.assertIn("1 of 16 parts are done; call again", said)
        ran, said = self.gpu("test", "--device", "cpu", status=0)
        self.assertEqual(ran, [f"{i}/{PARTS}" for i in range(1, PARTS)])
        self.assertIn("all 16 parts passed", said)
        # Finished: the next call begins anew.
        ran, _ = self.gpu("test", "--device", "cpu", status=0)
        self.assertEqual(len(ran), PARTS)

    def test_failures_are_remembered_until_the_end(self):
        self.gpu("test", "--device", "cpu", status=75, failing="0", **TOO_LITTLE)
        ran, said = self.gpu("test", "--device", "cpu", status=1)
        self.assertEqual(len(ran), PARTS - 1)
        self.assertIn("these failed: 1\n", said)

    def test_what_an_earlier_build_passed_does_not_count(self):
        self.gpu("test", "--device", "cpu", status=75, **TOO_LITTLE)
        os.utime(self.tests, (2e9, 2e9))
        ran, _ = self.gpu("test", "--device", "cpu", status=0)
        self.assertEqual(len(ran), PARTS)

    def test_a_part_that_fits_into_no_call_ends_with_an_error(self):
        _, said = self.gpu("test", "--device", "cpu", status=1, slow="0:30", seconds=1)
        self.assertIn("part 1 of 16 takes more than the limit of 1 s by itself: take more shards", said)

    def test_shards_are_all_parts_once(self):
        ran = [part for i in (1, 2, 3) for part in self.gpu("test", "--device", "cpu", "--shard", f"{i}/3",
                                                            status=0)[0]]
        self.assertEqual(sorted(ran), sorted(f"{i}/{3 * PARTS}" for i in range(3 * PARTS)))

    def test_sanitize_runs_the_same_way(self):
        self.program("compute-sanitizer", 'while [[ $1 == --* ]]; do shift; [[ $1 == --* || $1 == /* ]] || shift; done\n'
                     'exec "$@"')
        ran, said = self.gpu("sanitize", status=1, failing="3")
        self.assertEqual(len(ran), PARTS)
        self.assertIn("these failed: 4\n", said)

    def test_conformance_comes_first_and_once(self):
        conformance = self.root / "build/tests/simt/ptx_conformance"
        conformance.parent.mkdir()
        conformance.write_text('#!/bin/bash\necho conformance >>"$CALLS"\n')
        conformance.chmod(0o755)
        for path in (self.tests, conformance):
            os.utime(path, (1, 1))
        ran, _ = self.gpu("test", status=75, **TOO_LITTLE)
        self.assertEqual(ran[0], "conformance")
        ran, _ = self.gpu("test", status=0)
        self.assertNotIn("conformance", ran)
        ran, _ = self.gpu("test", status=0)
        self.assertEqual(ran[0], "conformance")
        self.assertEqual(len(ran), PARTS + 1)

    def test_a_quick_bench_is_stopped_within_four_minutes(self):
        self.program("timeout", """\
echo "timeout $*" >>"$CALLS"
while [[ $1 == -* ]]; do shift; done
exec "${@:2}"
""")
        bench = self.root / "build/bench/engine_bench"
        bench.parent.mkdir()
        bench.write_text('#!/bin/bash\nwhile [[ $1 != --json ]]; do shift; done\necho "{}" >"$2"\n')
        bench.chmod(0o755)
        for quick, least, most in (["--quick"], 0, 240), ([], 400, 480):
            (self.root / "calls").unlink(missing_ok=True)
            self.run_script(SOURCE / "scripts/gpu.sh", "bench", "--device", "cpu", "--shard", "2/2", *quick,
                            ENGINE_GPU_BUILD=str(self.root / "build"),
                            ENGINE_BENCH_RESULTS=str(self.root / "results"))
            call = (self.root / "calls").read_text()
            kill, stop = map(int, re.search(r"--kill-after=(\d+) (\d+) .*/engine_bench", call).groups())
            self.assertGreater(stop + kill, least)
            self.assertLessEqual(stop + kill, most)
            self.assertEqual("--quick" in call, bool(quick))


if __name__ == "__main__":
    unittest.main()
