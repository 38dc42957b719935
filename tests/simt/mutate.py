#!/usr/bin/env python3
"""Plants one mistake at a time in the library's kernels and sees whether their tests find it.

mutate.py BUILD_FOLDER [SOURCE...] [--limit N] [--seed N] [--mode check|fast] [--jobs N] [--list]
          [--json FILE]

Mistakes, in device code only: a barrier, fence, commit, wait or arrival is dropped; a comparison
includes its bound, or no longer does, or is negated; a pipeline is at the wrong stage, waits for
one group too few, or for the wrong parity. SOURCE: files of kernels/cuda and core/cuda, headers
too; all without any.

All mistakes are compiled into one program, each behind a switch (mutants/). It runs all tests once
with none of them, which tells which mistakes would make a difference in which test; then each
mutant's tests, the quick ones first. mutants/equivalent.txt lists those that are not run, with
reasons. --json keeps the outcomes; what was killed is not run again. Exits with 1 below 95 %
killed.
"""
import argparse
import collections
import json
import os
import pathlib
import random
import re
import shlex
import subprocess
import sys

SIMT = pathlib.Path(__file__).resolve().parent
SOURCE = SIMT.parent.parent
EQUIVALENT = SIMT / "mutants/equivalent.txt"
SHARE = 0.95

CALL = (r"(?:ptx::|cg::)?(?:__syncthreads|__syncwarp|__threadfence\w*|fence_\w+"
        r"|cluster_(?:arrive|wait)\w*|cp_async_(?:wait|commit)\w*|bulk_(?:wait|commit)\w*"
        r"|mbarrier_(?:wait|arrive|init)\w*|named_barrier_\w+|wgmma_(?:wait|fence|commit)\w*)"
        r"(?:<[^;<>]*>)?\([^;]*\)")
DROPPED = re.compile(CALL + r"(?=;)")
# Binary operators stand between spaces, brackets of templates do not.
COMPARISON = re.compile(r"(?<= )(<=|>=|==|!=|<|>)(?= )")
FLIPPED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
STAGE = re.compile(r"(\b\w+|\([^()]*\)) % (?:\w+::)*kStages\b")
STAGE_BYTES = re.compile(r"(?<!::)\b(\w+) \* (\w+::)kStageBytes\b")
GROUPS = re.compile(r"\b((?:ptx::)?\w+_wait)<([^;<>]*)>\(\)(?=;)")
PARITY = re.compile(r"\bmbarrier_wait\((?:[^;]*), ([^;,]*)\)(?=;)")
COMPILE_TIME = re.compile(r"^\s*(template|static_assert|requires|#)|if constexpr|constexpr \w")
SWITCH = "::engine::simt::is_mutant({})"


class Mutant:
    """`plain` replaces text[begin:end] where only this mistake is made; `insertions`, (place, text)
    with the mutant's number for {}, make it switchable."""

    def __init__(self, path, text, span, plain, kind, insertions):
        self.path, self.kind, self.insertions = path, kind, insertions
        self.id, self.twin = None, 1
        begin, end = span
        self.line = text.count("\n", 0, begin) + 1
        line_begin, line_end = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
        squeeze = lambda code: " ".join(code.split())
        self.before = squeeze(text[line_begin:line_end])
        self.after = squeeze(text[line_begin:begin] + plain + text[end:line_end])

    def key(self):
        """Stays when lines above change; the second of two that read alike has "#2"."""
        twin = f" #{self.twin}" if self.twin > 1 else ""
        return f"{self.path.relative_to(SOURCE)} {self.kind}{twin}: {self.before}  ->  {self.after}"

    def __str__(self):
        file, rest = self.key().split(" ", 1)
        return f"{file}:{self.line} {rest}"


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
        # `plain` of a match and its insertions.
        def add(pattern, kind, edit):
            for match in pattern.finditer(code, begin, end):
                line = code[code.rfind("\n", 0, match.start()) + 1:]
                if COMPILE_TIME.search(line[:line.find("\n")]):
                    continue
                plain, insertions = edit(match)
                found.append(Mutant(path, text, match.span(), plain, kind, insertions))

        add(DROPPED, "dropped", lambda m: ("", [
            (m.start(), f"({SWITCH} ? void() : void("), (m.end(), "))")]))
        add(GROUPS, "stage", lambda m: (f"{m[1]}<{m[2]} + 1>()", [
            (m.start(), f"{SWITCH} ? {m[1]}<({m[2]}) + 1>() : ")]))
        add(STAGE, "stage", lambda m: (f"({m[1]} + 1){m[0][len(m[1]):]}", [
            (m.start(1), "("), (m.end(1), f" + {SWITCH})")]))
        add(STAGE_BYTES, "stage", lambda m: (f"({m[1]} + 1) % {m[2]}kStages{m[0][len(m[1]):]}", [
            (m.start(1), "("), (m.end(1), f" + {SWITCH}) % {m[2]}kStages")]))
        add(PARITY, "parity", lambda m: (m[0][:-1] + " ^ 1)", [(m.end(1), f" ^ {SWITCH}")]))
        add(COMPARISON, "comparison", lambda m: (FLIPPED[m[1]], [
            (m.end(), f" ::engine::simt::Flip{{{{{{}}}}}} {m[1]}")]))
    return sorted(found, key=lambda mutant: (mutant.line, mutant.insertions[0][0]))


