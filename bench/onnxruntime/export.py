#!/usr/bin/env python3
"""Writes the day/night network with random weights as ONNX: export.py FILE --batch 1 --size 64."""
import argparse
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "pytorch"))
import training_step  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    torch.manual_seed(1)
    net = training_step.daynight(3).eval()
    images = torch.rand(options.batch, 3, options.size, options.size)
    net(images)
    torch.onnx.export(net, images, options.file, input_names=["images"], output_names=["logit"])


if __name__ == "__main__":
    main()
