#!/usr/bin/env python3
"""scripts/run.sh and cuda_options.sh with a made-up nvidia-smi, nvcc and cmake.

run_test.py SOURCE_FOLDER
"""
import pathlib
import shlex
import shutil
import sys
import unittest

from machine import Machine

SOURCE = pathlib.Path(sys.argv.pop(1)).resolve()

SMI = """\
case "$*" in
  *compute_cap*) printf '%s\\n' {gpus} ;;
  *) echo '| NVIDIA-SMI 1.2.3    Driver Version: 1.2.3    CUDA Version: {driver}     |' ;;
esac
"""
NVCC = """\
case "$1" in
  --version) echo 'Cuda compilation tools, release {release}, V{release}.20' ;;
  --list-gpu-arch) printf 'compute_%s\\n' 80 86 89 90 ;;
esac
"""
# Configures like the real one as far as run.sh looks; "builds" a cnn that tells how it was called.
CMAKE = """\
echo "cmake $*" >>"$CALLS"
[[ $1 == -S ]] || exit 0
shift 2; build=$2; shift 2
mkdir -p "$build/bin"; touch "$build/build.ninja"
for option in "$@"; do
  [[ $option == -D* ]] || continue
  option=${option#-D}
  sed -i "/^${option%%=*}:/d" "$build/CMakeCache.txt" 2>/dev/null
  echo "${option%%=*}:STRING=${option#*=}" >>"$build/CMakeCache.txt"
done
cat >"$build/bin/cnn" <<'END'
#!/bin/bash
echo "cnn $*"
out=runs/x
while [[ $# -gt 0 ]]; do
  [[ $1 == --out ]] && out=$2
  shift
done
echo "report: $out/report.html"
END
chmod +x "$build/bin/cnn"
"""


class Run(Machine):
    def gpu(self, *gpus, driver="13.0"):
        self.program("nvidia-smi", SMI.format(gpus=" ".join(gpus), driver=driver))

    def nvcc(self, release, name="nvcc"):
        return self.program(name, NVCC.format(release=release))

    def run_script(self, script, *arguments, **environment):
        # Without this machine's own toolkit.
        return super().run_script(script, *arguments, **{"CUDA_PATH": str(self.root / "nowhere"), **environment})

    def options(self, **environment):
        return self.run_script(SOURCE / "scripts/cuda_options.sh", **environment)

    def refused(self, *words, **environment):
        options, said = self.options(**environment)
        self.assertEqual(options, ["-DENGINE_CUDA=OFF"])
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn("training uses the CPU", said)
        for word in words:
            self.assertIn(word, said)

    def accepted(self, architectures, **environment):
        options, said = self.options(**environment)
        self.assertEqual(options, ["-DENGINE_CUDA=AUTO",
                                   "-DENGINE_CUDA_ARCHITECTURES=" + architectures])
        self.assertEqual(said, "")

    def test_no_driver_is_nothing_to_talk_about(self):
        self.nvcc("13.0")
        self.assertEqual(self.options(), (["-DENGINE_CUDA=OFF"], ""))
        self.program("nvidia-smi", "echo 'could not communicate with the driver'; exit 9")
        self.assertEqual(self.options(), (["-DENGINE_CUDA=OFF"], ""))

    def test_builds_for_the_gpu_that_is_there(self):
        self.nvcc("13.0")
        self.gpu("9.0")
        self.accepted("90a")
        self.gpu("8.9", "8.0", "8.9")
        self.accepted("80;89")
        self.gpu("12.0")  # not known to this nvcc: PTX
        self.accepted("80")
        self.gpu("7.5", "8.6")
        self.accepted("86")

    def test_toolkit_versions(self):
        self.gpu("9.0")
        self.nvcc("12.6")
        self.accepted("90a")
        self.nvcc("12.10")
        self.accepted("90a")
        self.nvcc("12.4")
        self.refused("is of CUDA 12.4", "get CUDA 12.6 or later", "developer.nvidia.com")

    def test_no_toolkit(self):
        self.gpu("9.0", driver="12.8")
        self.refused("there is no nvcc", "get CUDA 12.6 or later (this driver runs up to 12.8)")
        self.program("nvcc", "exit 1")
        self.refused("does not run", "developer.nvidia.com")

    def test_nvcc_of_the_environment(self):
        self.gpu("9.0")
        self.nvcc("11.8")
        self.accepted("90a", CUDACXX=str(self.nvcc("12.9", "other-nvcc")))
        self.accepted("90a", CUDACXX="other-nvcc")
        self.refused("there is no absent-nvcc, which CUDACXX names", CUDACXX="absent-nvcc")
        (self.root / "bin/nvcc").unlink()
        (self.root / "toolkit/bin").mkdir(parents=True)
        (self.root / "bin/other-nvcc").rename(self.root / "toolkit/bin/nvcc")
        self.accepted("90a", CUDA_PATH=str(self.root / "toolkit"))

    def test_driver_older_than_the_toolkit(self):
        self.nvcc("13.0")
        self.gpu("9.0", driver="12.8")
        self.refused("the driver runs CUDA up to 12.8", "is of 13.0", "update the driver")

    def test_gpu_too_old(self):
        self.nvcc("13.0")
        self.gpu("7.5", "6.1")
        self.refused("compute capability 6.1, 7.5", "8.0 or later")

    def tree(self):
        """A copy of the scripts, with nothing to install; the path of run.sh."""
        scripts = self.root / "engine/scripts"
        scripts.mkdir(parents=True)
        for name in ("run.sh", "cuda_options.sh"):
            shutil.copy(SOURCE / "scripts" / name, scripts)
        (scripts / "install_dependencies.sh").write_text("#!/bin/bash\n")
        (scripts / "install_dependencies.sh").chmod(0o755)
        self.program("cmake", CMAKE)
        return scripts / "run.sh"

    def test_run_names_commands_that_can_be_pasted(self):
        run = self.tree()
        printed, _ = self.run_script(run, "--out", "my runs/it's one")
        commands = [shlex.split(line) for line in printed[printed.index("Next:") + 1:]
                    if line.startswith("  ") and not line.startswith("   ")]
        cnn = str(self.root / "engine/build/bin/cnn")
        self.assertEqual(commands, [[cnn, "predict", "--model", "my runs/it's one", "PHOTO.jpg"],
                                    ["xdg-open", "my runs/it's one/report.html"],
                                    [cnn, "train", "--data", "DIR"]])

    def test_run_configures_for_the_gpu_and_trains(self):
        run = self.tree()
        calls = self.root / "calls"

        printed, said = self.run_script(run, "--epochs", "3")
        self.assertEqual(printed[0], "cnn train --epochs 3")
        self.assertEqual(said, "")
        configured, built = calls.read_text().splitlines()
        self.assertIn("-DENGINE_CUDA=OFF", configured)
        self.assertIn("--target cnn", built)

        # A toolkit that is too old changes nothing but what is said; a good one configures again.
        self.gpu("9.0")
        self.nvcc("11.8")
        calls.unlink()
        printed, said = self.run_script(run)
        self.assertEqual(printed[0], "cnn train")
        self.assertIn("get CUDA 12.6 or later", said)
        self.assertEqual(len(calls.read_text().splitlines()), 1)
        self.nvcc("12.9")
        calls.unlink()
        self.run_script(run)
        configured, _ = calls.read_text().splitlines()
        self.assertIn("-DENGINE_CUDA=AUTO -DENGINE_CUDA_ARCHITECTURES=90a", configured)
        calls.unlink()
        self.run_script(run)
        self.assertEqual(len(calls.read_text().splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
