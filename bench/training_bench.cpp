// What a training step does besides its net: the fused update, dropout, augmentation and gather, in
// GB/s beside a plain copy in the same run (every tensor counted once, read or written; the update
// runs in place, as it does in an executable) and in elements. On a busy machine: --threads=1, and
// the column of CPU time.
#include <cstdlib>
#include <cstring>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/core/cpu/parallel.h"
#include "engine/core/device.h"
#include "engine/kernels/gather_rows.h"
#include "engine/kernels/image.h"
#include "engine/kernels/optimizer_update.h"
#include "engine/kernels/random.h"

namespace {

using namespace engine;

int threads = 0;  // 0: one per core; set by --threads=1

// Parameters of the day/night net, and enough more of them to fill no cache.
const std::vector<Shape> kSmallNet = {{32, 3, 3, 3},   {32},  {64, 3, 3, 32}, {64},
                                      {128, 3, 3, 64}, {128}, {128, 8192},    {128},
                                      {1, 128},        {1}};
const std::vector<Shape> kManyParameters = {{4096, 4096}, {4096}};

Tensor numbers(const TensorType& type) {
  Tensor tensor = Tensor::empty(type.shape, type.dtype, Device::cpu());
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    state = state * 1664525u + 1013904223u;
    const float unit = static_cast<float>(state >> 8) * 0x1p-24f;  // slots may not be negative
    if (type.dtype == DType::f32) static_cast<float*>(tensor.data())[i] = unit;
    if (type.dtype == DType::bf16) static_cast<BFloat16*>(tensor.data())[i] = BFloat16(unit);
    if (type.dtype == DType::u8) static_cast<std::uint8_t*>(tensor.data())[i] = state >> 24;
    if (type.dtype == DType::i32) static_cast<std::int32_t*>(tensor.data())[i] = state >> 20;
  }
  return tensor;
}

void report(benchmark::State& state, std::int64_t bytes, std::int64_t elements) {
  const auto runs = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(static_cast<double>(bytes) * 1e-9 * runs, benchmark::Counter::kIsRate);
  state.counters["Melements/s"] =
      benchmark::Counter(static_cast<double>(elements) * 1e-6 * runs, benchmark::Counter::kIsRate);
}

// Runs the node that `make` adds, in place wherever its op allows. `bytes` 0: what the op says.
void run_node(benchmark::State& state, Value (*make)(Graph&), std::int64_t bytes_an_element) {
  const Device device = Device::cpu({.threads = threads});
  Graph graph;
  const Node& node = make(graph).node();
  std::vector<TensorType> inputs;
  std::vector<Tensor> tensors;
  std::vector<const void*> in;
  std::vector<void*> out(node.outputs.size());
  for (const Value& input : node.inputs) {
    inputs.push_back(input.type());
    in.push_back(tensors.emplace_back(numbers(input.type())).data());
  }
  for (const InPlacePair& pair : node.op->in_place()) {
    out[pair.output] = tensors[static_cast<std::size_t>(pair.input)].data();
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == nullptr) out[i] = tensors.emplace_back(numbers(node.outputs[i])).data();
  }
  const auto kernel = node.op->prepare({device, inputs, node.outputs, {}});
  const Tensor scratch = Tensor::empty({kernel->scratch_bytes()}, DType::u8, device);
  for (auto _ : state) kernel->run(device, {in, out, scratch.data()});

  std::int64_t elements = 0;
  for (const TensorType& type : node.outputs) {
    elements = std::max(elements, type.shape.elements());
  }
  std::int64_t bytes = node.op->cost(inputs, node.outputs).bytes;
  if (bytes_an_element != 0) {
    elements = 0;
    for (const Shape& shape : inputs.size() > 20 ? kSmallNet : kManyParameters) {
      elements += shape.elements();
    }
    bytes = elements * bytes_an_element;
  }
  report(state, bytes, elements);
}

std::vector<Value> values(Graph& graph, const char* name, const std::vector<Shape>& shapes) {
  std::vector<Value> result;
  for (const Shape& shape : shapes) {
    result.push_back(graph.input(join(name, result.size()), shape));
  }
  return result;
}

