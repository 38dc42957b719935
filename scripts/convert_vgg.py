#!/usr/bin/env python3
"""Turns a VGG network into the file that `style_transfer --weights` takes.

    scripts/convert_vgg.py vgg19-dcbb9e9d.pth vgg19.safetensors          torchvision's own file
    scripts/convert_vgg.py --input caffe in.safetensors out.safetensors  the original weights, RGB
    scripts/convert_vgg.py runs/NAME/model.safetensors encoder.safetensors  `cnn train --network vgg_small`

Keeps the convolutions ("features.N.weight" [out, in, 3, 3] and ".bias"), and adds what the input
must look like and the mean activation of each layer on a fixed picture, computed here by PyTorch, by
which style_transfer checks that the file and its own network agree. Needs python3-torch.
"""
import argparse
import hashlib
import inspect
import json
import os
import struct
import sys
import tempfile

import numpy
import torch
import torch.nn.functional as F

# Convolutions of each block: what tells the networks apart.
NETWORKS = {
    "vgg16": ((2, 2, 3, 3, 3), (64, 128, 256, 512, 512)),
    "vgg19": ((2, 2, 4, 4, 4), (64, 128, 256, 512, 512)),
    "vgg_small": ((2, 2, 2, 2, 1), (32, 64, 128, 192, 192)),
}
CHECK_SIDE = 64
DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class BadFile(Exception):
    """What is wrong with the file that was given."""


