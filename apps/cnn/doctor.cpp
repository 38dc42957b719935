#include <chrono>
#include <cstdlib>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "engine/apps/cnn/commands.h"
#include "engine/apps/run/versions.h"
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
  run.run();
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run.run();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, 2e-9 * static_cast<double>(kSize * kSize * kSize) / seconds);
  }
  return best;
}

bool has_instruction_set(const std::string& name) {
  for (const std::string& set : cpu_instruction_sets()) {
    if (set == name) return true;
  }
  return false;
}

std::vector<std::string> advice(const Device& device) {
  std::vector<std::string> lines;
  std::error_code error;
  const bool has_gpu = std::filesystem::exists("/proc/driver/nvidia/version", error) ||
                       std::filesystem::exists("/dev/nvidia0", error);
  if (has_gpu) {
    lines.push_back(
        "an NVIDIA driver is here, but this build has no CUDA device; training uses "
        "the CPU");
  }
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
  const double f32 = measure_products(device, Precision::f32);
  const double bf16 =
      device.has_bf16_matrix_units() ? measure_products(device, Precision::bf16) : 0;
  std::string text = build_description() + "app libraries:    " + app_libraries() + "\n";
  text += join("processor:        ", cpu_model(), ", ", physical_cores(), " cores\n");
  text += join("device:           ", describe(device), "\n");
  text += join("matrix products:  ", std::lround(f32), " GFLOP/s in f32");
  if (bf16 > 0) text += join(", ", std::lround(bf16), " in bf16");
  console.result(text);
  const std::vector<std::string> lines = advice(device);
  for (const std::string& line : lines) console.result("note:             " + line);
  console.json_result(nlohmann::json{{"app", "cnn"},
                                     {"processor", cpu_model()},
                                     {"cores", physical_cores()},
                                     {"instruction_sets", cpu_instruction_sets()},
                                     {"devices", {"cpu"}},
                                     {"threads", device.threads()},
                                     {"bf16_matrix_units", device.has_bf16_matrix_units()},
                                     {"onednn", cpu::onednn_version()},
                                     {"gflops_f32", f32},
                                     {"gflops_bf16", bf16},
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
