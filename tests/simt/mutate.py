#!/usr/bin/env python3
"""Plants one mistake at a time in the library's kernels and sees whether their tests find it.

mutate.py BUILD_FOLDER [SOURCE...] [--limit N] [--seed N] [--mode check|fast] [--list] [--json FILE]

Mistakes, in device code only: a barrier, fence, commit or wait is dropped; a comparison includes its
bound, or no longer does, or is negated; the stage or the parity of a pipeline is off by one. SOURCE:
files of kernels/cuda and core/cuda, headers too; all without any. Each mutant compiles one file (of a
header, each file that includes it), links it with the other objects of engine_tests_simt_MODE and runs
the tests that launch a kernel of the file. Build that first. Exits with 1 below 95 % killed.
"""
import argparse
import json
import pathlib
import random
import re
import shlex
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
SHARE = 0.95

DROPPED = re.compile(
    r"(?:ptx::|cg::)?(?:__syncthreads|__syncwarp|__threadfence\w*|fence_\w+|cluster_(?:sync|arrive|wait)\w*"
    r"|cp_async_(?:wait|commit)\w*|bulk_(?:wait|commit)\w*|mbarrier_(?:wait|arrive)\w*"
    r"|named_barrier_\w+|wgmma_(?:wait|fence|commit)\w*)(?:<[^;<>]*>)?\([^;]*\);")
# Binary operators stand between spaces, brackets of templates do not.
COMPARISON = re.compile(r"(?<= )(<=|>=|==|!=|<|>)(?= )")
FLIPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
STAGE = re.compile(r"\b(\w+) % (?=(?:\w+::)*k?\w*[sS]tages\b)")
PARITY = re.compile(r"\b(\w*(?:parity|phase)\w*) \^= 1;|(?<=[\w)]) \^ 1\b")
COMPILE_TIME = re.compile(r"^\s*(template|static_assert|requires|#)|if constexpr|constexpr \w")


class Mutant:
    def __init__(self, path, text, begin, end, replacement, kind):
        self.path, self.kind = path, kind
        self.text = text[:begin] + replacement + text[end:]
        self.line = text.count("\n", 0, begin) + 1
        self.before = text.splitlines()[self.line - 1].strip()
        self.after = self.text.splitlines()[self.line - 1].strip()

    def __str__(self):
        return f"{self.path.relative_to(SOURCE)}:{self.line} {self.kind}: {self.before}  ->  {self.after}"


def end_of_block(text, brace):
    depth = 0
    for i in range(brace, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i
    return len(text)


def device_code(text):
    """[(begin, end)] of the bodies of functions for the device."""
    bodies, at = [], 0
    for found in re.finditer(r"\b__(?:global|device)__\b|\bENGINE_PTX\b", text):
        if found.start() < at:
            continue
        # Up to the body, or to the end of a declaration.
        brace, semicolon = text.find("{", found.end()), text.find(";", found.end())
        if brace == -1 or -1 < semicolon < brace:
            continue
        at = end_of_block(text, brace)
        bodies.append((brace, at))
    return bodies


def without_comments(text):
    """The same length, with comments and strings blanked out."""
    blank = lambda found: re.sub(r"[^\n]", " ", found[0])
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.DOTALL)


def mutants_of(path):
    text = path.read_text()
    code = without_comments(text)
    found = []
    for begin, end in device_code(code):
        body = code[begin:end]

        def add(match, replacement, kind):
            line = code[code.rfind("\n", 0, begin + match.start()) + 1:]
            if not COMPILE_TIME.search(line[:line.find("\n")]):
                found.append(Mutant(path, text, begin + match.start(), begin + match.end(),
                                    replacement, kind))

        for match in DROPPED.finditer(body):
            add(match, ";", "dropped")
        for match in COMPARISON.finditer(body):
            add(match, FLIPPED[match[1]], "comparison")
        for match in STAGE.finditer(body):
            add(match, f"({match[1]} + 1) % ", "stage")
        for match in PARITY.finditer(body):
            add(match, ";" if match[1] else "", "parity")
    return found


def includes(path, header):
    """Whether a file includes the header, at any depth."""
    open_files, seen = [path], set()
    while open_files:
        for name in re.findall(r'#include "engine/([^"]+)"', open_files.pop().read_text()):
            inner = SOURCE / name
            if inner == header:
                return True
            if name not in seen and inner.exists():
                seen.add(name)
                open_files.append(inner)
    return False


