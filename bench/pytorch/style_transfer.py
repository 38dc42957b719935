#!/usr/bin/env python3
"""Our style transfer beside PyTorch's: the same objective, start, weights and Adam.

    bench/pytorch/style_transfer.py VGG19 [--size 512] [--precision f32,bf16] [--iterations 5] [--rounds 3]
    bench/pytorch/style_transfer.py VGG19 --size 256 --iterations 200 --rounds 1       the losses

VGG19 is a file made by scripts/convert_vgg.py. Each round runs our binary and then PyTorch, each in a
process of its own; printed are the median seconds of an iteration, the peak memory of the process
and the loss after the last iteration, and the ratios (below 1: we are faster, smaller, lower).
PyTorch runs at its best: channels_last, bf16 by autocast, only the picture wants a gradient.
"""
import argparse
import json
import math
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
STYLE_LAYERS = ["conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"]
CONTENT_LAYER = "conv4_2"
CONTENT_WEIGHT, STYLE_WEIGHT, VARIATION_WEIGHT = 1.0, 1e-2, 1.0
PEAK_RATE, FINAL_FACTOR = 6.0, 0.05


def write_pictures(folder, size):
    """Two pictures of waves of several lengths, as files that both sides read."""
    for name, seed in (("content", 1), ("style", 2)):
        waves = random.Random(seed)
        parts = [[(waves.uniform(-1, 1) * 2**n / size, waves.uniform(-1, 1) * 2**n / size,
                   waves.uniform(0, 6.28), 60 / (1 + n)) for n in range(2, 8)] for _ in range(3)]
        pixels = bytearray()
        for y in range(size):
            for x in range(size):
                for part in parts:
                    value = 128 + sum(high * math.sin(6.28 * (a * x + b * y) + phase)
                                      for a, b, phase, high in part)
                    pixels.append(int(min(max(value, 0), 255)))
        with open(os.path.join(folder, name + ".ppm"), "wb") as file:
            file.write(b"P6 %d %d 255\n" % (size, size) + pixels)


def read_ppm(path):
    import numpy
    import torch
    with open(path, "rb") as file:
        data = file.read()
    head, pixels = data.split(b"255\n", 1)
    _, width, height = head.split()
    flat = torch.from_numpy(numpy.frombuffer(pixels, numpy.uint8).astype(numpy.float32))
    return flat.view(1, int(height), int(width), 3).permute(0, 3, 1, 2)


