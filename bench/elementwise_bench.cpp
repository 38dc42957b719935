// What moves memory, in GB/s beside a plain copy in the same run: every tensor counted once, read
// or written. Shape of the day/night net's first layer: 64 pictures of 64x64x32.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/core/autodiff.h"
#include "engine/core/cpu/parallel.h"
#include "engine/core/device.h"
#include "engine/kernels/batch_norm.h"
#include "engine/kernels/binary.h"
#include "engine/kernels/pool2d.h"
#include "engine/kernels/reduce.h"
#include "engine/kernels/unary.h"

namespace {

using namespace engine;

const Shape kImages{64, 64, 64, 32}, kPooled{64, 32, 32, 32}, kChannels{32};

// Buffers rotate, so that the caches of this size of machine hold none of them.
constexpr std::int64_t kRotation = 3;

int threads = 0;  // 0: one per core; --threads=1 and CPU time is what a busy machine can measure

Tensor random_tensor(const TensorType& type) {
  Tensor tensor = Tensor::empty(type.shape, type.dtype, Device::cpu());
  std::uint32_t state = 1;
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    state = state * 1664525u + 1013904223u;
    const float value = static_cast<float>(state >> 8) * 0x1p-23f - 1;
    if (type.dtype == DType::f32) static_cast<float*>(tensor.data())[i] = value;
    if (type.dtype == DType::bf16) static_cast<BFloat16*>(tensor.data())[i] = BFloat16(value);
    if (type.dtype == DType::u8) static_cast<std::uint8_t*>(tensor.data())[i] = state >> 30;
  }
  return tensor;
}

void report(benchmark::State& state, std::int64_t bytes) {
  state.counters["GB/s"] = benchmark::Counter(
      static_cast<double>(bytes) * 1e-9 * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}

void run_op(benchmark::State& state, const Op& op, const std::vector<TensorType>& inputs) {
  const Device device = Device::cpu({.threads = threads});
  const std::vector<TensorType> outputs = op.infer(inputs);
  const auto kernel = op.prepare({device, inputs, outputs, {}});
  const Tensor scratch = Tensor::empty({kernel->scratch_bytes()}, DType::u8, device);
  std::vector<Tensor> tensors;
  std::vector<std::vector<const void*>> in(kRotation);
  std::vector<std::vector<void*>> out(kRotation);
  for (std::int64_t turn = 0; turn < kRotation; ++turn) {
    for (const TensorType& type : inputs) {
      in[turn].push_back(tensors.emplace_back(random_tensor(type)).data());
    }
    for (const TensorType& type : outputs) {
      out[turn].push_back(tensors.emplace_back(random_tensor(type)).data());
    }
  }
  std::int64_t turn = 0;
  for (auto _ : state) {
    kernel->run(device, {in[turn], out[turn], scratch.data()});
    turn = (turn + 1) % kRotation;
  }
  report(state, op.cost(inputs, outputs).bytes);
}

void run_copy(benchmark::State& state, const TensorType& type) {
  const Device device = Device::cpu({.threads = threads});
  std::vector<Tensor> tensors;
  for (std::int64_t i = 0; i < 2 * kRotation; ++i) tensors.push_back(random_tensor(type));
  std::int64_t turn = 0;
  for (auto _ : state) {
    const auto* from = static_cast<const char*>(tensors[2 * turn].data());
    auto* to = static_cast<char*>(tensors[2 * turn + 1].data());
    cpu::parallel_for(device, type.bytes(), 1, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
    });
    turn = (turn + 1) % kRotation;
  }
  report(state, 2 * type.bytes());
}

void add_rows(DType dtype) {
  const TensorType image{kImages, dtype}, pooled{kPooled, dtype}, argmax{kPooled, DType::u8};
  const TensorType channels{kChannels, DType::f32};
  const auto add = [&](const std::string& name, std::shared_ptr<const Op> op,
                       std::vector<TensorType> inputs) {
    benchmark::RegisterBenchmark(join(name, '/', dtype).c_str(),
                                 [=](benchmark::State& state) { run_op(state, *op, inputs); })
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
  };
  benchmark::RegisterBenchmark(join("copy/", dtype).c_str(),
                               [=](benchmark::State& state) { run_copy(state, image); })
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
  add("relu", std::make_shared<UnaryOp>(UnaryMember::relu), {image});
  add("sigmoid", std::make_shared<UnaryOp>(UnaryMember::sigmoid), {image});
  add("relu_backward", std::make_shared<UnaryBackwardOp>(UnaryMember::relu), {image, image});
  add("add", std::make_shared<BinaryOp>(BinaryMember::add), {image, image});
  add("add_bias", std::make_shared<BinaryOp>(BinaryMember::add, Repeat::b), {image, channels});
  add("sum_to_channels", std::make_shared<ReduceOp>(ReduceMember::sum, AxisRange{0, 3}), {image});
  add("sum_of_rows", std::make_shared<ReduceOp>(ReduceMember::sum, AxisRange{1, 4}), {image});
  const Pool2dOptions two{.window = 2, .stride = 2}, three{.window = 3, .stride = 2, .padding = 1};
  add("max_pool2d", std::make_shared<MaxPool2dOp>(two), {image});
  add("max_pool2d_relu",
      std::make_shared<MaxPool2dOp>(two, MaxPool2dOp::Extras{.activation = Activation::relu}),
      {image});
  add("max_pool2d_backward", std::make_shared<MaxPool2dBackwardOp>(two, kImages), {pooled, argmax});
  add("max_pool2d_backward_sum", std::make_shared<MaxPool2dBackwardSumOp>(), {pooled, argmax});
  Graph graph;  // makes the ops that have no public class
  Value x = graph.input("x", kImages, dtype), c = graph.input("c", kChannels);
  const BatchNormResult norm = batch_norm_training(x, c, c, 1e-5f);
  const Value dx = gradients(sum(norm.y), std::vector<Value>{x})[0];
  add("batch_norm_training", norm.y.node().op, {image, channels, channels});
  add("batch_norm_backward", dx.node().op, {image, image, channels, channels, channels});
  add("max_pool2d_3x3", std::make_shared<MaxPool2dOp>(three), {image});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strncmp(argv[1], "--threads=", 10) == 0) threads = std::atoi(argv[1] + 10);
  add_rows(DType::f32);
  add_rows(DType::bf16);
  benchmark::Initialize(&argc, argv);
  benchmark::AddCustomContext("device", describe(Device::cpu()));
  benchmark::RunSpecifiedBenchmarks();
}
