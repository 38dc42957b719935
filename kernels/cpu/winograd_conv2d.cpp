#include "engine/kernels/cpu/winograd_conv2d.h"

#include <algorithm>

#include "engine/core/cpu_info.h"
#include "engine/core/memory_plan.h"
#include "engine/core/tensor.h"
#include "engine/kernels/ceil_div.h"
#include "engine/kernels/cpu/lanes.h"
#include "engine/kernels/cpu/onednn.h"
#include "engine/kernels/cpu/winograd_transforms.h"

// Tiles are worked on in chunks whose transformed data stays in the cache: read, multiplied and
// written before the next chunk. Within a phase the threads share the tiles, in the products the 36
// positions.
namespace engine::cpu {
namespace {

using namespace winograd;

constexpr std::int64_t kChunkBytes = 6 << 20;
// Above this, filters that never change are transformed anew in each run rather than kept: they
// take four times their own memory.
constexpr std::int64_t kLargestPacked = 16 << 20;

constexpr std::int64_t kFloatBytes = sizeof(float);

std::int64_t bytes_of(std::int64_t stride) {
  return aligned(kPositions * stride * kFloatBytes);
}

// The tiles of `outputs` [n, h, w, ...] over `images`, as patches that begin in the padding.
Tiling tiling_of(DType dtype, const Shape& images, const Shape& outputs, Extent2d padding) {
  return {.dtype = dtype,
          .n = images[0],
          .h = images[1],
          .w = images[2],
          .channels = images[3],
          .rows = ceil_div(outputs[1], kTile),
          .columns = ceil_div(outputs[2], kTile),
          .top = -padding.h,
          .left = -padding.w};
}
Tiling tiling_of(DType dtype, const Shape& outputs) {
  return tiling_of(dtype, outputs, outputs, 0);
}

// Tiles in a chunk: as many as the cache holds, but enough to make reading the filters worth it.
// Chunks are of equal size but for the last. An odd number keeps the same element of all positions
// from falling into the same few sets of the cache.
constexpr std::int64_t kSmallestChunk = 192;

std::int64_t chunk_of(std::int64_t tiles, std::int64_t channels) {
  const std::int64_t most =
      std::max(kSmallestChunk, kChunkBytes / (kPositions * kFloatBytes * channels));
  return ceil_div(tiles, ceil_div(tiles, most)) | 1;
}

// Matrices of the 36 positions in a kernel's scratch.
struct Part {
  std::int64_t offset = 0;  // bytes
  std::int64_t stride = 0;
};

Positions at(void* scratch, const Part& part) {
  return {reinterpret_cast<float*>(static_cast<char*>(scratch) + part.offset), part.stride};
}

class WinogradKernel : public Kernel {
 public:
  std::int64_t scratch_bytes() const final { return scratch_bytes_; }
  std::int64_t packed_bytes() const final { return packed_.defined() ? packed_.bytes() : 0; }
  std::string describe() const final {
    return join("Winograd 4x4, ", chunk_, " tiles at a time",
                packed_.defined() ? ", input 1 packed, " : ", ", product_->describe());
  }

 protected:
  WinogradKernel(const Tiling& first, const Tiling& second)
      : first_(first),
        second_(second),
        chunk_(chunk_of(first.count(), first.channels + second.channels)),
        zeros_(
            Tensor::zeros({std::max(first.channels, second.channels)}, DType::f32, Device::cpu())) {
    first_.zeros = second_.zeros = zeros_.data();
  }

  std::int64_t reserve(std::int64_t bytes) {
    const std::int64_t offset = scratch_bytes_;
    scratch_bytes_ += aligned(bytes);
    return offset;
  }
  Part reserve_matrices(std::int64_t rows, std::int64_t columns) {
    const std::int64_t stride = rows * columns;
    return {reserve(bytes_of(stride)), stride};
  }
  std::unique_ptr<Kernel> product_of(const BatchedProduct& product, const Device& device) {
    auto kernel = onednn_batched_product(product, device);
    product_scratch_ = reserve(kernel->scratch_bytes());
    return kernel;
  }
  void multiply(const Stream& stream, Kernel& product, const Positions& a, const Positions& b,
                const Positions& y, void* scratch) const {
    const void* inputs[] = {a.data, b.data};
    void* outputs[] = {y.data};
    product.run(stream, {inputs, outputs, static_cast<char*>(scratch) + product_scratch_});
  }

