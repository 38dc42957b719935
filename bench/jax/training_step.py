#!/usr/bin/env python3
"""JAX's side of bench/compare.py: training steps of the same network, batch and optimizer.

For every line on standard input it runs a block of steps and prints the milliseconds of one step. A block is
one call of one jitted function: lax.scan over --steps batches that lie on the device, as a whole epoch would
run, with parameters and Adam's moments donated. Nothing but jax is needed; where it is missing this says so
and exits with 3.
"""
import argparse
import sys
import time

try:
    import jax
    import jax.numpy as jnp
    from jax import lax
except ImportError:
    print('JAX is not installed: pip install jax, or "jax[cuda12]" with a GPU', file=sys.stderr)
    sys.exit(3)


def uniform(key, shape, fan_in):
    return jax.random.uniform(key, shape, minval=-1, maxval=1) * (3 / fan_in) ** 0.5


def conv(key, kernel, inputs, outputs):
    return {"w": uniform(key, (kernel, kernel, inputs, outputs), kernel * kernel * inputs),
            "b": jnp.zeros((outputs,))}


def dense(key, inputs, outputs):
    return {"w": uniform(key, (inputs, outputs), inputs), "b": jnp.zeros((outputs,))}


def parameters_of(network, size, channels):
    keys = iter(jax.random.split(jax.random.PRNGKey(1), 8))
    if network == "daynight":
        convs = [conv(next(keys), 3, i, o) for i, o in ((channels, 32), (32, 64), (64, 128))]
        return {"convs": convs, "dense": [dense(next(keys), (size // 8) ** 2 * 128, 128),
                                          dense(next(keys), 128, 1)]}
    side = (size // 2 - 4) // 2
    return {"convs": [conv(next(keys), 5, channels, 6), conv(next(keys), 5, 6, 16)],
            "dense": [dense(next(keys), side * side * 16, 120), dense(next(keys), 120, 84),
                      dense(next(keys), 84, 10)]}


def logits_of(parameters, images, network, dtype):
    x = images.astype(dtype)
    for index, layer in enumerate(parameters["convs"]):
        padding = "VALID" if network == "lenet5" and index == 1 else "SAME"
        x = lax.conv_general_dilated(x, layer["w"].astype(dtype), (1, 1), padding,
                                     dimension_numbers=("NHWC", "HWIO", "NHWC"),
                                     precision=lax.Precision.HIGHEST if dtype == jnp.float32 else None)
        x = jax.nn.relu(x + layer["b"].astype(dtype))
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = x.reshape(x.shape[0], -1)
    for index, layer in enumerate(parameters["dense"]):
        x = jnp.dot(x, layer["w"].astype(dtype),
                    precision=lax.Precision.HIGHEST if dtype == jnp.float32 else None)
        x = x + layer["b"].astype(dtype)
        if index + 1 < len(parameters["dense"]):
            x = jax.nn.relu(x)
    return x.astype(jnp.float32)


def loss_of(parameters, images, labels, network, dtype):
    logits = logits_of(parameters, images, network, dtype)
    if network == "daynight":
        z, y = logits[:, 0], labels.astype(jnp.float32)
        return jnp.mean(jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))))
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -jnp.mean(chosen)


def adam(state, gradients):
    step = state["step"] + 1
    mean = jax.tree_util.tree_map(lambda m, g: 0.9 * m + 0.1 * g, state["mean"], gradients)
    square = jax.tree_util.tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, state["square"], gradients)
    rate = 1e-3 / (1 - 0.9 ** step)
    scale = 1 / (1 - 0.999 ** step)
    parameters = jax.tree_util.tree_map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v * scale) + 1e-8), state["parameters"], mean, square)
    return {"parameters": parameters, "mean": mean, "square": square, "step": step}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=["daynight", "lenet5"], default="daynight")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="ignored: XLA decides")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = jax.devices("gpu" if options.device.startswith("cuda") else "cpu")[0]
    dtype = jnp.bfloat16 if options.precision == "bf16" else jnp.float32

    with jax.default_device(device):
        parameters = parameters_of(options.network, options.size, options.channels)
        zeros = jax.tree_util.tree_map(jnp.zeros_like, parameters)
        state = {"parameters": parameters, "mean": zeros,
                 "square": jax.tree_util.tree_map(jnp.copy, zeros), "step": jnp.zeros(())}
        shape = (options.steps, options.batch, options.size, options.size, options.channels)
        images = jax.random.uniform(jax.random.PRNGKey(2), shape, minval=-1, maxval=1)
        labels = jnp.tile(jnp.arange(options.batch) % 2, (options.steps, 1))

        def one_step(state, batch):
            loss, gradients = jax.value_and_grad(loss_of)(state["parameters"], *batch, options.network,
                                                          dtype)
            return adam(state, gradients), loss

        epoch = jax.jit(lambda state, images, labels: lax.scan(one_step, state, (images, labels)),
                        donate_argnums=0)
        state, losses = epoch(state, images, labels)
        losses.block_until_ready()
        print(f"JAX {jax.__version__} on {device}: {options.steps} steps in one call", file=sys.stderr)
        for _ in sys.stdin:
            start = time.perf_counter()
            state, losses = epoch(state, images, labels)
            losses.block_until_ready()
            print(f"{1e3 * (time.perf_counter() - start) / options.steps:.6f}", flush=True)


if __name__ == "__main__":
    main()
