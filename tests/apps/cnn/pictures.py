"""Pictures and model files for the tests of the cnn binary, with nothing but the standard library."""
import json
import os
import struct
import zlib


def png(width, height, pixel):
    """A colour PNG; pixel(x, y) gives (r, g, b)."""
    rows = b"".join(
        b"\0" + b"".join(bytes(pixel(x, y)) for x in range(width)) for y in range(height))
    return png_of(width, height, zlib.compress(rows))


def png_of(width, height, compressed):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", compressed) +
            chunk(b"IEND", b""))


def bright(seed):
    return png(16, 16, lambda x, y: (200, 210, (x * 13 + y * 7 + seed * 31) % 55 + 200))


def dark(seed):
    return png(16, 16, lambda x, y: (20, 10, (x * 11 + y * 5 + seed * 17) % 55))


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def two_classes(folder, count=12, names=("bright", "dark")):
    for number in range(count):
        write(os.path.join(folder, names[0], f"{number}.png"), bright(number))
        write(os.path.join(folder, names[1], f"{number}.png"), dark(number))
    return folder


def read_model(path):
    """The header of a safetensors file as a dictionary, and its data."""
    with open(path, "rb") as file:
        content = file.read()
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:8 + length]), content[8 + length:]


def write_model(path, header, data):
    text = json.dumps(header).encode()
    write(path, struct.pack("<Q", len(text)) + text + data)
