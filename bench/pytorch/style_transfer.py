#!/usr/bin/env python3
"""Our style transfer beside PyTorch's: the same objective, start, weights and Adam.

    bench/pytorch/style_transfer.py VGG19 [--size 512] [--precision f32,bf16] [--iterations 5] [--rounds 3]
    bench/pytorch/style_transfer.py VGG19 --size 256 --iterations 200 --rounds 1       the losses

VGG19 is a file made by scripts/convert_vgg.py. Each round runs our binary and then PyTorch, each in a
process of its own; printed are the median seconds of an iteration, the peak memory of the process
and the loss after the last iteration, and the ratios (below 1: we are faster, smaller, lower).
PyTorch runs at its best: channels_last, bf16 by autocast, only the picture wants a gradient; with --device cuda
eagerly, compiled (max-autotune), as one CUDA graph, or both, whichever is the fastest in a trial.
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


class Painting:
    """PyTorch's side: a picture, the loss that step() lowers, and Adam; everything on one device."""

    def __init__(self, options, device):
        import torch
        sys.path.insert(0, str(HERE.parents[2] / "scripts"))
        from convert_vgg import layers_of, read_safetensors
        self.device, self.precision = device, options.precision
        tensors, metadata = read_safetensors(options.weights)
        stated = json.loads(metadata["style_transfer"])
        self.scale, self.offset = (torch.tensor(stated[key]).view(1, 3, 1, 1).to(device)
                                   for key in ("scale", "offset"))
        last = max(STYLE_LAYERS + [CONTENT_LAYER])
        self.layers = []
        for layer, number, _, _ in layers_of(stated["network"]):
            weight = tensors[f"features.{number}.weight"].to(device, memory_format=torch.channels_last)
            self.layers.append((layer, weight, tensors[f"features.{number}.bias"].to(device)))
            if layer == last:
                break
        del tensors
        self.content = read_ppm(os.path.join(options.pictures, "content.ppm")).to(device)
        style = read_ppm(os.path.join(options.pictures, "style.ppm")).to(device)
        with torch.no_grad():
            self.wanted = self.features(self.content)[CONTENT_LAYER].float()
            maps = self.features(style)
            self.matrices = {layer: self.gram(maps[layer]) for layer in STYLE_LAYERS}
        self.image = self.content.clone().to(memory_format=torch.channels_last).requires_grad_()
        # In a CUDA graph the rate has to be a tensor.
        on_gpu = {"fused": True, "capturable": True} if device.type == "cuda" else {}
        self.rate = torch.tensor(PEAK_RATE, device=device) if on_gpu else PEAK_RATE
        self.optimizer = torch.optim.Adam([self.image], lr=self.rate, **on_gpu)
        self.loss = self.loss_of
        self.run = self.step

    def autocast(self):
        import torch
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def features(self, image):
        import torch
        import torch.nn.functional as F
        x, block, maps = image * self.scale + self.offset, "1", {}
        x = x.to(memory_format=torch.channels_last)
        with self.autocast():
            for layer, weight, bias in self.layers:
                if layer[4] != block:
                    block = layer[4]
                    x = F.avg_pool2d(x, 2)
                x = F.relu(F.conv2d(x, weight, bias, padding=1))
                if layer in STYLE_LAYERS or layer == CONTENT_LAYER:
                    maps[layer] = x
        return maps

    def gram(self, x):
        flat = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
        with self.autocast():
            return (flat.t() @ flat).float() / (flat.shape[0] * flat.shape[1])

    def loss_of(self, image):
        maps = self.features(image)
        content_loss = (maps[CONTENT_LAYER].float() - self.wanted).square().mean() / 4
        style_loss = sum((self.gram(maps[layer]) - self.matrices[layer]).square().sum() / 4
                         for layer in STYLE_LAYERS) / len(STYLE_LAYERS)
        variation = ((image[:, :, 1:] - image[:, :, :-1]).square().sum() +
                     (image[:, :, :, 1:] - image[:, :, :, :-1]).square().sum()) / (image.shape[2] * image.shape[3])
        return CONTENT_WEIGHT * content_loss + STYLE_WEIGHT * style_loss + VARIATION_WEIGHT * variation

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.image)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def set_rate(self, rate):
        if self.device.type == "cuda":
            self.rate.fill_(rate)
        else:
            self.optimizer.param_groups[0]["lr"] = rate

    def compile(self, mode):
        import torch
        if not hasattr(torch, "compile"):
            raise RuntimeError(f"PyTorch {torch.__version__} has no torch.compile")
        self.loss = torch.compile(self.loss_of, mode=mode)

    def capture(self):
        """Puts the whole step into one CUDA graph, as torch.cuda.graph's documentation shows."""
        import torch
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.step()

        def replay():
            graph.replay()
            return loss.clone()  # the next replay writes there

        self.run = replay

    def begin_anew(self):
        import torch
        with torch.no_grad():
            self.image.copy_(self.content)
            for state in self.optimizer.state.values():
                for value in state.values():
                    value.zero_()

    def paint(self, iterations):
        """The losses, and the seconds of an iteration: the median, or on a GPU, which is not stopped, the mean."""
        import torch
        times, losses = [], []
        begin = time.perf_counter()
        for iteration in range(iterations):
            start = time.perf_counter()
            cosine = (1 + math.cos(math.pi * iteration / iterations)) / 2
            self.set_rate(PEAK_RATE * (FINAL_FACTOR + (1 - FINAL_FACTOR) * cosine))
            losses.append(self.run())
            times.append(time.perf_counter() - start)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            return losses, (time.perf_counter() - begin) / iterations
        return losses, statistics.median(times[1:] or times)


