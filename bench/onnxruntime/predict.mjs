// ONNX Runtime's side of bench/compare.py: node predict.mjs MODEL --batch 1 --size 64 --threads 1 --steps 5.
// For every line on standard input it runs a block of predictions and prints the milliseconds of one.
import { createInterface } from "node:readline";
import ort from "onnxruntime-node";

const [model, ...rest] = process.argv.slice(2);
const options = { "--batch": 1, "--size": 64, "--channels": 3, "--threads": 1, "--steps": 5 };
for (let i = 0; i + 1 < rest.length; i += 2) options[rest[i]] = Number(rest[i + 1]);

const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: options["--threads"],
  interOpNumThreads: 1,
  graphOptimizationLevel: "all",
});
const shape = [options["--batch"], options["--channels"], options["--size"], options["--size"]];
const pixels = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 2 * Math.random() - 1);
const feeds = { images: new ort.Tensor("float32", pixels, shape) };
for (let i = 0; i < 3; ++i) await session.run(feeds);

for await (const line of createInterface({ input: process.stdin })) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < options["--steps"]; ++i) await session.run(feeds);
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  process.stdout.write(`${(milliseconds / options["--steps"]).toFixed(6)}\n`);
}
