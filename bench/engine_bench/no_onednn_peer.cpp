#include "bench/engine_bench/peers.h"

namespace engine::bench {

std::vector<Contender> onednn_candidates(const PeerContext&) {
  return {};
}

std::string onednn_version_text() {
  return "none";
}

double onednn_matrix_rate(const Device&, MathMode) {
  return 0;
}

}  // namespace engine::bench
