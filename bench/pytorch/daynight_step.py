#!/usr/bin/python3
"""PyTorch's training step of the day/night net, batch 64, Adam: the peer of step_vs_onednn.

Usage: bench/pytorch/daynight_step.py [--rounds N] [--threads N] [--cpu-time]     (needs python3-torch)

Each precision is tried in PyTorch's ways on a CPU (plain or channels_last; bf16 by autocast) and the
fastest is named. --cpu-time counts processor time, for a busy machine; only with --threads 1.
"""
import argparse
import contextlib
import statistics
import time

import torch
from torch import nn

BATCH = 64


def daynight_net():
    layers, channels = [], 3
    for filters in (32, 64, 128):
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8192, 128), nn.ReLU(), nn.Linear(128, 1))


def measure(precision, layout, rounds, clock):
    torch.manual_seed(1)
    net = daynight_net().to(memory_format=layout)
    images = (torch.rand(BATCH, 3, 64, 64) * 2 - 1).to(memory_format=layout)
    targets = torch.arange(BATCH).remainder(2).float().unsqueeze(1)
    optimizer = torch.optim.Adam(net.parameters())
    loss_of = nn.BCEWithLogitsLoss()

    def step():
        narrow = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
        optimizer.zero_grad(set_to_none=True)
        with narrow:
            logits = net(images)
        loss_of(logits.float(), targets).backward()
        optimizer.step()

    times = []
    for _ in range(rounds + 3):
        begin = clock()
        step()
        times.append(clock() - begin)
    return times[3:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--cpu-time", action="store_true")
    options = parser.parse_args()
    if options.cpu_time and options.threads != 1:
        parser.error("--cpu-time adds up the time of all threads; use it with --threads 1")
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu_time else time.perf_counter
    print(f"PyTorch {torch.__version__}, {options.threads} threads, batch {BATCH}")
    layouts = {"plain": torch.contiguous_format, "channels_last": torch.channels_last}
    for precision in ("f32", "bf16"):
        times = {k: measure(precision, v, options.rounds, clock) for k, v in layouts.items()}
        best = min(times, key=lambda name: statistics.median(times[name]))
        print(
            f"{precision}: median {statistics.median(times[best]) * 1e3:.1f} ms,"
            f" best {min(times[best]) * 1e3:.1f} ms ({best})"
        )


if __name__ == "__main__":
    main()
