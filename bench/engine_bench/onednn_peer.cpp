#include <algorithm>

#include <omp.h>

#include "bench/engine_bench/peers.h"
#include "bench/onednn_direct.h"
#include "engine/kernels/cpu/onednn.h"

namespace engine::bench {

// direct_conv2d() has tried its formulations already: one candidate. It has copies of the data of
// its own, in the layouts that oneDNN likes.
std::vector<Contender> onednn_candidates(const PeerContext& context) {
  const auto* conv = std::get_if<ConvCase>(&context.subject.peer_case);
  if (conv == nullptr || !context.buffers.device().is_cpu()) return {};
  omp_set_num_threads(context.buffers.device().threads());
  const DirectCall call = direct_conv2d(conv->problem, conv->pass, storage_of(context.subject.math),
                                        {.first = context.host[0].data(),
                                         .second = context.host[1].data(),
                                         .copies = context.buffers.copies()});
  Contender contender;
  contender.name = "oneDNN";
  contender.algorithm = call.implementation;
  contender.enqueue = [run = call.run](const Stream&, int) { run(); };
  contender.read = [result = call.result](std::span<const std::int64_t> elements) {
    const std::vector<float> all = result();
    std::vector<double> values;
    for (const std::int64_t element : elements) values.push_back(all[element]);
    return values;
  };
  return {contender};
}

std::string onednn_version_text() {
  return cpu::onednn_version();
}

double onednn_matrix_rate(const Device& device, MathMode math) {
  if (!can_compute(device, math)) return 0;
  if (math == MathMode::bf16 && !device.has_bf16_matrix_units()) return 0;
  omp_set_num_threads(device.threads());
  const DirectCall call = direct_linear(2048, 2048, 2048, Pass::forward, storage_of(math));
  double best = seconds_of(call.run);
  for (int i = 0; i < 10; ++i) best = std::min(best, seconds_of(call.run));
  return static_cast<double>(call.flops) / best;
}

}  // namespace engine::bench