UpdateInputs update_inputs(Graph& graph, const std::vector<Shape>& shapes) {
  return {.learning_rate = graph.constant(1e-3f),
          .gradient_scale = graph.constant(1.0f),
          .clock = graph.clock(),
          .parameters = values(graph, "p", shapes),
          .gradients = values(graph, "g", shapes)};
}

Value adam(Graph& graph, const std::vector<Shape>& shapes) {
  const auto m = values(graph, "m", shapes), v = values(graph, "v", shapes);
  return adam_update(update_inputs(graph, shapes), m, v, {}).parameters[0];
}

Value images(Graph& graph) {
  return graph.input("images", {64, 64, 64, 3}, DType::u8);
}

void copy(benchmark::State& state) {
  const Device device = Device::cpu({.threads = threads});
  const TensorType type{{64 << 20}, DType::u8};
  const Tensor from = numbers(type), to = numbers(type);
  for (auto _ : state) {
    cpu::parallel_for(device, type.bytes(), 1, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(static_cast<char*>(to.data()) + begin, static_cast<char*>(from.data()) + begin,
                  static_cast<std::size_t>(end - begin));
    });
  }
  report(state, 2 * type.bytes(), type.bytes());
}

void add(const char* name, Value (*make)(Graph&), std::int64_t bytes_an_element = 0) {
  benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
    run_node(state, make, bytes_an_element);
  })->UseRealTime();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strncmp(argv[1], "--threads=", 10) == 0) threads = std::atoi(argv[1] + 10);
  benchmark::RegisterBenchmark("copy/128_MiB", copy)->UseRealTime();
  add(
      "adam_update/day_night_net", [](Graph& g) { return adam(g, kSmallNet); }, 28);
  add(
      "adam_update/17_million", [](Graph& g) { return adam(g, kManyParameters); }, 28);
  add(
      "sgd_update/momentum_17_million",
      [](Graph& g) {
        const auto v = values(g, "v", kManyParameters);
        return sgd_update(update_inputs(g, kManyParameters), v, {.momentum = 0.9}).parameters[0];
      },
      20);
  add(
      "squared_norm/17_million",
      [](Graph& g) { return squared_norm(values(g, "g", kManyParameters)); }, 4);
  add("random_uniform", [](Graph& g) { return random_uniform(g, "u", {1 << 20}); });
  add("random_normal", [](Graph& g) { return random_normal(g, "n", {1 << 20}); });
  add("dropout/f32", [](Graph& g) { return dropout(g.input("x", {1 << 20}), "d", 0.5f); });
  add("dropout/bf16",
      [](Graph& g) { return dropout(g.input("x", {1 << 20}, DType::bf16), "d", 0.5f); });
  add("shuffled_rows", [](Graph& g) { return shuffled_rows(g, "s", 60000, 64); });
  add("gather_rows/images", [](Graph& g) {
    return gather_rows(g.input("table", {4096, 64, 64, 3}, DType::u8),
                       g.input("rows", {64}, DType::i32));
  });
  add("normalize_images/f32", [](Graph& g) {
    return normalize_images(images(g), {.mean = {0.5f}, .standard_deviation = {0.25f}});
  });
  add("normalize_images/bf16", [](Graph& g) {
    return normalize_images(images(g), {.mean = {0.5f}, .standard_deviation = {0.25f}},
                            DType::bf16);
  });
  add("random_geometry/shift_and_flip",
      [](Graph& g) { return random_geometry(images(g), "a", {.shift = 4, .flip = true}); });
  add("random_geometry/rotation_and_scale", [](Graph& g) {
    return random_geometry(images(g), "a", {.rotation_degrees = 15, .scale = 0.1f});
  });
  add("random_geometry/elastic", [](Graph& g) {
    return random_geometry(images(g), "a", {.rotation_degrees = 15, .elastic = 2});
  });
  benchmark::Initialize(&argc, argv);
  benchmark::AddCustomContext("device", describe(Device::cpu()));
  benchmark::RunSpecifiedBenchmarks();
}
