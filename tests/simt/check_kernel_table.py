#!/usr/bin/env python3
"""Fails when README.md's table of kernels and the sources differ.

check_kernel_table.py SOURCE_FOLDER   each kernel of a .cu of kernels/cuda and core/cuda, in a row of its file
check_kernel_table.py --self-test     checks this script on planted texts
check_kernel_table.py --list SOURCE_FOLDER   the rows as they would be for kernels that never ran
"""
import pathlib
import re
import sys

KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\([^()]*(?:\([^()]*\)[^()]*)*\)\s*)?(\w+)\(")
ROW = re.compile(r"^\| `(\w+/cuda/\w+\.\w+)` \| ([\w ,`]+) \| ([^|]+) \|$", re.MULTILINE)


def kernels_of(text):
    return KERNEL.findall(text)


def rows_of(text):
    """{file: its kernels}, of a table | `file` | `a` `b` | ran on |."""
    return {file: re.findall(r"\w+", names) for file, names, _ in ROW.findall(text)}


def faults(sources, table):
    """One line for each difference between {file: kernels} of the sources and of the table."""
    found = []
    for file, kernels in sources.items():
        if file not in table:
            found.append(f"{file}: has no row")
        elif sorted(kernels) != sorted(table[file]):
            found.append(f"{file}: has {' '.join(sorted(kernels))}; its row names "
                         f"{' '.join(sorted(table[file]))}")
    return found + [f"{file}: has a row, but no kernel" for file in table if file not in sources]


def sources_of(root):
    files = [p for f in ("core", "kernels") for p in sorted((root / f / "cuda").glob("*.cu"))
             + sorted((root / f / "cuda").glob("*.h"))]
    found = {p.relative_to(root).as_posix(): kernels_of(p.read_text()) for p in files}
    return {file: kernels for file, kernels in found.items() if kernels}


def self_test():
    text = ("template <class T>\n__global__ void __launch_bounds__(kThreads, (C::kBlocks))\n    a_kernel(int x) {}\n"
            "__global__ void b_kernel() {}\n")
    assert kernels_of(text) == ["a_kernel", "b_kernel"], kernels_of(text)
    table = rows_of("| file | kernels | ran |\n|---|---|---|\n| `kernels/cuda/a.cu` | `a_kernel` `b_kernel` | never |\n")
    assert table == {"kernels/cuda/a.cu": ["a_kernel", "b_kernel"]}, table
    assert faults({"kernels/cuda/a.cu": ["b_kernel", "a_kernel"]}, table) == []
    assert faults({"kernels/cuda/a.cu": ["a_kernel"]}, table) == [
        "kernels/cuda/a.cu: has a_kernel; its row names a_kernel b_kernel"]
    assert faults({}, table) == ["kernels/cuda/a.cu: has a row, but no kernel"]
    assert faults({"kernels/cuda/c.cu": ["c_kernel"], **{f: k for f, k in table.items()}}, table) == [
        "kernels/cuda/c.cu: has no row"]


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = pathlib.Path(arguments[-1])
    sources = sources_of(root)
    if arguments[0] == "--list":
        for file, kernels in sources.items():
            print(f"| `{file}` | {' '.join(f'`{k}`' for k in kernels)} | never |")
        return 0
    found = faults(sources, rows_of((root / "tests/simt/README.md").read_text()))
    if not sources:
        found.append("no kernel was found")
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