  Tiling first_, second_;
  std::int64_t chunk_;
  std::unique_ptr<Kernel> product_;
  Tensor packed_;  // transformed filters, where they are kept

 private:
  Tensor zeros_;
  std::int64_t scratch_bytes_ = 0, product_scratch_ = 0;
};

// From images to images: conv2d and its gradient with respect to x.
class WinogradFilter final : public WinogradKernel {
 public:
  WinogradFilter(const Tiling& from, const Tiling& to, const Filters& filters,
                 Activation activation, const PrepareContext& context)
      : WinogradKernel(from, to),
        filters_(filters),
        activation_(activation),
        has_bias_(context.inputs.size() > 2),
        v_(reserve_matrices(chunk_, from.channels)),
        m_(reserve_matrices(chunk_, to.channels)) {
    const std::int64_t stride = filters.out * filters.in;
    const void* frozen = context.frozen_data(1);
    if (frozen != nullptr && bytes_of(stride) <= kLargestPacked) {
      packed_ = Tensor::empty({kPositions, stride}, DType::f32, Device::cpu());
      u_ = {0, stride};
      read_filters(Stream(context.device), filters_, frozen, at(packed_.data(), u_));
    } else {
      u_ = reserve_matrices(filters.out, filters.in);
    }
    product_ = product_of({.batch = kPositions,
                           .m = chunk_,
                           .k = from.channels,
                           .n = to.channels,
                           .transpose_b = !filters.rotated},
                          context.device);
  }

  void run(const Stream& stream, const Buffers& buffers) override {
    const Positions u = at(packed_.defined() ? packed_.data() : buffers.scratch, u_);
    if (!packed_.defined()) read_filters(stream, filters_, buffers.inputs[1], u);
    const Positions v = at(buffers.scratch, v_), m = at(buffers.scratch, m_);
    const float* bias = has_bias_ ? buffers.in<float>(2) : nullptr;
    for (std::int64_t begin = 0; begin < first_.count(); begin += chunk_) {
      const TileRange tiles{begin, begin + chunk_};
      read_patches(stream, first_, buffers.inputs[0], tiles, v);
      multiply(stream, *product_, v, u, m, buffers.scratch);
      write_tiles(stream, second_, tiles, m, bias, activation_, buffers.outputs[0]);
    }
  }

 private:
  Filters filters_;
  Activation activation_;
  bool has_bias_;
  Part v_, m_, u_;
};

// The gradient with respect to w: du = sum over tiles of (A dy A^T)^T (B^T x B), position by
// position.
class WinogradBackwardWeights final : public WinogradKernel {
 public:
  WinogradBackwardWeights(const Tiling& x, const Tiling& dy, const Device& device)
      : WinogradKernel(x, dy),
        v_(reserve_matrices(chunk_, x.channels)),
        w_(reserve_matrices(chunk_, dy.channels)),
        du_(reserve_matrices(dy.channels, x.channels)) {
    BatchedProduct product{
        .batch = kPositions, .m = dy.channels, .k = chunk_, .n = x.channels, .transpose_a = true};
    product_ = product_of(product, device);
    product.adds = true;
    adding_product_ = product_of(product, device);
  }

  void run(const Stream& stream, const Buffers& buffers) override {
    const Positions v = at(buffers.scratch, v_), w = at(buffers.scratch, w_);
    const Positions du = at(buffers.scratch, du_);
    for (std::int64_t begin = 0; begin < first_.count(); begin += chunk_) {
      const TileRange tiles{begin, begin + chunk_};
      read_patches(stream, first_, buffers.inputs[0], tiles, v);
      read_tiles(stream, second_, buffers.inputs[1], tiles, w);
      multiply(stream, begin == 0 ? *product_ : *adding_product_, w, v, du, buffers.scratch);
    }
    write_filter_gradients(stream, du, second_.channels, first_.channels, buffers.out<float>(0));
  }