WAYS = ["eager", "compile", "graph", "compile+graph"]


def fastest(options, device):
    """A Painting that runs its step in the fastest of the ways that this PyTorch has; on the CPU as it stands."""
    if device.type == "cpu":
        return Painting(options, device)
    best, least = None, math.inf
    for way in WAYS:
        try:
            painting = Painting(options, device)
            if way.startswith("compile"):
                painting.compile("max-autotune" if way == "compile" else "max-autotune-no-cudagraphs")
            if way.endswith("graph"):
                painting.capture()
            painting.paint(3)
            _, seconds = painting.paint(10)
        except Exception as error:  # whatever a compiler may raise: the next way may work
            print(f"PyTorch {way}: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        print(f"PyTorch {way}: {1e3 * seconds:.3f} ms", file=sys.stderr)
        if seconds < least:
            best, least = painting, seconds
    if best is None:
        sys.exit("PyTorch: no way to run the step works here")
    best.begin_anew()
    return best


def peer(options):
    """PyTorch's side: one JSON object on standard output."""
    import torch
    if options.threads:
        torch.set_num_threads(options.threads)
    # f32 means f32 on both sides.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    losses, seconds = fastest(options, torch.device(options.device)).paint(options.iterations)
    print(json.dumps({"seconds_per_iteration": seconds, "loss": losses[-1].item(),
                      "memory_peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


def ours(options, precision, folder):
    out = os.path.join(folder, "out.png")
    with tempfile.TemporaryDirectory() as run:
        text = subprocess.run(
            [options.binary, "run", os.path.join(folder, "content.ppm"),
             os.path.join(folder, "style.ppm"), "-o", out, "--out", os.path.join(run, "run"), "--json", "-q",
             "--weights", options.weights, "--size", str(options.size), "--scales", "1",
             "--iterations", str(options.iterations), "--preview", "1000000",
             "--precision", precision, "--threads", str(options.threads), "--device", options.device,
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
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
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
                           precision, "--iterations", options.iterations, "--threads", options.threads,
                           "--device", options.device]
                text = subprocess.run([str(word) for word in command], check=True,
                                      stdout=subprocess.PIPE).stdout
                rows["PyTorch"].append(json.loads(text))
            # Of the host alone where the work is on a GPU.
            memory = ["memory_peak_gib"] if options.device == "cpu" else []
            for key in ["seconds_per_iteration", *memory, "loss"]:
                a, b = (statistics.median(row[key] for row in rows[side]) for side in rows)
                print(f"{options.size} pixels, {precision}: {key:22} engine {a:12.6g}   "
                      f"PyTorch {b:12.6g}   ratio {a / b:.4f}", flush=True)


if __name__ == "__main__":
    main()
