#!/usr/bin/env python3
"""Runs an nvcc command and writes down beside its object what checks.py reads.

record_compile.py [LAUNCHER...] nvcc ARGUMENTS...   writes OBJECT.json: the source, the architectures,
the processor time used, what ptxas says of each kernel and remarks on wgmma, how often each instruction stands in the
PTX. Nothing is compiled for it that the object does not need.
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

INSTRUCTION = re.compile(r"^\s*(?:@!?%\w+\s+)?([a-z][\w.:]*)[\s;]")
FUNCTION = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
# What undoes a warp-specialised kernel without an error: "wgmma.mma_async instructions are
# serialized due to ...", "setmaxnreg ignored to maintain minimum register requirements".
REMARK = re.compile(r"wgmma.*serialized|setmaxnreg.*ignored")
REGISTERS = re.compile(r"Used (\d+) registers")


def parse_ptxas(text):
    """[{kernel, architecture, stack, spill_stores, spill_loads, registers}], in the text's order."""
    kernels = []
    for line in text.splitlines():
        if found := FUNCTION.search(line):
            kernels.append({"kernel": found[1], "architecture": found[2]})
        elif (found := SPILLS.search(line)) and kernels and "stack" not in kernels[-1]:
            stack, stores, loads = map(int, found.groups())
            kernels[-1].update(stack=stack, spill_stores=stores, spill_loads=loads)
        elif (found := REGISTERS.search(line)) and kernels:
            kernels[-1].setdefault("registers", int(found[1]))
    return kernels


def remarks_in(text):
    return [line for line in text.splitlines() if REMARK.search(line)]


def is_ptxas_info(line):
    return line.startswith("ptxas info") or SPILLS.search(line) is not None


def count_instructions(ptx):
    """{instruction: how often}, of those with a dot: no declarations, no labels."""
    counts = collections.Counter()
    for line in ptx.splitlines():
        found = INSTRUCTION.match(line)
        if found and "." in found[1]:
            counts[found[1]] += 1
    return counts


def architecture_of(name, command):
    """"90a" of a.compute_90a.ptx; a build for one architecture writes a.ptx."""
    found = re.search(r"\.compute_(\w+)\.ptx$", name)
    return (found or re.search(r"arch=compute_(\w+)", " ".join(command)))[1]


def argument_after(command, flag):
    return command[command.index(flag) + 1] if flag in command else None


def main(command):
    target = argument_after(command, "-o")
    source = argument_after(command, "-c")
    if target is None or source is None:  # a compiler test of CMake's
        return subprocess.run(command).returncode
    with tempfile.TemporaryDirectory(prefix="engine-nvcc-") as folder:
        # nvcc makes the PTX on its way to the object in any case; here it stays.
        full = command + ["-Xptxas", "-v", "--keep", "--keep-dir", folder]
        before = os.times()
        result = subprocess.run(full, stderr=subprocess.PIPE, text=True)
        after = os.times()
        for line in result.stderr.splitlines():
            if result.returncode != 0 or not is_ptxas_info(line):
                print(line, file=sys.stderr)
        if result.returncode != 0:
            return result.returncode
        ptx = {}
        for path in pathlib.Path(folder).glob("*.ptx"):
            ptx[architecture_of(path.name, command)] = count_instructions(path.read_text())
    record = {"source": source,
              "seconds": after.children_user - before.children_user,
              "kernels": parse_ptxas(result.stderr),
              "remarks": remarks_in(result.stderr),
              "instructions": ptx}
    pathlib.Path(target + ".json").write_text(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
