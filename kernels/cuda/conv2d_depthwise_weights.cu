// Convolutions with a filter for each channel: the gradient of the weights.
#include "engine/kernels/cuda/block_sums.h"
#include "engine/kernels/cuda/conv2d_depthwise.h"
#include "engine/kernels/cuda/sum_parts.h"

namespace engine::cuda {

namespace {

constexpr int kTaps = 9;  // of a thread: all of a 3x3 filter

// A thread has N channels and nine taps, the block's along z, and takes every gridDim.x *
// blockDim.y-th output pixel: a pack of dy there, and nine of x, most of them in the L1 cache. The
// block's sums meet in shared memory; sum_parts() adds the blocks'.
// Floor: x and dy read once for each nine taps, 18 FLOP an element of dy. Bound by memory
// bandwidth.
template <class T, int N>
__global__ void __launch_bounds__(kDepthwiseThreads)
    conv2d_backward_weights_depthwise_kernel(const __grid_constant__ Conv2dMap map, const T* x,
                                             const T* dy, float* parts) {
  __shared__ float shared[kDepthwiseThreads * N];
  const int channel = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x) * N;
  const int first_tap = static_cast<int>(blockIdx.z) * kTaps, taps = map.kh * map.kw;
  float sums[kTaps][N] = {};
  if (channel < map.ic) {
    const int step = static_cast<int>(gridDim.x * blockDim.y);
    for (int pixel = static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y); pixel < map.y_pixels;
         pixel += step) {
      const PixelPosition at = pixel_position(pixel, map.by_oh, map.by_ow);
      const int first_h = at.h * map.stride_h - map.padding_h;
      const int first_w = at.w * map.stride_w - map.padding_w;
      const auto slope = *reinterpret_cast<const Pack<T, N>*>(
          dy + static_cast<std::int64_t>(pixel) * map.oc + channel);
      const T* image = x + static_cast<std::int64_t>(at.image) * map.ih * map.iw * map.ic + channel;
#pragma unroll
      for (int k = 0; k < kTaps; ++k) {
        const int kh = map.by_kw.quotient(first_tap + k);
        const int ih = first_h + kh, iw = first_w + first_tap + k - kh * map.kw;
        Pack<T, N> value = {};
        if (is_within(ih, map.ih) && is_within(iw, map.iw)) {
          value = *reinterpret_cast<const Pack<T, N>*>(
              image + (static_cast<std::int64_t>(ih) * map.iw + iw) * map.ic);
        }
#pragma unroll
        for (int i = 0; i < N; ++i) {
          sums[k][i] = fmaf(load(value.values[i]), load(slope.values[i]), sums[k][i]);
        }
      }
    }
  }
  float* to = parts + (static_cast<std::int64_t>(blockIdx.x) * map.ic + channel) * taps;
#pragma unroll
  for (int k = 0; k < kTaps; ++k) {
    __syncthreads();  // the last tap's sums have been read
    add_along_block_y(sums[k], shared);
    if (threadIdx.y != 0 || channel >= map.ic || first_tap + k >= taps) continue;
#pragma unroll
    for (int i = 0; i < N; ++i) to[i * taps + first_tap + k] = sums[k][i];
  }
}

constexpr int kBlocksEach = 2;  // a multiprocessor

template <class T>
class DepthwiseWeights final : public Kernel {
 public:
  DepthwiseWeights(const Conv2dPlan& plan, const PrepareContext& context)
      : map_(conv2d_map(plan.problem)),
        most_blocks_(kBlocksEach * gpu_of(context.device).multiprocessors),
        count_(std::int64_t{map_.ic} * map_.kh * map_.kw) {}

  std::int64_t scratch_bytes() const override {
    const unsigned parts = std::max(config<kPack>().grid.x, config<1>().grid.x);
    return parts * count_ * std::int64_t{sizeof(float)};
  }
  std::string describe() const override { return "depthwise"; }

  void run(const Stream& stream, const Buffers& buffers) override {
    if (fits_pack<T, kPack>(buffers.inputs[0], map_.ic) &&
        fits_pack<T, kPack>(buffers.inputs[1], map_.ic)) {
      enqueue<kPack>(stream, buffers);
    } else {
      enqueue<1>(stream, buffers);
    }
  }

 private:
  static constexpr int kPack = 16 / static_cast<int>(sizeof(T));

  template <int N>
  LaunchConfig config() const {
    LaunchConfig config = depthwise_config(map_.ic, N, map_.y_pixels, most_blocks_);
    config.grid.x = std::max(config.grid.x, 1u);  // an empty batch has sums too
    config.grid.z = blocks_for(std::int64_t{map_.kh} * map_.kw, kTaps);
    return config;
  }
  template <int N>
  void enqueue(const Stream& stream, const Buffers& buffers) const {
    const LaunchConfig blocks = config<N>();
    auto* parts = static_cast<float*>(buffers.scratch);
    launch("conv2d_backward_weights_depthwise_kernel",
           conv2d_backward_weights_depthwise_kernel<T, N>, blocks, stream_of(stream), map_,
           buffers.in<T>(0), buffers.in<T>(1), parts);
    sum_parts(stream, parts, static_cast<int>(blocks.grid.x), count_, buffers.out<float>(0));
  }

  Conv2dMap map_;
  std::int64_t most_blocks_, count_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_depthwise_backward_weights(const Conv2dPlan& plan,
                                                           const PrepareContext& context) {
  if (context.inputs[0].dtype == DType::f32) {
    return std::make_unique<DepthwiseWeights<float>>(plan, context);
  }
  return std::make_unique<DepthwiseWeights<__nv_bfloat16>>(plan, context);
}

}  // namespace engine::cuda
