#!/usr/bin/env python3
"""The checks of what nvcc made, on texts as nvcc writes them."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import checks
import record_compile

PTXAS = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z1av' for 'sm_80'
ptxas info    : Function properties for _Z1av
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 20 registers, used 0 barriers, 392 bytes cmem[0]
ptxas info    : Compile time = 15.036 ms
ptxas info    : Compiling entry function '_Z1bv' for 'sm_90a'
ptxas info    : Function properties for _Z1bv
    216 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 255 registers, used 1 barriers
ptxas info    : Function properties for called_by_b
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
"""

REMARKS = """\
ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to \
non wgmma instructions defining accumulator registers of a wgmma between start and end of the \
pipeline stage in the function '_Z1av'
ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored to maintain minimum register \
requirements.
"""

PTX = """\
.version 9.0
.visible .entry _Z1av(
        .param .u64 _Z1av_param_0
)
{
        .reg .pred      %p<2>;
        ld.param.u64    %rd1, [_Z1av_param_0];
        // begin inline asm
        mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1, %f2}, {%r1}, {%r2}, {%f3};
        // end inline asm
        @%p1 bra        $L__BB0_2;
        @!%p1 mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1}, {%r1}, {%r2}, {%f3};
$L__BB0_2:
        ret;
}
"""


TF32 = "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"


def quietly(check, *arguments):
    with contextlib.redirect_stdout(io.StringIO()):
        return check(*arguments)


class Reading(unittest.TestCase):
    def test_ptxas(self):
        a, b = record_compile.parse_ptxas(PTXAS)
        self.assertEqual(a, {"kernel": "_Z1av", "architecture": "sm_80", "stack": 0,
                             "spill_stores": 0, "spill_loads": 0, "registers": 20})
        self.assertEqual((b["spill_stores"], b["spill_loads"], b["registers"]), (8, 12, 255))

    def test_only_its_own_lines_are_taken_from_the_log(self):
        kept = [line for line in (PTXAS + "a.cu(3): warning: x\n").splitlines()
                if not record_compile.is_ptxas_info(line)]
        self.assertEqual(kept, ["a.cu(3): warning: x"])

    def test_remarks(self):
        self.assertEqual(record_compile.remarks_in(PTXAS), [])
        serialized, ignored = record_compile.remarks_in(PTXAS + REMARKS)
        self.assertIn("serialized due to", serialized)
        self.assertIn("'setmaxnreg' ignored", ignored)

    def test_ptx(self):
        counts = record_compile.count_instructions(PTX)
        self.assertEqual(counts["mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"], 2)
        self.assertEqual(counts["ld.param.u64"], 1)
        self.assertNotIn("ret", counts)

    def test_architecture(self):
        command = ["nvcc", "-gencode=arch=compute_86,code=sm_86"]
        self.assertEqual(record_compile.architecture_of("a.compute_90a.ptx", command), "90a")
        self.assertEqual(record_compile.architecture_of("a.ptx", command), "86")


class Checking(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "kernels/cuda/ptx").mkdir(parents=True)
        for wrapper in ("mma.h", "wgmma.h"):
            (self.root / "kernels/cuda/ptx" / wrapper).write_text("")
        (self.root / "kernels/cuda/tile.h").write_text('#include "engine/kernels/cuda/ptx/mma.h"\n')
        self.source = self.root / "kernels/cuda/a.cu"
        self.source.write_text('#include "engine/kernels/cuda/tile.h"\n')
        self.record = {"source": str(self.source), "seconds": 10,
                       "kernels": record_compile.parse_ptxas(PTXAS)[:1],
                       "instructions": {"80": {TF32: 1, "ldmatrix.sync.x": 1, "cp.async.cg.x": 1}}}

    def test_a_good_file(self):
        for check in (checks.spills, checks.instructions, checks.time):
            self.assertEqual(quietly(check, [self.record], self.root), [])

    def test_spills(self):
        self.record["kernels"] = record_compile.parse_ptxas(PTXAS)
        (problem,) = checks.spills([self.record], self.root)
        self.assertIn("_Z1bv for sm_90a spills: 8 bytes stored, 12 loaded", problem)
        self.record["kernels"] = [{"kernel": "_Z1cv", "architecture": "sm_80"}]
        self.assertIn("nothing is said of _Z1cv", checks.spills([self.record], self.root)[0])
        self.record["kernels"] = []
        self.assertIn("no kernel", checks.spills([self.record], self.root)[0])

    def test_remarks(self):
        self.assertEqual(checks.remarks([self.record], self.root), [])
        self.record["remarks"] = record_compile.remarks_in(REMARKS)
        serialized, _ = checks.remarks([self.record], self.root)
        self.assertIn("kernels/cuda/a.cu: ", serialized)
        self.assertIn("wgmma.mma_async instructions are serialized", serialized)

    def test_instructions(self):
        del self.record["instructions"]["80"][TF32]
        own, library, tf32 = checks.instructions([self.record], self.root)
        self.assertIn("includes ptx/mma.h, but its PTX for 80 holds no mma.sync", own)
        self.assertIn("no file's PTX for 80 holds mma.sync", library)
        self.assertIn("no file's PTX for 80 holds mma.sync.aligned.m16n8k8.row.col.f32.tf32", tf32)

    def test_instructions_of_later_architectures(self):
        self.source.write_text('#include "engine/kernels/cuda/ptx/wgmma.h"\n')
        self.assertEqual(checks.instructions([self.record], self.root), [])
        for other in ("90", "100", "120"):
            self.record["instructions"][other] = {"mma.sync.x": 1}
        self.assertEqual(checks.instructions([self.record], self.root), [])
        self.record["instructions"]["90a"] = {"mma.sync.x": 1}
        problem, *library = checks.instructions([self.record], self.root)
        self.assertIn("includes ptx/wgmma.h, but its PTX for 90a holds no wgmma", problem)
        self.assertIn("no file's PTX for 90a holds cp.async.bulk.tensor", library)

    def test_time_is_for_one_architecture(self):
        self.record["seconds"] = 59
        self.record["instructions"]["90a"] = {}
        self.assertEqual(quietly(checks.time, [self.record], self.root), [])
        self.record["seconds"] = 61
        (problem,) = quietly(checks.time, [self.record], self.root)
        self.assertIn("30.5 s of processor time", problem)
        self.record["seconds"] = 50
        (problem,) = quietly(checks.time, [self.record] * 29, self.root)
        self.assertIn("725 s for one architecture", problem)

    def test_no_records(self):
        self.assertEqual(quietly(checks.main, "spills", self.root, self.root), 1)


if __name__ == "__main__":
    unittest.main()