 private:
  Part v_, w_, du_;
  std::unique_ptr<Kernel> adding_product_;
};

// What decides between the two ways, in cycles of one core: measured on a Zen 4 (AVX-512) with 2
// cores on the layers of VGG-19 and of the day/night net.
constexpr double kProducts = 14;      // f32 multiplications and additions a cycle
constexpr double kMapOfChannel = 45;  // a channel of a tile read or written
constexpr double kFilterRead = 1.5;   // a float of the filters' transform, in each chunk
constexpr double kPhases = 30'000;    // the threads' meetings in a chunk
constexpr double kGain = 0.9;         // below which the errors are worth it

// The same for direct convolution.
double direct_products(DType dtype) {
  constexpr double kF32 = 14.5;
  if (dtype == DType::f32) return kF32;
  const std::vector<std::string> sets = cpu_instruction_sets();
  const auto has = [&](const char* name) {
    return std::find(sets.begin(), sets.end(), name) != sets.end();
  };
  if (has("amx_bf16")) return 16 * kF32;
  return has("avx512_bf16") ? 2 * kF32 : kF32;
}

Filters filters_of(const Conv2dProblem& problem, const PrepareContext& context, bool rotated) {
  const DType data = context.inputs[0].dtype, w = context.inputs[1].dtype;
  return {.dtype = w,
          .out = problem.oc,
          .in = problem.ic,
          .rotated = rotated,
          .rounded = data == DType::bf16 && w == DType::f32};
}

}  // namespace

bool winograd_can(const Conv2dProblem& p, const PrepareContext& context) {
  const Conv2dGeometry& g = p.geometry;
  const auto is_known = [](const TensorType& type) {
    return type.dtype == DType::f32 || type.dtype == DType::bf16;
  };
  return p.kh == 3 && p.kw == 3 && g.stride == Extent2d(1) && g.dilation == Extent2d(1) &&
         g.groups == 1 && g.padding.h <= 2 && g.padding.w <= 2 && p.ic % kLanes == 0 &&
         p.oc % kLanes == 0 && is_known(context.inputs[0]) && is_known(context.inputs[1]);
}

bool winograd_is_faster(const Conv2dProblem& p, const PrepareContext& context) {
  if (!winograd_can(p, context) || !onednn_uses_avx512()) return false;
  const auto channels = static_cast<double>(p.ic + p.oc);
  const std::int64_t tiles = p.n * ceil_div(p.oh, kTile) * ceil_div(p.ow, kTile);
  const std::int64_t chunks = ceil_div(tiles, chunk_of(tiles, p.ic + p.oc));
  const auto filters = static_cast<double>(kPositions * p.ic * p.oc);
  const bool is_packed =
      context.frozen_data(1) != nullptr && filters * kFloatBytes <= kLargestPacked;

  const double direct =
      static_cast<double>(p.flops()) / 2 / direct_products(context.inputs[0].dtype);
  const double products = static_cast<double>(tiles) * filters / kProducts;
  const double maps = static_cast<double>(tiles) * channels * kMapOfChannel;
  const double reads = filters * (static_cast<double>(chunks) * kFilterRead + (is_packed ? 0 : 1));
  const double phases = static_cast<double>(chunks * context.device.threads()) * kPhases;
  return products + maps + reads + phases < kGain * direct;
}

std::unique_ptr<Kernel> winograd_conv2d(const Conv2dProblem& problem, Activation activation,
                                        const PrepareContext& context) {
  const DType data = context.inputs[0].dtype;
  return std::make_unique<WinogradFilter>(
      tiling_of(data, problem.x_shape(), problem.y_shape(), problem.geometry.padding),
      tiling_of(data, problem.y_shape()), filters_of(problem, context, false), activation, context);
}

std::unique_ptr<Kernel> winograd_conv2d_backward_data(const Conv2dProblem& problem,
                                                      const PrepareContext& context) {
  const DType data = context.inputs[0].dtype;
  const Extent2d padding = problem.geometry.padding;
  return std::make_unique<WinogradFilter>(
      tiling_of(data, problem.y_shape(), problem.x_shape(), {2 - padding.h, 2 - padding.w}),
      tiling_of(data, problem.x_shape()), filters_of(problem, context, true), Activation::none,
      context);
}

std::unique_ptr<Kernel> winograd_conv2d_backward_weights(const Conv2dProblem& problem,
                                                         const PrepareContext& context) {
  const DType data = context.inputs[0].dtype;
  return std::make_unique<WinogradBackwardWeights>(
      tiling_of(data, problem.x_shape(), problem.y_shape(), problem.geometry.padding),
      tiling_of(data, problem.y_shape()), context.device);
}

}  // namespace engine::cpu
