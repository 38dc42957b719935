#include "conformance.h"
#include "engine/kernels/cuda/ptx/shared.h"

// Single words of shared memory.
namespace engine::conformance {
namespace {

constexpr int kWords = 64;

__global__ void load_shared_kernel(const std::uint32_t* in, std::uint32_t* out) {
  __shared__ std::uint32_t words[kWords];
  for (int i = threadIdx.x; i < kWords; i += 32) words[i] = in[i];
  __syncwarp();
  for (int i = threadIdx.x; i < kWords; i += 32) {
    out[i] = ptx::load_shared(ptx::shared_address(words + kWords - 1 - i));
  }
}

}  // namespace

ENGINE_CONFORMANCE(load_shared, 80) {
  std::vector<std::uint32_t> in(kWords), want(kWords);
  for (int i = 0; i < kWords; i++) {
    in[i] = 0x01020304u * (i + 1);
    want[kWords - 1 - i] = in[i];
  }
  const Array<std::uint32_t> device_in(in);
  const Array<std::uint32_t> out(kWords);
  ENGINE_LAUNCH(load_shared_kernel, {.block = 32}, nullptr, device_in.data(), out.data());
  result.expect_equal(out.values(), want);
}

}  // namespace engine::conformance