def read_safetensors(path):
    """The tensors of floating point in f32, and the metadata."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8:8 + length])
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] not in DTYPES:
                continue
            begin, end = entry["data_offsets"]
            flat = numpy.frombuffer(content[8 + length + begin:8 + length + end], DTYPES[entry["dtype"]])
            if entry["dtype"] == "BF16":  # the upper half of an f32
                flat = (flat.astype("<u4") << 16).view("<f4")
            tensors[name] = torch.from_numpy(flat.astype(numpy.float32)).reshape(entry["shape"])
        return tensors, metadata
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise BadFile(f"not a whole safetensors file: {error}") from error


def read_pth(path, is_known):
    """A state dict that torch.save wrote. PyTorch before 1.13 runs whatever code such a file holds."""
    options = {"map_location": "cpu"}
    if "weights_only" in inspect.signature(torch.load).parameters:
        options["weights_only"] = True
    elif not is_known:
        raise BadFile(f"PyTorch {torch.__version__} would run code from it; state its --sha256, or use 1.13 "
                      "or later")
    try:
        tensors = torch.load(path, **options)
    except Exception as error:  # of many types, by version and by what is wrong
        raise BadFile(f"no weights that PyTorch can read: {error}") from error
    if not isinstance(tensors, dict) or not all(isinstance(t, torch.Tensor) for t in tensors.values()):
        raise BadFile("no state dict: tensors by name are wanted")
    return tensors


def has_hash(path, wanted):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest() == wanted.lower()


def write_safetensors(path, tensors, metadata):
    """Writes beside `path`, then renames: there is the old file or all of the new one."""
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", suffix=".tmp")
    try:
        with open(descriptor, "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for tensor in tensors.values():
                file.write(tensor.contiguous().numpy().tobytes())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # as open() would have made it
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def layers_of(network):
    """(layer, number among torchvision's features, in channels, filters), in order."""
    number, channels = 0, 3
    for block, (depth, filters) in enumerate(zip(*NETWORKS[network]), 1):
        for index in range(1, depth + 1):
            yield f"conv{block}_{index}", number, channels, filters
            channels = filters
            number += 2
        number += 1


def recognize(tensors):
    def matching(network):
        count = 0
        for _, number, channels, filters in layers_of(network):
            weight = tensors.get(f"features.{number}.weight")
            if weight is None or list(weight.shape) != [filters, channels, 3, 3]:
                break
            count += 1
        return count

    best = max(NETWORKS, key=matching)
    if matching(best) == 0:
        raise BadFile("these are no weights of " + ", ".join(NETWORKS))
    return best


def check_picture():
    side = torch.arange(CHECK_SIDE)
    y, x, c = side.view(1, -1, 1), side.view(1, 1, -1), torch.arange(3).view(-1, 1, 1)
    return ((37 * y + 59 * x + 83 * c + x * y) % 256).float()[None]


def mean_activations(tensors, network, scale, offset):
    x = check_picture() * torch.tensor(scale).view(1, 3, 1, 1) + torch.tensor(offset).view(1, 3, 1, 1)
    means, block = {}, "1"
    for layer, number, _, _ in layers_of(network):
        if f"features.{number}.weight" not in tensors:
            break
        if layer[4] != block:
            block = layer[4]
            x = F.max_pool2d(x, 2)
        x = F.relu(F.conv2d(x, tensors[f"features.{number}.weight"],
                            tensors[f"features.{number}.bias"], padding=1))
        means[layer] = x.double().mean().item()
    return means


def normalization(kind, metadata):
    """Scale and offset that turn RGB 0..255 into what the network was trained on."""
    if kind == "caffe":
        return [1.0] * 3, [-123.68, -116.779, -103.939]
    if kind == "cnn":
        try:
            stated = json.loads(metadata["engine"])["normalization"]
            mean, deviation = stated["mean"], stated["standard_deviation"]
        except (KeyError, TypeError, ValueError) as error:
            raise BadFile("no normalization in its metadata: not a model of `cnn train`; what do its weights "
                          "expect, --input torch or caffe?") from error
    else:
        mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    return [1 / (255 * d) for d in deviation], [-m / d for m, d in zip(mean, deviation)]


def convert(source, target, kind, sha256):
    """Returns the network's name, its last layer and the number of tensors."""
    if sha256 and not has_hash(source, sha256):
        raise BadFile(f"its SHA-256 is not {sha256}")
    metadata = {}
    if source.endswith(".safetensors"):
        tensors, metadata = read_safetensors(source)
    else:
        tensors = read_pth(source, is_known=bool(sha256))
    kind = kind or ("cnn" if "engine" in metadata else "torch")
    tensors = {name: tensor.detach().float() for name, tensor in tensors.items()
               if name.startswith("features.")}
    if kind == "cnn":  # [out, kh, kw, in] there
        tensors = {name: tensor.permute(0, 3, 1, 2) if tensor.dim() == 4 else tensor
                   for name, tensor in tensors.items()}
    network = recognize(tensors)
    scale, offset = normalization(kind, metadata)
    kept = {}
    for _, number, _, _ in layers_of(network):
        for part in ("weight", "bias"):
            if f"features.{number}.{part}" in tensors:
                kept[f"features.{number}.{part}"] = tensors[f"features.{number}.{part}"]
    means = mean_activations(kept, network, scale, offset)
    description = {"network": network, "scale": scale, "offset": offset,
                   "check": {"side": CHECK_SIDE, "means": means}}
    write_safetensors(target, kept, {"style_transfer": json.dumps(description)})
    return network, list(means)[-1], len(kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="a .pth or .safetensors file")
    parser.add_argument("target", help="the .safetensors file to write")
    parser.add_argument("--input", choices=["torch", "caffe", "cnn"],
                        help="what the weights expect; default: torch, and cnn for our own models")
    parser.add_argument("--sha256", help="the hash that the source must have")
    arguments = parser.parse_args()
    try:
        network, layer, count = convert(arguments.source, arguments.target, arguments.input, arguments.sha256)
    except BadFile as error:
        sys.exit(f"convert_vgg.py: {arguments.source}: {error}")
    except OSError as error:
        sys.exit(f"convert_vgg.py: {error}")
    print(f"{arguments.target}: {network} up to {layer}, {count} tensors")


if __name__ == "__main__":
    main()
