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
import json
import struct
import sys

import torch
import torch.nn.functional as F

# Convolutions of each block: what tells the networks apart.
NETWORKS = {
    "vgg16": ((2, 2, 3, 3, 3), (64, 128, 256, 512, 512)),
    "vgg19": ((2, 2, 4, 4, 4), (64, 128, 256, 512, 512)),
    "vgg_small": ((2, 2, 2, 2, 1), (32, 64, 128, 192, 192)),
}
CHECK_SIDE = 64
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if entry["dtype"] not in DTYPES:
            continue
        flat = torch.frombuffer(data, dtype=torch.uint8, count=end - begin, offset=begin).clone()
        tensors[name] = flat.view(DTYPES[entry["dtype"]]).reshape(entry["shape"]).float()
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * 4
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            file.write(tensor.contiguous().numpy().tobytes())


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
        sys.exit("convert_vgg.py: these are no weights of " + ", ".join(NETWORKS))
    return best


def check_picture():
    y, x, c = torch.meshgrid(*(torch.arange(n) for n in (CHECK_SIDE, CHECK_SIDE, 3)), indexing="ij")
    return ((37 * y + 59 * x + 83 * c + x * y) % 256).float().permute(2, 0, 1)[None]


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
        stated = json.loads(metadata["engine"])["normalization"]
        mean, deviation = stated["mean"], stated["standard_deviation"]
    else:
        mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    return [1 / (255 * d) for d in deviation], [-m / d for m, d in zip(mean, deviation)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="a .pth or .safetensors file")
    parser.add_argument("target", help="the .safetensors file to write")
    parser.add_argument("--input", choices=["torch", "caffe", "cnn"],
                        help="what the weights expect; default: torch, and cnn for our own models")
    arguments = parser.parse_args()
    metadata = {}
    if arguments.source.endswith(".safetensors"):
        tensors, metadata = read_safetensors(arguments.source)
    else:
        tensors = torch.load(arguments.source, map_location="cpu")
    kind = arguments.input or ("cnn" if "engine" in metadata else "torch")
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
    write_safetensors(arguments.target, kept, {"style_transfer": json.dumps(description)})
    print(f"{arguments.target}: {network} up to {list(means)[-1]}, {len(kept)} tensors")


if __name__ == "__main__":
    main()
