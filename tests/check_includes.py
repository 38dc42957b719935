#!/usr/bin/env python3
"""Fails when an include points up: apps -> optim -> layers -> kernels -> core.

check_includes.py [SOURCE_FOLDER]       checks a tree; one line for each include that is wrong
check_includes.py --self-test           checks this script on planted includes
"""
import os
import re
import sys
import tempfile

# What each folder may include besides itself. tests and bench may include everything.
ALLOWED = {
    "core": set(),
    "kernels": {"core"},
    "layers": {"core", "kernels"},
    "optim": {"core", "kernels", "layers"},  # minimize() records the loss through layers/history
    "apps": {"core", "kernels", "layers", "optim", "engine.h"},
    "engine.h": {"core", "kernels", "layers", "optim"},
}
UNCHECKED = {"tests", "bench"}
SUFFIXES = (".h", ".hpp", ".cuh", ".cpp", ".cu")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CUDA_HEADER = re.compile(r"^(cuda|cublas|cudnn|cub/|thrust/|cooperative_groups|nv/|mma\.h|cute/)")
DNNL_HEADER = re.compile(r"^(oneapi/dnnl/)?dnnl")
# The one adapter to oneDNN: onednn.h, onednn.cpp, onednn_version.cpp, ...
DNNL_HOME = re.compile(r"^kernels/cpu/onednn[^/]*$")


def fault(path, bracket, header):
    """What is wrong with an include in the file at `path` (relative, with /); None if nothing."""
    folder = path.split("/")[0]
    if CUDA_HEADER.match(header) and "/cuda/" not in path and folder not in UNCHECKED:
        return "a CUDA header outside */cuda/"
    if DNNL_HEADER.match(header) and not DNNL_HOME.match(path) and folder not in UNCHECKED:
        return "a oneDNN header outside kernels/cpu/onednn*"
    if folder not in ALLOWED:
        return None
    if header.startswith("../") or "/../" in header:
        return "a path with .."
    parts = header.split("/")
    if parts[0] == "engine" and len(parts) > 1:
        target = parts[1]
        if bracket == "<":
            return "our own header in <>"
        if target != folder and target not in ALLOWED[folder]:
            return f"{folder} must not include {target}"
        if "cuda" in parts[:-1] and "/cuda/" not in path:
            return "a header of */cuda/ outside */cuda/"
    elif bracket == '"' and parts[0] in ALLOWED and folder != "apps":
        return 'our own header without "engine/"'
    return None


def without_comments(text):
    return re.sub(r"/\*.*?\*/", lambda found: "\n" * found.group().count("\n"), text, flags=re.S)


def faults_in(root):
    found, checked = [], 0
    for top in sorted(ALLOWED):
        start = os.path.join(root, top)
        if os.path.isfile(start):
            paths = [start]
        else:
            paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(start)
                           for name in names if name.endswith(SUFFIXES))
        for path in paths:
            relative = os.path.relpath(path, root).replace(os.sep, "/")
            checked += 1
            with open(path, encoding="utf-8") as file:
                lines = without_comments(file.read()).splitlines()
            for number, line in enumerate(lines, 1):
                include = INCLUDE.match(line)
                reason = include and fault(relative, *include.groups())
                if reason:
                    found.append(f"{relative}:{number}: {reason}: {line.strip()}")
    return found, checked


def self_test():
    planted = {
        "core/a.h": ['#include "engine/kernels/relu.h"', "#include <cuda_runtime.h>",
                     '#include "engine/engine.h"', "#include <engine/core/b.h>",
                     '#include "core/b.h"', '#include "../kernels/relu.h"'],
        "core/b.cpp": ['#include "engine/core/cuda/stream.h"'],
        "kernels/relu.cpp": ['#include "engine/layers/linear.h"', "#include <dnnl.hpp>",
                             '#  include "engine/optim/adam.h"', "#include <cub/cub.cuh>"],
        "layers/linear.h": ['#include "engine/optim/adam.h"', '#include "engine/apps/x.h"'],
        "optim/adam.h": ['#include "engine/apps/x.h"'],
        "apps/x.cpp": ["#include <oneapi/dnnl/dnnl.hpp>"],
        "engine.h": ['#include "engine/apps/x.h"'],
    }
    good = {
        "core/c.h": ["#include <vector>", '#include "engine/core/a.h"',
                     '// #include "engine/kernels/relu.h"',
                     '/*\n#include "engine/kernels/relu.h"\n*/'],
        "core/cuda/stream.cpp": ["#include <cuda_runtime.h>", '#include "engine/core/cuda/a.h"'],
        "kernels/cpu/onednn.cpp": ["#include <dnnl.hpp>", '#include "engine/kernels/relu.h"'],
        "apps/y.cpp": ['#include "engine/engine.h"', '#include "engine/optim/adam.h"'],
        "tests/t.cpp": ['#include "engine/engine.h"', "#include <dnnl.hpp>"],
    }
    with tempfile.TemporaryDirectory() as root:
        for path, lines in {**planted, **good}.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        found, _ = faults_in(root)
    want = sorted(f"{path}:{number}" for path, lines in planted.items()
                  for number in range(1, len(lines) + 1))
    got = sorted(":".join(line.split(":")[:2]) for line in found)
    if got != want:
        sys.exit(f"self-test: missed {sorted(set(want) - set(got))}, "
                 f"wrongly found {sorted(set(got) - set(want))}")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(
        os.path.abspath(__file__)))
    found, checked = faults_in(root)
    if not checked:
        sys.exit(f"{root}: no sources found")
    if found:
        sys.exit("\n".join(found))
    print(f"{checked} files, every include points down")


if __name__ == "__main__":
    main()
