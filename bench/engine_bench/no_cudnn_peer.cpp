#include "bench/engine_bench/peers.h"

namespace engine::bench {

std::vector<Contender> cudnn_candidates(const PeerContext&) {
  return {};
}

std::string cudnn_version_text() {
  return "none";
}

}  // namespace engine::bench