def peer(options):
    """PyTorch's side: one JSON object on standard output."""
    import torch
    import torch.nn.functional as F
    sys.path.insert(0, str(HERE.parents[2] / "scripts"))
    from convert_vgg import layers_of, read_safetensors
    if options.threads:
        torch.set_num_threads(options.threads)
    tensors, metadata = read_safetensors(options.weights)
    stated = json.loads(metadata["style_transfer"])
    scale, offset = (torch.tensor(stated[key]).view(1, 3, 1, 1) for key in ("scale", "offset"))
    last = max(STYLE_LAYERS + [CONTENT_LAYER])
    layers = []
    for layer, number, _, _ in layers_of(stated["network"]):
        weight = tensors[f"features.{number}.weight"].to(memory_format=torch.channels_last)
        layers.append((layer, weight, tensors[f"features.{number}.bias"]))
        if layer == last:
            break
    del tensors

    def features(image):
        x, block, maps = image * scale + offset, "1", {}
        x = x.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            for layer, weight, bias in layers:
                if layer[4] != block:
                    block = layer[4]
                    x = F.avg_pool2d(x, 2)
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
                if layer in STYLE_LAYERS or layer == CONTENT_LAYER:
                    maps[layer] = x
        return maps

    def gram(x):
        flat = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            return (flat.t() @ flat).float() / (flat.shape[0] * flat.shape[1])

    content = read_ppm(os.path.join(options.pictures, "content.ppm"))
    style = read_ppm(os.path.join(options.pictures, "style.ppm"))
    with torch.no_grad():
        wanted = features(content)[CONTENT_LAYER].float()
        maps = features(style)
        matrices = {layer: gram(maps[layer]) for layer in STYLE_LAYERS}
        del maps
    image = content.clone().to(memory_format=torch.channels_last).requires_grad_()
    optimizer = torch.optim.Adam([image], lr=PEAK_RATE)
    pixels = image.shape[2] * image.shape[3]
    times, losses = [], []
    for iteration in range(options.iterations):
        start = time.perf_counter()
        cosine = (1 + math.cos(math.pi * iteration / options.iterations)) / 2
        optimizer.param_groups[0]["lr"] = PEAK_RATE * (FINAL_FACTOR + (1 - FINAL_FACTOR) * cosine)
        optimizer.zero_grad(set_to_none=True)
        maps = features(image)
        content_loss = (maps[CONTENT_LAYER].float() - wanted).square().mean() / 4
        style_loss = sum((gram(maps[layer]) - matrices[layer]).square().sum() / 4
                         for layer in STYLE_LAYERS) / len(STYLE_LAYERS)
        variation = ((image[:, :, 1:] - image[:, :, :-1]).square().sum() +
                     (image[:, :, :, 1:] - image[:, :, :, :-1]).square().sum()) / pixels
        loss = CONTENT_WEIGHT * content_loss + STYLE_WEIGHT * style_loss + VARIATION_WEIGHT * variation
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        times.append(time.perf_counter() - start)
    print(json.dumps({"seconds_per_iteration": statistics.median(times[1:] or times),
                      "loss": losses[-1],
                      "memory_peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


def ours(options, precision, folder):
    out = os.path.join(folder, "out.png")
    with tempfile.TemporaryDirectory() as run:
        text = subprocess.run(
            [options.binary, "run", os.path.join(folder, "content.ppm"),
             os.path.join(folder, "style.ppm"), "-o", out, "--out", os.path.join(run, "run"), "--json", "-q",
             "--weights", options.weights, "--size", str(options.size), "--scales", "1",
             "--iterations", str(options.iterations), "--preview", "1000000",
             "--precision", precision, "--threads", str(options.threads),
             "--content-weight", str(CONTENT_WEIGHT), "--style-weight", str(STYLE_WEIGHT),
             "--variation-weight", str(VARIATION_WEIGHT), "--content-layers", CONTENT_LAYER,
             "--style-layers", ",".join(STYLE_LAYERS), "--learning-rate", str(PEAK_RATE)],
            check=True, stdout=subprocess.PIPE).stdout
    return json.loads(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--precision", default="f32,bf16")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: one a core")
    parser.add_argument("--binary", default=HERE.parents[2] / "build/bin/style_transfer")
    parser.add_argument("--python", default="/usr/bin/python3", help="the one that has torch")
    parser.add_argument("--pictures", help=argparse.SUPPRESS)  # given: this is PyTorch's side
    options = parser.parse_args()
    if options.pictures:
        return peer(options)
    if not pathlib.Path(options.binary).exists():
        sys.exit(f"{options.binary} is missing: cmake --build build --target style_transfer")
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(folder, options.size)
        for precision in options.precision.split(","):
            rows = {"engine": [], "PyTorch": []}
            for _ in range(options.rounds):
                rows["engine"].append(ours(options, precision, folder))
                command = [options.python, HERE, options.weights, "--pictures", folder, "--precision",
                           precision, "--iterations", options.iterations, "--threads", options.threads]
                text = subprocess.run([str(word) for word in command], check=True,
                                      stdout=subprocess.PIPE).stdout
                rows["PyTorch"].append(json.loads(text))
            for key in ("seconds_per_iteration", "memory_peak_gib", "loss"):
                a, b = (statistics.median(row[key] for row in rows[side]) for side in rows)
                print(f"{options.size} pixels, {precision}: {key:22} engine {a:12.6g}   "
                      f"PyTorch {b:12.6g}   ratio {a / b:.4f}", flush=True)


if __name__ == "__main__":
    main()
