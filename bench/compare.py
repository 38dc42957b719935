#!/usr/bin/env python3
"""Holds our training step against PyTorch or JAX and our prediction against ONNX Runtime, in turn.

    bench/compare.py training-step [--network daynight|lenet5] [--batch 64] [--precisions f32,bf16]
                                   [--peers pytorch,jax] [--device cpu|cuda]
    bench/compare.py prediction    [--batches 1,32] [--threads 1]

Both sides run as long-lived processes that time blocks of steps; blocks alternate, so that whatever else
the machine does hits both. Printed: the median of each side, the spread (first and third quartile), and
the ratio of the medians (below 1: we are faster). Needs a build with ENGINE_BENCH=ON in build/, and the
peer: python3-torch, jax, or `npm install --ignore-scripts` in bench/onnxruntime. A peer that is not
installed is named and left out.
"""
import argparse
import json
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


class Side:
    """One process that answers every line with the milliseconds of a step."""

    def __init__(self, name, version, command):
        self.name, self.version = name, version
        self.process = subprocess.Popen([str(word) for word in command], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.times = []

    def block(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:  # told below, with its exit code
            pass
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.name} stopped with code {self.process.wait()}")
        return float(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def quartiles(self):
        return statistics.quantiles(self.times, n=4) if len(self.times) > 1 else 3 * self.times


def alternate(ours, peer, rounds):
    for side in (ours, peer):
        side.block()  # warm-up
    for turn in range(rounds):
        for side in (ours, peer) if turn % 2 == 0 else (peer, ours):
            side.times.append(side.block())
    ours.close()
    peer.close()


def report(label, ours, peer):
    row = {"what": label, "blocks": len(ours.times)}
    for key, side in (("engine", ours), ("peer", peer)):
        low, middle, high = side.quartiles()
        row[key] = {"name": side.name, "version": side.version, "median_ms": middle, "quartiles_ms": [low, high]}
    row["ratio"] = row["engine"]["median_ms"] / row["peer"]["median_ms"]
    print(f"{label:34}  engine {row['engine']['median_ms']:9.3f} ms   {peer.name} "
          f"{row['peer']['median_ms']:9.3f} ms   ratio {row['ratio']:.3f}", flush=True)
    return row


PEERS = {"pytorch": ("PyTorch", "torch"), "jax": ("JAX", "jax")}


def words_of(*command):
    """What a program prints; None where there is no such program or it fails."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def version_of(python, module):
    return words_of(python, "-c", f"import {module}; print({module}.__version__)")


def onnxruntime_version():
    package = HERE / "onnxruntime/node_modules/onnxruntime-node/package.json"
    return json.loads(package.read_text())["version"] if package.exists() and shutil.which("node") else None


def cpu_model():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def header_of(options):
    header = {"date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "machine": cpu_model(),
              "device": options.device, "threads": options.threads, "engine": options.engine}
    gpus = words_of("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    if gpus:
        header["gpus and driver"] = gpus.replace("\n", "; ")
    return header


def training_step(options):
    for peer_name in options.peers.split(","):
        title, module = PEERS[peer_name]
        version = version_of(options.python, module)
        if version is None:
            print(f"{title}: {options.python} has no module {module}; left out", flush=True)
            continue
        for precision in options.precisions.split(","):
            size, channels = (28, 1) if options.network == "lenet5" else (64, 3)
            flags = ["--network", options.network, "--precision", precision, "--batch", options.batch,
                     "--size", size, "--channels", channels, "--threads", options.threads,
                     "--steps", options.steps, "--device", options.device]
            ours = Side("engine", options.engine, [options.block_timer, "training-step", *flags])
            peer = Side(title, version, [options.python, HERE / peer_name / "training_step.py", *flags])
            alternate(ours, peer, options.rounds)
            yield report(f"{options.network} step, batch {options.batch}, {precision}", ours, peer)


def prediction(options):
    version = onnxruntime_version()
    if version is None:
        print("ONNX Runtime: needs node and, in bench/onnxruntime, `npm install --ignore-scripts`; left out")
        return
    if version_of(options.python, "torch") is None:
        print(f"ONNX Runtime: {options.python} has no module torch, which writes its model; left out")
        return
    for batch in options.batches.split(","):
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / "model.onnx"
            subprocess.run([options.python, str(HERE / "onnxruntime/export.py"), str(model),
                            "--batch", batch], check=True, stdout=subprocess.DEVNULL)
            for precision in options.precisions.split(","):
                flags = ["--batch", batch, "--threads", options.threads or 1, "--steps", options.steps]
                ours = Side("engine", options.engine, [options.block_timer, "prediction",
                                                       "--precision", precision, *flags])
                peer = Side("ONNX Runtime f32", version, ["node", HERE / "onnxruntime/predict.mjs", model, *flags])
                alternate(ours, peer, options.rounds)
                yield report(f"daynight prediction, batch {batch}, {precision}", ours, peer)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["training-step", "prediction"])
    parser.add_argument("--network", choices=["daynight", "lenet5"], default="daynight")
    parser.add_argument("--peers", default="pytorch", help="of training-step: pytorch,jax")
    parser.add_argument("--device", default="cpu", help="of training-step: cpu or cuda")
    parser.add_argument("--batch", default="64")
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--precisions", default="f32,bf16")
    parser.add_argument("--threads", type=int, default=0, help="0: one a core; prediction: 1")
    parser.add_argument("--steps", default="5", help="steps in a block")
    parser.add_argument("--rounds", type=int, default=15, help="blocks of each side")
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build")
    parser.add_argument("--python", default="/usr/bin/python3", help="the one that has torch")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the rows")
    options = parser.parse_args()
    if set(options.peers.split(",")) - set(PEERS):
        parser.error(f"--peers {options.peers}: of pytorch, jax")
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    if options.json and not options.json.absolute().parent.is_dir():
        parser.error(f"--json {options.json}: there is no such folder")
    options.block_timer = options.build / "bench/block_timer"
    options.engine = words_of(options.block_timer, "version")
    if options.engine is None:
        sys.exit(f"{options.block_timer} is missing or does not run: cmake --build {options.build} "
                 "--target block_timer (configured with -DENGINE_BENCH=ON)")
    header = header_of(options)
    rows = list({"training-step": training_step, "prediction": prediction}[options.task](options))
    if options.json:
        text = json.dumps({"compare": 1, "task": options.task, "header": header, "rows": rows}, indent=1)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
