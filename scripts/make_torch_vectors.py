#!/usr/bin/python3
"""Writes PyTorch's answers to tests/data/torch/<name>.safetensors, for the tests to compare with.

Usage: scripts/make_torch_vectors.py [NAME...]      (default: all; needs python3-torch)

A function decorated with @vectors returns {tensor name: tensor}; its name is the file's. Each
begins from a fixed seed, so that a second run writes the same bytes.
"""
import json
import pathlib
import struct
import sys

import torch

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "torch"
MAKERS = {}
DTYPES = {torch.float32: "F32", torch.int32: "I32", torch.uint8: "U8"}


def vectors(maker):
    MAKERS[maker.__name__] = maker
    return maker


def write_safetensors(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        blob = tensor.numpy().tobytes()
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


# --- optimizers: five steps over two parameters with given gradients ---


def optimizer_steps(make):
    """"p0", "p1" before, "g<step>.<i>" the gradients, "p<step>.<i>" after each step."""
    parameters = [torch.randn(3, 5), torch.randn(7)]
    tensors = {f"p{i}": p.clone() for i, p in enumerate(parameters)}
    parameters = [torch.nn.Parameter(p) for p in parameters]
    optimizer = make(parameters)
    for step in range(5):
        for i, parameter in enumerate(parameters):
            parameter.grad = torch.randn_like(parameter)
            tensors[f"g{step}.{i}"] = parameter.grad.clone()
        optimizer.step()
        for i, parameter in enumerate(parameters):
            tensors[f"p{step}.{i}"] = parameter.detach().clone()
    return tensors


@vectors
def sgd():
    return optimizer_steps(lambda p: torch.optim.SGD(p, lr=0.1))


@vectors
def sgd_momentum():
    return optimizer_steps(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01))


@vectors
def sgd_nesterov():
    return optimizer_steps(
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.05, nesterov=True)
    )


@vectors
def adam():
    return optimizer_steps(lambda p: torch.optim.Adam(p, lr=0.01))


@vectors
def adam_weight_decay():
    return optimizer_steps(
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)
    )


@vectors
def adamw():
    return optimizer_steps(lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1))


# --- convolutions and products: in our layouts (NHWC; weights [out, kh, kw, in / groups]) ---


def with_gradients(y, inputs):
    """"y", a gradient "dy" that flows in, the inputs, and "d<name>" of each."""
    dy = torch.randn_like(y)
    y.backward(dy)
    tensors = {"y": y, "dy": dy, **inputs}
    tensors.update({"d" + name: tensor.grad for name, tensor in inputs.items()})
    return tensors


def convolution(x_shape, w_shape, **options):
    """Shapes in PyTorch's order."""
    x = torch.randn(x_shape, requires_grad=True)
    w = torch.randn(w_shape, requires_grad=True)
    bias = torch.randn(w_shape[0], requires_grad=True)
    y = torch.nn.functional.conv2d(x, w, bias, **options)
    tensors = with_gradients(y, {"x": x, "w": w, "bias": bias})
    return {k: t.permute(0, 2, 3, 1) if t.dim() == 4 else t for k, t in tensors.items()}


@vectors
def conv2d():
    return convolution((2, 3, 7, 6), (5, 3, 3, 2), stride=(2, 1), padding=(1, 2))


@vectors
def conv2d_grouped_dilated():
    return convolution((1, 6, 9, 8), (4, 3, 3, 3), padding=2, dilation=2, groups=2)


@vectors
def linear():
    x = torch.randn(5, 7, requires_grad=True)
    w = torch.randn(4, 7, requires_grad=True)
    bias = torch.randn(4, requires_grad=True)
    return with_gradients(torch.nn.functional.linear(x, w, bias), {"x": x, "w": w, "bias": bias})


# --- losses and batch normalisation ---


@vectors
def losses():
    logits = (3 * torch.randn(6, 5)).requires_grad_()
    labels = torch.tensor([0, 4, 2, 2, 1, 3])
    z = (3 * torch.randn(4, 3)).requires_grad_()
    targets = torch.rand(4, 3)
    cross = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    binary = torch.nn.functional.binary_cross_entropy_with_logits(z, targets, reduction="none")
    cross.mean().backward()
    binary.mean().backward()
    return {
        "logits": logits,
        "labels": labels.int(),
        "z": z,
        "targets": targets,
        "cross_entropy": cross,
        "dlogits": logits.grad,
        "binary_cross_entropy": binary,
        "dz": z.grad,
        "softmax": logits.softmax(1),
    }


@vectors
def batch_norm():
    x = (2 * torch.randn(3, 5, 4, 2) + 1).requires_grad_()
    scale, shift = torch.rand(5, requires_grad=True), torch.randn(5, requires_grad=True)
    running_mean, running_var = torch.randn(5), torch.rand(5) + 0.5
    dy = torch.randn(3, 5, 4, 2)
    batch_norm = torch.nn.functional.batch_norm
    y = batch_norm(x, None, None, scale, shift, training=True, eps=1e-3)
    y.backward(dy)
    tensors = {
        "x": channels_last(x),
        "scale": scale,
        "shift": shift,
        "dy": channels_last(dy),
        "y": channels_last(y),
        "dx": channels_last(x.grad),
        "dscale": scale.grad.clone(),
        "dshift": shift.grad.clone(),
        "running_mean": running_mean,
        "running_var": running_var,
    }
    x.grad = scale.grad = shift.grad = None
    y = batch_norm(x, running_mean, running_var, scale, shift, training=False, eps=1e-3)
    y.backward(dy)
    tensors["inference.y"] = channels_last(y)
    tensors["inference.dx"] = channels_last(x.grad)
    tensors["inference.dscale"] = scale.grad
    tensors["inference.dshift"] = shift.grad
    return tensors


# --- layouts: images channels-last, weights as PyTorch has them ---


def channels_last(images):
    return images.permute(0, 2, 3, 1)


@vectors
def import_torch():
    x = torch.randn(2, 4, 5, 6)
    conv = torch.nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding=(1, 0), groups=2, bias=False)
    transposed = torch.nn.ConvTranspose2d(4, 6, (3, 2), stride=2, groups=2, bias=False)
    linear = torch.nn.Linear(4 * 5 * 6, 3, bias=False)
    return {
        "x": channels_last(x),
        "conv.weight": conv.weight,
        "conv.y": channels_last(conv(x)),
        "transposed.weight": transposed.weight,
        "transposed.y": channels_last(transposed(x)),
        "linear.weight": linear.weight,
        "linear.y": linear(x.flatten(1)),
    }


@vectors
def predict():
    """A net as torch.save(net.state_dict()) names it, and its answers (tests/consumer)."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(6 * 4 * 4, 5))
    pictures = torch.rand(2, 3, 8, 8)
    return {"pictures": channels_last(pictures), "answers": net(pictures), **net.state_dict()}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or MAKERS:
        torch.manual_seed(1)
        write_safetensors(FOLDER / f"{name}.safetensors", MAKERS[name]())


if __name__ == "__main__":
    main()
