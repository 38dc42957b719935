#!/usr/bin/env python3
"""Fails when a wrapper of kernels/cuda/ptx is called by no case of conformance/.

check_ptx_cases.py SOURCE_FOLDER   each function, with each number of its arguments; each width of wgmma
check_ptx_cases.py --self-test     checks this script on planted texts
"""
import pathlib
import re
import sys

WRAPPER = re.compile(r"\bENGINE_PTX [\w:]+(?: \w+)* (\w+)\(")  # not those that macros make
CALL = re.compile(r"\bptx::(\w+)(?:<[^;()]*?>)?\(")
WGMMA = re.compile(r"^ENGINE_WGMMA\((\d+),", re.MULTILINE)
WGMMA_CASES = re.compile(r"^ENGINE_WGMMA_CASES\((\d+)\)", re.MULTILINE)


def code_of(text):
    return re.sub(r"//[^\n]*", "", text)


def arguments(text, opening):
    """How many stand in the brackets that open there."""
    depth, count = 0, 0
    for i in range(opening, len(text)):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text[i], 0)
        count += depth == 1 and text[i] == ","
        if depth == 0:
            return count + 1 if text[opening + 1:i].strip() else 0
    return count


def uses(pattern, text):
    """{(name, arguments)}"""
    code = code_of(text)
    return {(found[1], arguments(code, found.end() - 1)) for found in pattern.finditer(code)}


def faults(headers, cases):
    missing = uses(WRAPPER, headers) - uses(CALL, cases)
    widths = set(WGMMA.findall(headers)) - set(WGMMA_CASES.findall(cases))
    return ([f"{name} of {count} arguments: no case calls it" for name, count in sorted(missing)]
            + [f"wgmma of width {width}: ENGINE_WGMMA_CASES lacks it" for width in sorted(widths)])


def self_test():
    headers = ("ENGINE_PTX void wait() {}\ntemplate <int kN>\nENGINE_PTX std::uint32_t add(int (&a)[2], int b) {}\n"
               "ENGINE_PTX void add(int a, int b, int c) {\n}\nENGINE_WGMMA(32, 1)\nENGINE_WGMMA(64, 2)\n")
    assert uses(WRAPPER, headers) == {("wait", 0), ("add", 2), ("add", 3)}, uses(WRAPPER, headers)
    cases = "ptx::wait();\nptx::add<4>(f(x, y), 1);\n// ptx::add(1, 2, 3)\nENGINE_WGMMA_CASES(64)\n"
    assert faults(headers, cases) == ["add of 3 arguments: no case calls it",
                                      "wgmma of width 32: ENGINE_WGMMA_CASES lacks it"], faults(headers, cases)
    assert faults(headers, cases + "ptx::add(1, 2,\n 3);\nENGINE_WGMMA_CASES(32)\n") == []


def main(given):
    if given == ["--self-test"]:
        return self_test()
    root = pathlib.Path(given[0])
    read = lambda folder, pattern: "\n".join(p.read_text() for p in sorted((root / folder).glob(pattern)))
    headers, cases = read("kernels/cuda/ptx", "*.h"), read("tests/simt/conformance", "*.cu")
    found = faults(headers, cases)
    if not uses(WRAPPER, headers):
        found.append("no wrapper was found")
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
