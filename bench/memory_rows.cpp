#include "bench/memory_rows.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <benchmark/benchmark.h>

#include "bench/engine_bench/buffers.h"
#include "bench/engine_bench/machine.h"
#include "engine/core/cpu/parallel.h"

namespace engine::bench {
namespace {

int threads = 0;  // set by run_memory_rows(), before any row runs

Device device() {
  return Device::cpu({.threads = threads});
}

void count(benchmark::State& state, const char* name, std::int64_t amount, double unit) {
  if (amount == 0) return;
  state.counters[name] = benchmark::Counter(
      static_cast<double>(amount) * unit * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}

void run_row(benchmark::State& state, const Subject& subject, std::int64_t elements) {
  const Device here = device();
  const RotatingBuffers buffers(subject, random_inputs(subject), here,
                                2 * last_level_cache_bytes(here));
  const auto kernel = subject.op->prepare({here, subject.inputs, buffers.output_types(), {}});
  const Tensor scratch = Tensor::empty({kernel->scratch_bytes()}, DType::u8, here);
  int turn = 0;
  for (auto _ : state) {
    kernel->run(here, {buffers.inputs(turn), buffers.outputs(turn), scratch.data()});
    turn = (turn + 1) % buffers.copies();
  }
  const Cost cost = subject.op->cost(subject.inputs, buffers.output_types());
  count(state, "GB/s", subject.bytes > 0 ? subject.bytes : cost.bytes, 1e-9);
  count(state, "GFLOP/s", cost.flops, 1e-9);
  count(state, "Melements/s", elements, 1e-6);
}

void run_copy(benchmark::State& state, const TensorType& type) {
  const Device here = device();
  const std::int64_t pairs = last_level_cache_bytes(here) / type.bytes() + 1;
  std::vector<Tensor> tensors;
  for (std::int64_t i = 0; i < 2 * pairs; ++i) tensors.push_back(random_tensor(type, i));
  std::int64_t turn = 0;
  for (auto _ : state) {
    const auto* from = static_cast<const char*>(tensors[2 * turn].data());
    auto* to = static_cast<char*>(tensors[2 * turn + 1].data());
    cpu::parallel_for(here, type.bytes(), 1, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to + begin, from + begin, static_cast<std::size_t>(end - begin));
    });
    turn = (turn + 1) % pairs;
  }
  count(state, "GB/s", 2 * type.bytes(), 1e-9);
}

void add_row(const std::string& name, std::function<void(benchmark::State&)> run) {
  benchmark::RegisterBenchmark(name.c_str(), std::move(run))
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace

std::vector<Fill> fills_of(const std::vector<TensorType>& inputs, Fill bytes) {
  std::vector<Fill> fills;
  for (const TensorType& type : inputs) {
    fills.push_back(type.dtype == DType::u8    ? bytes
                    : type.dtype == DType::i32 ? Fill::row
                                               : Fill::symmetric);
  }
  return fills;
}

void add_memory_row(Subject subject, std::int64_t elements) {
  const std::string name = subject.name;
  add_row(name, [subject = std::move(subject), elements](benchmark::State& state) {
    run_row(state, subject, elements);
  });
}

void add_copy_row(const std::string& name, const TensorType& type) {
  add_row(name, [type](benchmark::State& state) { run_copy(state, type); });
}

int run_memory_rows(int count, char** words) try {
  benchmark::Initialize(&count, words);
  if (count > 1 && std::strncmp(words[1], "--threads=", 10) == 0) {
    threads = std::atoi(words[1] + 10);
    words[1] = words[0];
    --count, ++words;
  }
  if (benchmark::ReportUnrecognizedArguments(count, words)) return 2;
  for (const auto& [key, value] : machine_header(device())) {
    benchmark::AddCustomContext(key, value);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}

}  // namespace engine::bench
