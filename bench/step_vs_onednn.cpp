// The training step of the day/night net against the sum of the best direct oneDNN times of its
// convolutions and products. Both run in turn in this process.
//   step_vs_onednn [--precision f32|bf16] [--rounds N] [--threads N] [--cpu-time] [--profile]
// --cpu-time counts processor time, for a machine that others use too; only with --threads 1.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iostream>

#include <omp.h>

#include "bench/onednn_direct.h"
#include "engine/core/cpu_info.h"
#include "engine/engine.h"
#include "engine/kernels/cpu/onednn.h"

using namespace engine;
using namespace engine::bench;

namespace {

constexpr std::int64_t kBatch = 64;

struct Options {
  std::vector<Precision> precisions = {Precision::f32, Precision::bf16};
  int rounds = 15;
  int threads = 0;
  Clock clock = Clock::wall;
  bool profile = false;
};

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const bool is_flag = word == "--profile" || word == "--cpu-time";
    ENGINE_CHECK(is_flag || i + 1 < count, word, " needs a value");
    if (word == "--profile") {
      options.profile = true;
    } else if (word == "--cpu-time") {
      options.clock = Clock::processor;
    } else if (word == "--precision") {
      const std::string_view value = words[++i];
      ENGINE_CHECK(value == "f32" || value == "bf16", "--precision ", value,
                   ": of f32, bf16, which the direct calls run in too");
      options.precisions = {parse_precision(value)};
    } else if (word == "--rounds") {
      options.rounds = std::max(1, std::atoi(words[++i]));
    } else if (word == "--threads") {
      options.threads = std::atoi(words[++i]);
    } else {
      ENGINE_CHECK(false, "unknown option ", word);
    }
  }
  ENGINE_CHECK(options.clock == Clock::wall || options.threads == 1,
               "--cpu-time adds up the time of all threads; use it with --threads 1");
  return options;
}

Value daynight_net(Scope net, Value images) {
  Value x = images;
  for (int filters : {32, 64, 128}) {
    x = relu(conv2d(net / filters, x, {.filters = filters, .kernel = 3, .padding = 1}));
    x = max_pool2d(x, {.window = 2});
  }
  x = relu(linear(net / "hidden", flatten(x), {.units = 128}));
  return linear(net / "logit", x, {.units = 1});
}

Graph training_step() {
  Graph graph;
  Scope net(graph);
  const Value images = graph.input("images", {kBatch, 64, 64, 3});
  const Value targets = graph.input("targets", {kBatch, 1});
  minimize(net, mean(binary_cross_entropy_with_logits(daynight_net(net, images), targets)), Adam{});
  return graph;
}

// Every convolution and product of one step. The first layer needs no gradient of its images.
std::vector<DirectCall> direct_calls(DType dtype) {
  constexpr Pass kPasses[] = {Pass::forward, Pass::backward_data, Pass::backward_weights};
  std::vector<DirectCall> calls;
  std::int64_t extent = 64, channels = 3;
  for (const std::int64_t filters : {32, 64, 128}) {
    const Conv2dProblem problem = conv2d_problem("bench", {kBatch, extent, extent, channels},
                                                 {filters, 3, 3, channels}, {.padding = 1});
    for (const Pass pass : kPasses) {
      if (channels == 3 && pass == Pass::backward_data) continue;
      calls.push_back(direct_conv2d(problem, pass, dtype));
    }
    extent /= 2;
    channels = filters;
  }
  for (const Pass pass : kPasses) calls.push_back(direct_linear(kBatch, 8192, 128, pass, dtype));
  for (const Pass pass : kPasses) calls.push_back(direct_linear(kBatch, 128, 1, pass, dtype));
  return calls;
}

void print_profile(Executable& step) {
  std::vector<Executable::NodeTime> times = step.profile(20);
  std::sort(times.begin(), times.end(),
            [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  std::printf("\n%9s %8s %8s  node\n", "ms", "GFLOP/s", "GB/s");
  for (const auto& time : times) {
    std::printf("%9.3f %8.0f %8.1f  %s (%s) %s\n", time.seconds * 1e3,
                static_cast<double>(time.cost.flops) / time.seconds * 1e-9,
                static_cast<double>(time.cost.bytes) / time.seconds * 1e-9, time.name.c_str(),
                time.op.c_str(), time.kernel.c_str());
  }
}

void compare(Precision precision, const Options& options) {
  const Device device = Device::cpu({.threads = options.threads});
  omp_set_num_threads(device.threads());
  const DType dtype = precision == Precision::bf16 ? DType::bf16 : DType::f32;
  const std::vector<DirectCall> calls = direct_calls(dtype);

  Store store(device);
  Executable step = compile(training_step(), store, {.precision = precision});
  std::vector<float> images(kBatch * 64 * 64 * 3), targets(kBatch);
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i] = static_cast<float>(i * 2654435761u % 2001) / 1000.0f - 1;
  }
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<float>(i % 2);
  step.set_input("images", Tensor::from(images, {kBatch, 64, 64, 3}));
  step.set_input("targets", Tensor::from(targets, {kBatch, 1}));
  step.run(3);

  std::vector<std::vector<double>> direct(calls.size());
  std::vector<double> ours, sums;
  for (int round = 0; round < options.rounds; ++round) {
    double sum = 0;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      direct[i].push_back(seconds_of(calls[i].run, options.clock));
      sum += direct[i].back();
    }
    sums.push_back(sum);
    ours.push_back(seconds_of([&] { step.run(); }, options.clock));
  }

  std::printf("\n%s, batch %lld, %d rounds\n%9s %9s %8s  direct oneDNN call\n",
              std::string(name_of(precision)).c_str(), static_cast<long long>(kBatch),
              options.rounds, "median ms", "best ms", "GFLOP/s");
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const double middle = median(direct[i]);
    std::printf("%9.3f %9.3f %8.0f  %s (%s)\n", middle * 1e3,
                *std::min_element(direct[i].begin(), direct[i].end()) * 1e3,
                static_cast<double>(calls[i].flops) / middle * 1e-9, calls[i].name.c_str(),
                calls[i].implementation.c_str());
  }
  const double best_sum = *std::min_element(sums.begin(), sums.end());
  const double best_step = *std::min_element(ours.begin(), ours.end());
  std::printf("%9.3f %9.3f           their sum\n", median(sums) * 1e3, best_sum * 1e3);
  std::printf("%9.3f %9.3f           our training step (forward, backward, Adam)\n",
              median(ours) * 1e3, best_step * 1e3);
  std::printf("%9.2f %9.2f           ratio (goal: at most 1.6)\n", median(ours) / median(sums),
              best_step / best_sum);
  if (options.profile) print_profile(step);
}

}  // namespace

int main(int count, char** words) try {
  const Options options = parse(count, words);
  std::cout << describe(Device::cpu({.threads = options.threads})) << ", oneDNN "
            << cpu::onednn_version() << std::endl;
  for (const Precision precision : options.precisions) {
    if (precision == Precision::bf16 && !cpu_has_bf16_matrix_units()) {
      std::printf("bf16 skipped: this processor has no instructions for it\n");
      continue;
    }
    compare(precision, options);
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
