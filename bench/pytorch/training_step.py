#!/usr/bin/env python3
"""PyTorch's side of bench/compare.py: a training step of the same network, batch and optimizer.

For every line on standard input it runs a block of steps and prints the milliseconds of one step.
It is tuned as its best user would: channels_last, set_to_none, bf16 by autocast, torch.compile where the
version has it.
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=["daynight", "lenet5"], default="daynight")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    torch.manual_seed(1)
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    net = {"daynight": daynight, "lenet5": lenet5}[options.network](options.channels).to(device)
    shape = (options.batch, options.channels, options.size, options.size)
    images = (torch.rand(shape, device=device) * 2 - 1).to(memory_format=torch.channels_last)
    net(images)  # the lazy layer's shape
    net = net.to(memory_format=torch.channels_last)
    labels = torch.arange(options.batch, device=device) % 2
    if options.network == "daynight":
        loss_of = nn.BCEWithLogitsLoss()
        labels = labels.float()[:, None]
    else:
        loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    if hasattr(torch, "compile"):
        net = torch.compile(net, mode="max-autotune")

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            logits = net(images)
        loss_of(logits.float(), labels).backward()
        optimizer.step()

    def synchronize():
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):
        step()
    for _ in sys.stdin:
        synchronize()
        start = time.perf_counter()
        for _ in range(options.steps):
            step()
        synchronize()
        print(f"{1e3 * (time.perf_counter() - start) / options.steps:.6f}", flush=True)


if __name__ == "__main__":
    main()
