#!/usr/bin/env python3
"""What nvcc made of the library's CUDA sources, from the records of record_compile.py.

checks.py spills|remarks|instructions|time|table RECORD_FOLDER SOURCE_FOLDER
  spills        no kernel spills a register
  remarks       ptxas neither serializes a wgmma nor ignores a setmaxnreg
  instructions  a file that includes a wrapper of kernels/cuda/ptx holds its instruction
  time          no file above 30 s of processor time for an architecture, all above 6 min on 2 cores
  table         registers of every kernel, for people
"""
import json
import pathlib
import re
import sys

# Wrapper, instruction, and the only architecture that it is made for, if there is but one.
WRAPPERS = [("mma.h", "mma.sync", None),
            ("ldmatrix.h", "ldmatrix.sync", None),
            ("cp_async.h", "cp.async.c", None),
            ("mbarrier.h", "mbarrier.", "90a"),
            ("tma.h", "cp.async.bulk.tensor", "90a"),
            ("wgmma.h", "wgmma.mma_async", "90a")]
# What the library as a whole cannot do without.
LIBRARY_HOLDS = {"80": ["mma.sync", "mma.sync.aligned.m16n8k8.row.col.f32.tf32", "ldmatrix.sync",
                        "cp.async.c"],
                 "90a": ["wgmma.mma_async", "cp.async.bulk.tensor", "mbarrier."]}
FILE_SECONDS = 30
LIBRARY_SECONDS = 6 * 60 * 2  # on two cores

INCLUDE = re.compile(r'^\s*#\s*include\s+"engine/(\S+)"', re.MULTILINE)


def spills(records, _):
    problems = []
    for record in records:
        for kernel in record["kernels"]:
            if "spill_stores" not in kernel:
                problems.append(f"{record['source']}: nothing is said of {kernel['kernel']}")
            elif kernel["spill_stores"] or kernel["spill_loads"]:
                problems.append(
                    f"{record['source']}: {kernel['kernel']} for {kernel['architecture']} spills: "
                    f"{kernel['spill_stores']} bytes stored, {kernel['spill_loads']} loaded")
    if not any(record["kernels"] for record in records):
        problems.append("no kernel is in the records")
    return problems


def remarks(records, _):
    return [f"{record['source']}: {remark}" for record in records
            for remark in record.get("remarks", [])]


def included(path, root, seen=None):
    """Every engine header that a file includes, at any depth, relative to the tree."""
    seen = set() if seen is None else seen
    for name in INCLUDE.findall(path.read_text()):
        if name not in seen and (root / name).exists():
            seen.add(name)
            included(root / name, root, seen)
    return seen


def holds(counts, instruction):
    return any(name.startswith(instruction) for name in counts)


def instructions(records, root):
    problems = []
    for record in records:
        headers = included(pathlib.Path(record["source"]), root)
        for header, instruction, only in WRAPPERS:
            if f"kernels/cuda/ptx/{header}" not in headers:
                continue
            for architecture, counts in record["instructions"].items():
                if architecture == (only or architecture) and not holds(counts, instruction):
                    problems.append(f"{record['source']}: includes ptx/{header}, but its PTX for "
                                    f"{architecture} holds no {instruction}")
    for architecture, wanted in LIBRARY_HOLDS.items():
        there = [r["instructions"][architecture] for r in records if architecture in r["instructions"]]
        for instruction in wanted if there else []:
            if not any(holds(counts, instruction) for counts in there):
                problems.append(f"no file's PTX for {architecture} holds {instruction}")
    if not any(record["instructions"] for record in records):
        problems.append("no PTX is in the records")
    return problems


def time(records, _):
    problems, total = [], 0
    for record in records:
        seconds = record["seconds"] / max(1, len(record["instructions"]))
        total += seconds
        print(f"{seconds:6.1f} s  {pathlib.Path(record['source']).name}")
        if seconds > FILE_SECONDS:
            problems.append(f"{record['source']}: {seconds:.1f} s of processor time for an "
                            f"architecture, the limit is {FILE_SECONDS}")
    print(f"{total:6.1f} s  for one architecture, {total / 2:.0f} s on two cores")
    if total > LIBRARY_SECONDS:
        problems.append(f"{total:.0f} s for one architecture, the limit is {LIBRARY_SECONDS}")
    return problems


def table(records, _):
    for record in records:
        for kernel in record["kernels"]:
            print(f"{kernel.get('registers', '?'):>4} registers {kernel['architecture']:>7}  "
                  f"{kernel['kernel']}")
    return []


CHECKS = {"spills": spills, "remarks": remarks, "instructions": instructions, "time": time, "table": table}


def main(name, record_folder, source_folder):
    paths = sorted(pathlib.Path(record_folder).rglob("*.o.json"))
    # An object that is gone has left its record behind.
    records = [json.loads(p.read_text()) for p in paths if p.with_suffix("").exists()]
    problems = CHECKS[name](records, pathlib.Path(source_folder))
    if not records:
        problems = [f"no records under {record_folder}"]
    for problem in problems:
        print(problem)
    print(f"{len(records)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
