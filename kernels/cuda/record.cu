// record_in_ring on CUDA.
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cpu/record.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

// In place: one thread writes the one element; 12 bytes.
__global__ void record_in_ring_kernel(float* ring, const float* value, const std::int32_t* clock,
                                      std::int64_t capacity) {
  ring[static_cast<std::uint32_t>(clock[2]) % capacity] = *value;
}

// Elsewhere: one thread an element. Floor: the ring read and written once.
__global__ void __launch_bounds__(kThreads)
    record_in_copied_ring_kernel(const float* ring, const float* value, const std::int32_t* clock,
                                 float* next, std::int64_t capacity) {
  const std::int64_t i = global_thread();
  if (i >= capacity) return;
  next[i] = i == static_cast<std::uint32_t>(clock[2]) % capacity ? *value : ring[i];
}

}  // namespace

std::unique_ptr<Kernel> prepare_record_in_ring(const PrepareContext& context) {
  const std::int64_t capacity = context.inputs[0].shape[0];
  return make_kernel([=](const Stream& stream, const Buffers& buffers) {
    const auto* ring = buffers.in<float>(0);
    const auto* value = buffers.in<float>(1);
    const auto* clock = buffers.in<std::int32_t>(2);
    auto* next = buffers.out<float>(0);
    if (next == ring) {
      ENGINE_LAUNCH(record_in_ring_kernel, (LaunchConfig{.grid = dim3(1), .block = dim3(1)}),
                    stream_of(stream), next, value, clock, capacity);
    } else {
      const LaunchConfig config{.grid = dim3(blocks_for(capacity, kThreads)),
                                .block = dim3(kThreads)};
      ENGINE_LAUNCH(record_in_copied_ring_kernel, config, stream_of(stream), ring, value, clock,
                    next, capacity);
    }
  });
}

}  // namespace engine::cuda