def all_mutants():
    paths = sorted(path for folder in ("core/cuda", "kernels/cuda")
                   for path in (SOURCE / folder).glob("*.*"))
    mutants = [mutant for path in paths for mutant in mutants_of(path)]
    seen = collections.Counter()
    for i, mutant in enumerate(mutants):
        seen[mutant.key()] += 1
        mutant.id, mutant.twin = i, seen[mutant.key()]
    return mutants


def with_switches(path, mutants):
    text = path.read_text()
    insertions = [(place, inserted.format(mutant.id)) for mutant in mutants
                  for place, inserted in mutant.insertions]
    # At one place those of the first mutants stay outermost.
    for place, inserted in reversed(sorted(insertions, key=lambda insertion: insertion[0])):
        text = text[:place] + inserted + text[place:]
    return text


def write_if_changed(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def replaced(command, option, value):
    at = command.index(option) + 1
    return command[:at] + [value] + command[at + 1:]


class Program:
    """The tests with all mistakes compiled in, below BUILD_FOLDER/mutants_MODE."""

    def __init__(self, build, mode, mutants):
        self.build, self.mutants = build, mutants
        self.target = f"engine_tests_simt_{mode}"
        self.folder = f"mutants_{mode}"
        self.path = build / self.folder / "tests"

    def make(self, jobs):
        overlay = self.build / self.folder / "overlay"
        for path in {mutant.path for mutant in self.mutants}:
            write_if_changed(overlay / "engine" / path.relative_to(SOURCE),
                             with_switches(path, [m for m in self.mutants if m.path == path]))
        text, others = self.ninja_file(overlay)
        write_if_changed(self.build / self.folder / "build.ninja", text)
        for arguments in (others, ["-f", f"{self.folder}/build.ninja"]):
            subprocess.run(["ninja", "-C", self.build, f"-j{jobs}", *arguments], check=True)

    def ninja_file(self, overlay):
        """The text, and what else the project's own build has to make."""
        commands = json.loads((self.build / "compile_commands.json").read_text())
        log = subprocess.run(["ninja", "-C", self.build, "-t", "commands", self.target],
                             capture_output=True, text=True, check=True).stdout
        # ": && c++ ... -o tests/simt/NAME ... && cmake ..."
        (link,) = [shlex.split(step) for step in log.splitlines()[-1].split(" && ")
                   if f" -o tests/simt/{self.target} " in step]
        lines = [f"builddir = {self.folder}",
                 "rule compile\n command = $line -MD -MF $out.d\n description = $out\n"
                 " depfile = $out.d\n deps = gcc",
                 "rule link\n command = $line\n description = $out"]
        ours = []

        def compile_line(command, source, out):
            ours.append(out)
            command = replaced(replaced(command, "-c", str(source)), "-o", out)
            lines.append(f"build {out}: compile {source}\n line = " + shlex.join(command))

        for entry in commands:
            program, *rest = shlex.split(entry["command"])
            source = pathlib.Path(entry["file"])
            if f"/{self.target}_kernels.dir/" in entry["command"]:
                out = f"{self.folder}/{source.stem}.o"
                link[link.index(rest[rest.index("-o") + 1])] = out
                mutated = overlay / "engine" / source.relative_to(SOURCE)
                compile_line([program, f"-I{overlay}", "-include", str(SIMT / "mutants/mutants.h"),
                              *rest, "-w", "-fno-aggressive-loop-optimizations"],
                             mutated if mutated.exists() else source, out)
            elif (f"/{self.target}.dir/" in entry["command"]
                  and source.name == "engine_tests_main.cpp"):
                out = f"{self.folder}/mutants.o"
                compile_line([program, f"-DENGINE_SIMT_MUTANTS={len(self.mutants)}", *rest],
                             SIMT / "mutants/mutants.cpp", out)
                link.append(out)
        linked = [word for word in link if word.endswith((".o", ".a")) and not word.startswith("/")]
        out = f"{self.folder}/{self.path.name}"
        lines.append(f"build {out}: link {' '.join(linked)}\n line = "
                     + shlex.join(replaced(link, "-o", out)))
        return "\n".join(lines) + "\n", [word for word in linked if word not in ours]

    def tests_of_mutants(self):
        """{id: [(seconds, test)], quick ones first}"""
        run = subprocess.run([self.path], capture_output=True, text=True, cwd=self.build,
                             env={**os.environ, "ENGINE_SIMT_CASE_SECONDS": "0"})
        if run.returncode != 0:
            sys.exit(f"{self.path} fails without any mistake:\n{run.stdout[-2000:]}")
        tests = collections.defaultdict(list)
        for test, milliseconds, ids in re.findall(r"^met: (\S+) (\d+)((?: \d+)*)$", run.stdout,
                                                  re.MULTILINE):
            for mutant in ids.split():
                tests[int(mutant)].append((int(milliseconds) / 1000, test))
        return {mutant: sorted(timed) for mutant, timed in tests.items()}

    def is_killed(self, mutant, timed):
        """Whether one of the tests fails, or takes too long."""
        batches, seconds = [[]], 0
        for test in timed:
            if seconds > 3 ** len(batches):
                batches.append([])
            batches[-1].append(test)
            seconds += test[0]
        return any(self.fails(mutant, batch) for batch in batches)

    def fails(self, mutant, batch):
        names = ":".join(name for _, name in batch)
        try:
            run = subprocess.run([self.path, "--gtest_fail_fast", "--gtest_brief=1",
                                  f"--gtest_filter={names}"], capture_output=True, cwd=self.build,
                                 timeout=20 + 10 * sum(seconds for seconds, _ in batch),
                                 env={**os.environ, "ENGINE_SIMT_QUIET": "1",
                                      "ENGINE_SIMT_CASE_SECONDS": "0",
                                      "ENGINE_MUTANT": str(mutant.id)})
        except subprocess.TimeoutExpired:
            return True
        return run.returncode != 0


def equivalent_mutants():
    """{key: reason}; "#" begins a comment, a reason follows its mutant on a line of its own."""
    lines = [line for line in EQUIVALENT.read_text().splitlines()
             if line and not line.startswith("#")]
    return dict(zip(lines[::2], (reason.strip() for reason in lines[1::2])))


def selected(mutants, options):
    wanted = {path.resolve() for path in options.sources}
    by_path = collections.defaultdict(list)
    for mutant in mutants:
        if not wanted or mutant.path in wanted:
            by_path[mutant.path].append(mutant)
    for path, some in by_path.items():
        if options.limit is not None and len(some) > options.limit:
            some = random.Random(f"{options.seed} {path.name}").sample(some, options.limit)
        yield from some


def print_totals(results):
    kinds = {}
    for mutant, outcome in results:
        kinds.setdefault(mutant.kind, collections.Counter())[outcome] += 1
    total = sum(kinds.values(), collections.Counter())
    share = lambda counts, of: counts["killed"] / max(1, of)
    for name, counts in [*sorted(kinds.items()), ("all", total)]:
        run = counts.total() - counts["equivalent"]
        print(f"{name}: {counts['killed']} of {run} killed, {share(counts, run):.1%};"
              f" {counts['equivalent']} more are equivalent,"
              f" {share(counts, counts.total()):.1%} with those")
    return share(total, total.total() - total["equivalent"])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("sources", nargs="*", type=pathlib.Path)
    parser.add_argument("--limit", type=int, help="so many mutants of each file, drawn by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=["check", "fast"], default="check")
    parser.add_argument("--jobs", type=int, default=1, help="of the builds")
    parser.add_argument("--list", action="store_true", help="the mutants, without running them")
    parser.add_argument("--json", type=pathlib.Path, help="the outcomes as a file")
    options = parser.parse_intermixed_args()

    mutants = all_mutants()
    equivalent = equivalent_mutants()
    for stale in equivalent.keys() - {mutant.key() for mutant in mutants}:
        print(f"{EQUIVALENT}: no such mutant: {stale}", file=sys.stderr)
    # What an emulator is for comes first.
    chosen = sorted(selected(mutants, options), key=lambda mutant: mutant.kind == "comparison")
    if options.list:
        print(*chosen, sep="\n")
        return 0

    program = Program(options.build.resolve(), options.mode, mutants)
    program.make(options.jobs)
    tests = program.tests_of_mutants()
    kept = options.json and options.json.exists()
    outcomes = json.loads(options.json.read_text()) if kept else {}
    results = []
    for i, mutant in enumerate(chosen):
        timed = tests.get(mutant.id, [])
        if mutant.key() in equivalent:
            outcome = "equivalent"
        elif not timed:
            outcome = "makes no difference in any test"
        elif outcomes.get(mutant.key()) == "killed":
            outcome = "killed"
        else:
            outcome = "killed" if program.is_killed(mutant, timed) else "survived"
            print(f"[{i + 1}/{len(chosen)}] {outcome} {len(timed)} tests: {mutant}", flush=True)
        results.append((mutant, outcome))
        outcomes[mutant.key()] = outcome
        if options.json:
            options.json.write_text(json.dumps(outcomes, indent=1))
    print(*(f"{outcome}: {mutant}" for mutant, outcome in results
            if outcome not in ("killed", "equivalent")), sep="\n")
    return 0 if print_totals(results) >= SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
