#include <chrono>
#include <cstdlib>

#include "engine/apps/cnn/commands.h"
#include "engine/apps/run/unused_gpu.h"
#include "engine/apps/run/versions.h"
#include "engine/core/backend.h"
#include "engine/core/cpu_info.h"
#include "engine/engine.h"
#include "engine/kernels/build_description.h"
#include "engine/kernels/cpu/onednn.h"

namespace engine::apps::cnn {
namespace {

// GFLOP/s of a product of two square matrices, the best of a few tries.
double measure_products(const Device& device, Precision precision) {
  constexpr std::int64_t kSize = 1024;
  Graph graph;
  Scope net(graph, Mode::inference);
  const Value a = graph.input("a", {kSize, kSize});
  const Value b = net.parameter("b", {kSize, kSize}, init::uniform(-1, 1));
  graph.output("sum", matmul(a, b));
  Store store(device);
  Executable run =
      compile(graph, store, {.precision = precision, .parameters = Parameters::frozen});
  run.set_input("a", initialize(init::uniform(-1, 1), {kSize, kSize}, DType::f32, 1, "a"));
  const Stream stream(device);
  run.run();
  stream.synchronize();
  constexpr int kRuns = 4;  // so that a GPU is not waited for after each
  double best = 0;
  for (int i = 0; i < 4; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run.run(kRuns);
    stream.synchronize();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, kRuns * 2e-9 * static_cast<double>(kSize * kSize * kSize) / seconds);
  }
  return best;
}

struct Rates {
  double f32 = 0, bf16 = 0;  // GFLOP/s
};
Rates measure(const Device& device) {
  Rates rates{.f32 = measure_products(device, Precision::f32)};
  if (device.has_bf16_matrix_units()) rates.bf16 = measure_products(device, Precision::bf16);
  return rates;
}
std::string rates_line(const Rates& rates) {
  std::string text = join("matrix products:  ", std::lround(rates.f32), " GFLOP/s in f32");
  if (rates.bf16 > 0) text += join(", ", std::lround(rates.bf16), " in bf16");
  return text;
}

// Each GPU, measured, or with why it cannot be used.
std::vector<std::string> describe_gpus() {
  std::vector<std::string> lines;
  for (int index = 0; index < cuda_device_count(); ++index) {
    try {
      const Device device = Device::cuda(index);
      lines.push_back("device:           " + describe(device));
      lines.push_back(rates_line(measure(device)));
    } catch (const Error& error) {
      const std::string text = error.what();
      lines.push_back("not usable:       " + text.substr(0, text.find('\n')));
    }
  }
  return lines;
}

bool has_instruction_set(const std::string& name) {
  for (const std::string& set : cpu_instruction_sets()) {
    if (set == name) return true;
  }
  return false;
}

std::vector<std::string> advice(const Device& device) {
  std::vector<std::string> lines;
  if (const std::string reason = unused_gpu(); !reason.empty()) lines.push_back(reason);
  if (!has_instruction_set("avx2")) {
    lines.push_back("the processor has no AVX2: expect a fifth of the usual speed");
  } else if (!device.has_bf16_matrix_units()) {
    lines.push_back("the processor has no bf16 instructions: --precision auto means f32 here");
  }
  if (cpu::onednn_version().rfind("2.", 0) == 0) {
    lines.push_back("oneDNN " + cpu::onednn_version() +
                    " works; 3.x (Debian 13, Ubuntu 24.04) knows newer processors");
  }
  if (const char* threads = std::getenv("OMP_NUM_THREADS")) {
    lines.push_back(join("OMP_NUM_THREADS=", threads, " is set; --threads decides here"));
  }
  return lines;
}

void doctor(Console& console) {
  const Device device = Device::cpu();
  const Rates rates = measure(device);
  console.result(build_description() + "app libraries:    " + app_libraries());
  console.result(join("processor:        ", cpu_model(), ", ", physical_cores(), " cores"));
  console.result(join("device:           ", describe(device)));
  console.result(rates_line(rates));
  const std::vector<std::string> gpus = describe_gpus();
  for (const std::string& line : gpus) console.result(line);
  const std::vector<std::string> lines = advice(device);
  for (const std::string& line : lines) console.result("note:             " + line);
  nlohmann::json devices = {"cpu"};
  for (int index = 0; index < cuda_device_count(); ++index) devices.push_back(join("cuda:", index));
  console.json_result(nlohmann::json{{"app", "cnn"},
                                     {"processor", cpu_model()},
                                     {"cores", physical_cores()},
                                     {"instruction_sets", cpu_instruction_sets()},
                                     {"devices", devices},
                                     {"gpus", gpus},
                                     {"threads", device.threads()},
                                     {"bf16_matrix_units", device.has_bf16_matrix_units()},
                                     {"onednn", cpu::onednn_version()},
                                     {"gflops_f32", rates.f32},
                                     {"gflops_bf16", rates.bf16},
                                     {"notes", lines}});
}

}  // namespace

Command doctor_command() {
  return {.name = "doctor",
          .help = "Tells what this machine offers, and what to install for more.",
          .add_flags = {},
          .run = doctor};
}

}  // namespace engine::apps::cnn
