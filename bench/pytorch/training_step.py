#!/usr/bin/env python3
"""PyTorch's side of bench/compare.py: a training step of the same network, batch and optimizer.

For every line on standard input it runs a block of steps and prints the milliseconds of one step.
It is tuned as its best user would: channels_last, set_to_none, bf16 by autocast, fused Adam on a GPU; and of
the ways to run a step that this PyTorch has, the fastest is taken, after trying each:
  eager          as it stands
  compile        torch.compile, max-autotune (2.x); with CUDA graphs of its own on a GPU
  graph          the whole step, optimizer included, as one CUDA graph
  compile+graph  compiled without graphs of its own, then the whole step as one CUDA graph
--way NAME takes one of them. Standard error tells what was tried, what failed and why.
"""
import argparse
import sys
import time

import torch
from torch import nn


def daynight(channels):
    layers = []
    for filters in (32, 64, 128):
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(128), nn.ReLU(), nn.Linear(128, 1))


def lenet5(channels):
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.LazyLinear(120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))


class Training:
    """A network with its data and optimizer on the device; step() enqueues one training step."""

    def __init__(self, options, device):
        torch.manual_seed(1)
        self.device, self.precision = device, options.precision
        self.net = {"daynight": daynight, "lenet5": lenet5}[options.network](options.channels).to(device)
        shape = (options.batch, options.channels, options.size, options.size)
        self.images = (torch.rand(shape, device=device) * 2 - 1).to(memory_format=torch.channels_last)
        self.net(self.images)  # the lazy layer's shape
        self.net = self.net.to(memory_format=torch.channels_last)
        self.labels = torch.arange(options.batch, device=device) % 2
        self.loss_of = nn.CrossEntropyLoss()
        if options.network == "daynight":
            self.loss_of = nn.BCEWithLogitsLoss()
            self.labels = self.labels.float()[:, None]
        on_gpu = {"fused": True, "capturable": True} if device.type == "cuda" else {}
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3, **on_gpu)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            logits = self.net(self.images)
        self.loss_of(logits.float(), self.labels).backward()
        self.optimizer.step()

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def compile(self, mode):
        if not hasattr(torch, "compile"):
            raise RuntimeError(f"PyTorch {torch.__version__} has no torch.compile")
        self.net = torch.compile(self.net, mode=mode)

    def capture(self):
        """Puts the whole step into one CUDA graph, as torch.cuda.graph's documentation shows."""
        if self.device.type != "cuda":
            raise RuntimeError("CUDA graphs need a GPU")
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(5):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        self.step = graph.replay


def prepare(way, options, device):
    training = Training(options, device)
    if way == "compile":
        training.compile("max-autotune")
    if way == "compile+graph":
        training.compile("max-autotune-no-cudagraphs")
    if way.endswith("graph"):
        training.capture()
    return training


def milliseconds(training, steps):
    training.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        training.step()
    training.synchronize()
    return 1e3 * (time.perf_counter() - start) / steps


def fastest(options, device):
    ways = ["eager", "compile", "graph", "compile+graph"] if options.way == "best" else [options.way]
    best, best_time, best_way = None, float("inf"), None
    for way in ways:
        try:
            training = prepare(way, options, device)
            milliseconds(training, 3)
            took = min(milliseconds(training, options.steps) for _ in range(3))
        except Exception as error:  # whatever a compiler may raise: the next way may work
            print(f"PyTorch {way}: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        print(f"PyTorch {way}: {took:.3f} ms", file=sys.stderr)
        if took < best_time:
            best, best_time, best_way = training, took, way
    if best is None:
        sys.exit("PyTorch: no way to run the step works here")
    print(f"PyTorch {torch.__version__}: {best_way}", file=sys.stderr)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=["daynight", "lenet5"], default="daynight")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--way", default="best",
                        choices=["best", "eager", "compile", "graph", "compile+graph"])
    options = parser.parse_args()
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    # f32 means f32 on both sides.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    training = fastest(options, torch.device(options.device))
    for _ in sys.stdin:
        print(f"{milliseconds(training, options.steps):.6f}", flush=True)


if __name__ == "__main__":
    main()
