#include "engine/kernels/cpu/record.h"

#include <algorithm>

namespace engine::cpu {

std::unique_ptr<Kernel> prepare_record_in_ring(const PrepareContext& context) {
  const std::int64_t capacity = context.inputs[0].shape[0];
  return make_kernel([=](const Stream&, const Buffers& buffers) {
    const auto* ring = buffers.in<float>(0);
    const float value = *buffers.in<float>(1);
    const std::uint32_t step = static_cast<std::uint32_t>(buffers.in<std::int32_t>(2)[2]);
    auto* next = buffers.out<float>(0);
    if (next != ring) std::copy_n(ring, capacity, next);
    next[step % capacity] = value;
  });
}

}  // namespace engine::cpu
