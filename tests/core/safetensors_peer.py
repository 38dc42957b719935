#!/usr/bin/env python3
"""A second implementation of safetensors with nothing but the standard library.

write FILE: a file for the engine to read.  check FILE: exits 0 if FILE is what the test wrote.
"""
import json
import struct
import sys


def write(path):
    parts = {
        "weights": ("F32", [2, 3], struct.pack("<6f", 1, -2, 0.5, 3, 4, -0.25)),
        "labels": ("I64", [3], struct.pack("<3q", 7, -1, 2147483647)),
        "losses": ("F64", [2], struct.pack("<2d", 0.1, -1e300)),
        "mask": ("BOOL", [4], bytes([1, 0, 0, 1])),
        "näme": ("U8", [], bytes([200])),
    }
    header = {"__metadata__": {"format": "pt", "note": "zwei\nZeilen"}}
    data = b""
    for name, (dtype, shape, content) in parts.items():
        end = len(data) + len(content)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), end]}
        data += content
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def check(path):
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    data = content[8 + length:]
    assert (8 + length) % 8 == 0, "the data is not aligned"
    assert header.pop("__metadata__") == {"engine": '{"a":"\u00e4\n"}'}

    def values(name, dtype, shape, letter):
        entry = header.pop(name)
        assert (entry["dtype"], entry["shape"]) == (dtype, shape), entry
        begin, end = entry["data_offsets"]
        assert begin % struct.calcsize(letter) == 0, "a tensor is not aligned"
        return list(struct.unpack(f"<{(end - begin) // struct.calcsize(letter)}{letter}",
                                  data[begin:end]))

    assert values("f", "F32", [2, 1], "f") == [1.5, -2.0]
    assert values("b", "BF16", [2], "H") == [0x3F80, 0xC000]
    assert values("h", "F16", [2], "e") == [1.0, -2.0]
    assert values("i", "I32", [1], "i") == [-5]
    assert values("u", "U8", [3], "B") == [1, 2, 255]
    assert values("t", "BOOL", [2], "B") == [1, 0]
    assert header == {}, header


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](sys.argv[2])
