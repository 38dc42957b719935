#pragma once

// What the depthwise kernels share. Threads of a block lie along x by packs of channels, and along
// y by pixels.
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/device_code.h"
#include "engine/core/cuda/launch.h"
#include "engine/kernels/conv2d_algorithms.h"
#include "engine/kernels/cuda/conv2d_map.h"

namespace engine::cuda {

inline constexpr int kDepthwiseThreads = 256;

// A block for up to 32 packs of N channels; at most `most_blocks` that share the items.
inline LaunchConfig depthwise_config(int channels, int pack, std::int64_t items,
                                     std::int64_t most_blocks) {
  const int packs = channels / pack;
  int width = 1;
  while (width < 32 && width < packs) width *= 2;
  const int height = kDepthwiseThreads / width;
  const std::int64_t channel_blocks = (packs + width - 1) / width;
  const std::int64_t most =
      std::max<std::int64_t>(most_blocks / std::max<std::int64_t>(channel_blocks, 1), 1);
  return {.grid = dim3(static_cast<unsigned>(std::min((items + height - 1) / height, most)),
                       static_cast<unsigned>(channel_blocks)),
          .block = dim3(static_cast<unsigned>(width), static_cast<unsigned>(height))};
}

// The filters [channel][tap] of `count` channels as [tap][channel], by all threads; zeros behind
// the last channel. is_turned: the taps in reverse order.
template <class T>
__device__ void load_depthwise_filters(int channels, int taps, int first, int count, bool is_turned,
                                       const T* w, float* filters) {
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int i = thread; i < count * taps; i += kDepthwiseThreads) {
    const int c = i / taps, tap = i - c * taps;
    filters[(is_turned ? taps - 1 - tap : tap) * count + c] =
        first + c < channels ? load(w[static_cast<std::int64_t>(first) * taps + i]) : 0.0f;
  }
}

// A part of prepare_conv2d_depthwise().
std::unique_ptr<Kernel> prepare_depthwise_backward_weights(const Conv2dPlan& plan,
                                                           const PrepareContext& context);

}  // namespace engine::cuda
