#include <cstdint>

#include "adam.h"
#include "engine/core/cuda/launch.h"
#include "planted_bug.h"

namespace engine::samples {
namespace {

constexpr int kThreads = 256, kChunk = 2048;
static_assert(sizeof(AdamTable) + sizeof(AdamStep) < 4096, "space of kernel parameters");

__device__ __forceinline__ void update(float& p, float g, float& m, float& v,
                                       const AdamStep& step) {
  m = step.beta1 * m + (1.0f - step.beta1) * g;
  v = step.beta2 * v + (1.0f - step.beta2) * g * g;
  const float direction =
      m * step.mean_correction / (sqrtf(v * step.variance_correction) + step.epsilon);
  p -= step.learning_rate * (direction + step.weight_decay * p);
}

__device__ __forceinline__ bool aligned(const void* p, unsigned bytes) {
  return (reinterpret_cast<std::uintptr_t>(p) & (bytes - 1)) == 0;
}

// A block updates one chunk of one tensor, four elements a thread at a time.
__global__ void __launch_bounds__(kThreads)
    adam_kernel(const __grid_constant__ AdamTable table, const __grid_constant__ AdamStep step) {
  const int block = blockIdx.x;
  int low = 0, high = table.count - 1;
  while (low < high) {
    const int middle = (low + high + 1) >> 1;
    if (table.first_block[middle] <= block) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const int base = (block - table.first_block[low]) * kChunk, size = table.size[low];
  const int chunk = planted(Bug::kAdamOverlap) ? kChunk + 4 : kChunk;
  const int end = min(base + chunk, size);
  float *p = table.parameter[low], *m = table.mean[low], *v = table.variance[low];
  const float* g = table.gradient[low];
  __nv_bfloat16* copy = table.copy[low];
  const bool vector =
      aligned(p, 16) && aligned(g, 16) && aligned(m, 16) && aligned(v, 16) && aligned(copy, 8);
  const int stride = blockDim.x * 4;
  int i = base + threadIdx.x * 4;
  for (; vector && i + 3 < end; i += stride) {
    float4 p4 = *reinterpret_cast<float4*>(p + i);
    const float4 g4 = __ldg(reinterpret_cast<const float4*>(g + i));
    float4 m4 = *reinterpret_cast<float4*>(m + i), v4 = *reinterpret_cast<float4*>(v + i);
    update(p4.x, g4.x, m4.x, v4.x, step);
    update(p4.y, g4.y, m4.y, v4.y, step);
    update(p4.z, g4.z, m4.z, v4.z, step);
    update(p4.w, g4.w, m4.w, v4.w, step);
    *reinterpret_cast<float4*>(p + i) = p4;
    *reinterpret_cast<float4*>(m + i) = m4;
    *reinterpret_cast<float4*>(v + i) = v4;
    *reinterpret_cast<__nv_bfloat162*>(copy + i) = __floats2bfloat162_rn(p4.x, p4.y);
    *reinterpret_cast<__nv_bfloat162*>(copy + i + 2) = __floats2bfloat162_rn(p4.z, p4.w);
  }
  for (; i < end || planted(Bug::kAdamTail); i += stride) {
    for (int e = i; e < i + 4 && (e < end || planted(Bug::kAdamTail)); e++) {
      update(p[e], g[e], m[e], v[e], step);  // mistake: tail
      copy[e] = __float2bfloat16(p[e]);
    }
    if (planted(Bug::kAdamTail)) break;
  }
}

}  // namespace

void adam(AdamTable& table, const AdamStep& step) {
  int blocks = 0;
  for (int i = 0; i < table.count; i++) {
    table.first_block[i] = blocks;
    blocks += (table.size[i] + kChunk - 1) / kChunk;
  }
  table.first_block[table.count] = blocks;
  const cuda::LaunchConfig config{.grid = static_cast<unsigned>(blocks), .block = kThreads};
  ENGINE_LAUNCH(adam_kernel, config, nullptr, table, step);
}

}  // namespace engine::samples
