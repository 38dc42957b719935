#include "engine/core/cuda/launch.h"
#include "planted_bug.h"
#include "to_bytes.h"

namespace engine::samples {
namespace {

constexpr int kBytesPerBlock = 101;  // words are shared with the neighbours

// A thread makes a byte.
__global__ void to_bytes_kernel(const float* x, std::uint8_t* y, int count) {
  const int begin = blockIdx.x * kBytesPerBlock;
  const int bytes = kBytesPerBlock + (planted(Bug::kToBytesOverlap) ? 1 : 0);
  const int end = min(begin + bytes, count);
  for (int i = begin + threadIdx.x; i < end; i += blockDim.x) {
    y[i] = static_cast<std::uint8_t>(255 * x[i] + 0.5f);  // mistake: byte_race_of_blocks
  }
}

}  // namespace

void to_bytes(const float* x, std::uint8_t* y, int count) {
  const auto blocks = static_cast<unsigned>((count + kBytesPerBlock - 1) / kBytesPerBlock);
  ENGINE_LAUNCH(to_bytes_kernel, {.grid = blocks, .block = kBytesPerBlock}, nullptr, x, y, count);
}

}  // namespace engine::samples