class Build:
    def __init__(self, folder, mode):
        self.folder = folder
        self.target = f"engine_tests_simt_{mode}"
        self.binary = folder / "tests/simt" / self.target
        commands = json.loads((folder / "compile_commands.json").read_text())
        self.compile = {pathlib.Path(c["file"]): shlex.split(c["command"]) for c in commands
                        if f"/{self.target}_kernels.dir/" in c["command"]}
        log = subprocess.run(["ninja", "-C", folder, "-t", "commands", self.target],
                             capture_output=True, text=True, check=True).stdout
        # ": && c++ ... -o tests/simt/NAME ... && cmake ..."
        steps = log.splitlines()[-1].split(" && ")
        (self.link,) = [shlex.split(s) for s in steps if f" -o tests/simt/{self.target} " in s]

    def output(self, command):
        return command[command.index("-o") + 1]

    def make(self, mutant, work):
        """The mutated program, or None where it does not compile."""
        overlay = work / "overlay/engine" / mutant.path.relative_to(SOURCE)
        overlay.parent.mkdir(parents=True, exist_ok=True)
        overlay.write_text(mutant.text)
        sources = [mutant.path] if mutant.path in self.compile else [
            s for s in self.compile if includes(s, mutant.path)]
        link = list(self.link)
        for i, source in enumerate(sources):
            command = list(self.compile[source])
            out = str(work / f"{i}.o")
            link[link.index(self.output(command))] = out
            command[command.index("-o") + 1] = out
            command.insert(1, f"-I{work / 'overlay'}")
            if source == mutant.path:
                command[command.index("-c") + 1] = str(overlay)
            if subprocess.run(command, cwd=self.folder, capture_output=True).returncode != 0:
                return None
        program = work / "mutant"
        link[link.index("-o") + 1] = str(program)
        subprocess.run(link, cwd=self.folder, check=True, capture_output=True)
        return program

    def tests_of_kernels(self):
        """{name of a kernel: tests that launch it}"""
        listed = subprocess.run([self.binary, "--list-kernels"], capture_output=True, text=True)
        if listed.returncode != 0:
            sys.exit(f"{self.target} fails without any mutant:\n{listed.stdout[-2000:]}")
        tests = {}
        for test, kernel in re.findall(r"^launched: (\S+) (\w+)$", listed.stdout, re.MULTILINE):
            tests.setdefault(kernel, set()).add(test)
        return tests


def tests_for(mutant, build, tests):
    files = [s for s in build.compile if s == mutant.path or includes(s, mutant.path)]
    kernels = {k for f in files for k in re.findall(r"\b(\w+_kernel)\(", f.read_text())}
    return sorted(set().union(*(tests.get(kernel, set()) for kernel in kernels)))


def is_killed(program, names, seconds):
    try:
        result = subprocess.run([program, "--gtest_fail_fast", "--gtest_brief=1",
                                 "--gtest_filter=" + ":".join(names)],
                                capture_output=True, timeout=seconds,
                                env={"ENGINE_SIMT_QUIET": "1", "PATH": "/usr/bin:/bin"})
    except subprocess.TimeoutExpired:
        return True
    return result.returncode != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("sources", nargs="*", type=pathlib.Path)
    parser.add_argument("--limit", type=int, help="so many mutants of each file, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=["check", "fast"], default="check")
    parser.add_argument("--list", action="store_true", help="the mutants, without running them")
    parser.add_argument("--json", type=pathlib.Path, help="the results as a file")
    options = parser.parse_intermixed_args()

    sources = [s.resolve() for s in options.sources] or sorted(
        p for folder in ("core/cuda", "kernels/cuda") for p in (SOURCE / folder).glob("*.*"))
    mutants = []
    for source in sources:
        of_source = mutants_of(source)
        if options.limit is not None and len(of_source) > options.limit:
            of_source = random.Random(f"{options.seed} {source.name}").sample(of_source, options.limit)
        mutants += of_source
    if options.list:
        print(*mutants, sep="\n")
        return 0

    build = Build(options.build.resolve(), options.mode)
    tests = build.tests_of_kernels()
    results = []
    for i, mutant in enumerate(mutants):
        names = tests_for(mutant, build, tests)
        with tempfile.TemporaryDirectory(prefix="engine-mutant-") as work:
            begin = time.monotonic()
            program = build.make(mutant, pathlib.Path(work))
            if program is None:
                outcome = "does not compile"
            else:
                outcome = "killed" if names and is_killed(program, names, 120) else "survived"
        results.append({"mutant": str(mutant), "outcome": outcome})
        print(f"[{i + 1}/{len(mutants)}] {outcome} ({time.monotonic() - begin:.0f} s): {mutant}",
              flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    killed = sum(r["outcome"] == "killed" for r in results)
    survived = sum(r["outcome"] == "survived" for r in results)
    share = killed / max(1, killed + survived)
    print(f"{killed} of {killed + survived} killed, {100 * share:.1f} %")
    return 0 if share >= SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
