#include "engine/kernels/cpu/winograd_conv2d.h"

#include <algorithm>
#include <atomic>

#include "engine/core/cpu/parallel.h"
#include "engine/kernels/ceil_div.h"
#include "engine/kernels/cpu/winograd_kernel.h"

// From images to images each thread takes a block of tiles at a time, whose transformed data stays
// in its second-level cache. For the gradient of the filters all threads share a chunk of tiles: in
// the transforms its tiles, in the products the positions and panels.
namespace engine::cpu {
namespace {

using namespace winograd;

// Tiles: enough to make reading the filters worth it, and few, for the second-level cache.
constexpr std::int64_t kBlock = 28;
constexpr std::int64_t kChunkBytes = 3 << 20, kSmallestChunk = 128;

// Tiles in a block: nearly kBlock, in blocks of equal size that the threads can share.
std::int64_t block_of(std::int64_t tiles, int threads) {
  return ceil_div(tiles, ceil_div(ceil_div(tiles, kBlock), threads) * threads);
}

// From images to images: conv2d and its gradient with respect to x, with filters that the last
// cache holds.
class WinogradFilter final : public WinogradKernel {
 public:
  WinogradFilter(const Tiling& from, const Tiling& to, const Filters& filters,
                 Activation activation, const PrepareContext& context)
      : WinogradKernel(from, to),
        filters_(filters),
        activation_(activation),
        has_bias_(context.inputs.size() > 2),
        threads_(std::max(context.device.threads(), 1)),
        block_(block_of(from.count(), threads_)),
        u_layout_(by_panels(from.channels)),
        v_layout_(by_rows(block_, from.channels)),
        m_layout_(by_panels(block_)) {
    const void* frozen = context.frozen_data(1);
    if (frozen != nullptr) {
      packed_ =
          Tensor::empty({panels_of(to.channels) * u_layout_.panel}, DType::f32, Device::cpu());
      read_all_filters(Stream(context.device), frozen, at(packed_.data(), 0, u_layout_));
    } else {
      u_ = reserve(panels_of(to.channels) * u_layout_.panel);
    }
    for (int thread = 0; thread < threads_; ++thread) {
      threads_data_.push_back({reserve(kPositions * v_layout_.stride), reserve(m_layout_.panel)});
    }
  }

  std::int64_t packed_bytes() const override { return packed_.defined() ? packed_.bytes() : 0; }
  std::string describe() const override {
    return join("Winograd 4x4, ", block_, " tiles at a time",
                packed_.defined() ? ", input 1 packed" : "");
  }

  void run(const Stream& stream, const Buffers& buffers) override {
    const Positions u = at(packed_.defined() ? packed_.data() : buffers.scratch, u_, u_layout_);
    if (!packed_.defined()) read_all_filters(stream, buffers.inputs[1], u);
    const std::int64_t blocks = ceil_div(first_.count(), block_);
    // Whoever is free takes the next block: which thread does is of no consequence for the result.
    std::atomic<std::int64_t> next = 0;
    parallel_for(stream, threads_, kParallelElements, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t thread = begin; thread < end; ++thread) {
        const Positions v = at(buffers.scratch, threads_data_[thread].v, v_layout_);
        const Positions m = at(buffers.scratch, threads_data_[thread].m, m_layout_);
        for (std::int64_t block = next++; block < blocks; block = next++) {
          const std::int64_t tile = block * block_;
          run_block(buffers, {tile, std::min(tile + block_, first_.count())}, u, v, m);
        }
      }
    });
  }

 private:
  // Offsets in the scratch memory of what a thread works on: a block's patches and, for a panel of
  // channels, its products.
  struct ThreadData {
    std::int64_t v = 0, m = 0;
  };

  void read_all_filters(const Stream& stream, const void* w, const Positions& u) const {
    parallel_for(stream, panels_of(filters_.to()), u.panel,
                 [&](std::int64_t begin, std::int64_t end) {
                   read_filters(filters_, w, {begin, end}, u);
                 });
  }

  void run_block(const Buffers& buffers, Range tiles, const Positions& u, const Positions& v,
                 const Positions& m) const {
    read_patches(first_, buffers.inputs[0], tiles, v);
    const float* bias = has_bias_ ? buffers.in<float>(2) : nullptr;
    for (std::int64_t panel = 0; panel < panels_of(second_.channels); ++panel) {
      const float* filters = u.data + panel * u.panel;
      for (std::int64_t position = 0; position < kPositions; ++position) {
        multiply_panel({v.data + position * v.stride, v.row}, tiles.count(),
                       filters + position * u.stride, first_.channels,
                       {m.data + position * m.stride});
      }
      const std::int64_t channel = panel * kPanel;
      write_tiles(second_, tiles, {channel, std::min(channel + kPanel, second_.channels)}, m, bias,
                  activation_, buffers.outputs[0]);
    }
  }

  Filters filters_;
  Activation activation_;
  bool has_bias_;
  int threads_;
  std::int64_t block_;
  Positions u_layout_, v_layout_, m_layout_;
  std::int64_t u_ = 0;
  Tensor packed_;  // transformed filters, where they are kept
  std::vector<ThreadData> threads_data_;
};

// Tiles in a chunk: as many as the last cache holds, in fours, in chunks of equal size.
std::int64_t chunk_of(std::int64_t tiles, std::int64_t channels) {
  const std::int64_t most =
      std::max<std::int64_t>(kSmallestChunk, kChunkBytes / (kPositions * kFloatBytes * channels));
  return ceil_div(ceil_div(tiles, ceil_div(tiles, most)), 4) * 4;
}

// The gradient with respect to w: du = sum over tiles of (A dy A^T)^T (B^T x B), position by
// position.
class WinogradBackwardWeights final : public WinogradKernel {
 public:
  WinogradBackwardWeights(const Tiling& x, const Tiling& dy)
      : WinogradKernel(x, dy),
        chunk_(chunk_of(x.count(), x.channels + dy.channels)),
        v_layout_(by_panels(chunk_)),
        w_layout_(by_rows(chunk_, dy.channels)),
        du_layout_(by_panels(dy.channels)),
        v_(reserve(panels_of(x.channels) * v_layout_.panel)),
        w_(reserve(kPositions * w_layout_.stride)),
        du_(reserve(panels_of(x.channels) * du_layout_.panel)) {}

  std::string describe() const override {
    return join("Winograd 4x4, ", chunk_, " tiles at a time");
  }

  void run(const Stream& stream, const Buffers& buffers) override {
    const Positions v = at(buffers.scratch, v_, v_layout_);
    const Positions w = at(buffers.scratch, w_, w_layout_);
    const Positions du = at(buffers.scratch, du_, du_layout_);
    for (std::int64_t first = 0; first < first_.count(); first += chunk_) {
      read_chunk(stream, buffers, first, v, w);
      multiply(stream, v, w, first > 0, du);
    }
    parallel_for(stream, second_.channels, kPositions * first_.channels,
                 [&](std::int64_t begin, std::int64_t end) {
                   write_filter_gradients(du, {begin, end}, first_.channels, buffers.out<float>(0));
                 });
  }

 private:
  void read_chunk(const Stream& stream, const Buffers& buffers, std::int64_t first,
                  const Positions& v, const Positions& w) const {
    parallel_for(stream, chunk_, kPositions * first_.channels,
                 [&](std::int64_t begin, std::int64_t end) {
                   const Range tiles{first + begin, first + end};
                   read_patches(first_, buffers.inputs[0], tiles, from_row(v, begin));
                   read_tiles(second_, buffers.inputs[1], tiles, from_row(w, begin));
                 });
  }

  void multiply(const Stream& stream, const Positions& v, const Positions& w, bool adds,
                const Positions& du) const {
    parallel_for(stream, panels_of(first_.channels) * kPositions, chunk_ * second_.channels,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     const std::int64_t panel = i / kPositions, position = i % kPositions;
                     multiply_panel(
                         {w.data + position * w.stride, 1, w.row}, second_.channels,
                         v.data + panel * v.panel + position * v.stride, chunk_,
                         {du.data + panel * du.panel + position * du.stride, kPanel, adds});
                   }
                 });
  }

  std::int64_t chunk_;
  Positions v_layout_, w_layout_, du_layout_;
  std::int64_t v_, w_, du_;
};

Filters filters_of(const Conv2dProblem& problem, const PrepareContext& context, bool backward) {
  const DType data = context.inputs[0].dtype, w = context.inputs[1].dtype;
  return {.dtype = w,
          .out = problem.oc,
          .in = problem.ic,
          .backward = backward,
          .rounded = data == DType::bf16 && w == DType::f32};
}

std::unique_ptr<Kernel> filter_kernel(const Tiling& from, const Tiling& to, const Filters& filters,
                                      Activation activation, const PrepareContext& context,
                                      const WinogradLimits& limits) {
  if (filters.transformed_floats() <= limits.filter_floats) {
    return std::make_unique<WinogradFilter>(from, to, filters, activation, context);
  }
  return winograd_many_filters(from, to, filters, activation, context, limits.patch_bytes);
}

}  // namespace

std::unique_ptr<Kernel> winograd_conv2d(const Conv2dProblem& problem, Activation activation,
                                        const PrepareContext& context,
                                        const WinogradLimits& limits) {
  const DType data = context.inputs[0].dtype;
  return filter_kernel(
      tiling_of(data, problem.x_shape(), problem.y_shape(), problem.geometry.padding),
      tiling_of(data, problem.y_shape()), filters_of(problem, context, false), activation, context,
      limits);
}

std::unique_ptr<Kernel> winograd_conv2d_backward_data(const Conv2dProblem& problem,
                                                      const PrepareContext& context,
                                                      const WinogradLimits& limits) {
  const DType data = context.inputs[0].dtype;
  const Extent2d padding = problem.geometry.padding;
  return filter_kernel(
      tiling_of(data, problem.y_shape(), problem.x_shape(), {2 - padding.h, 2 - padding.w}),
      tiling_of(data, problem.x_shape()), filters_of(problem, context, true), Activation::none,
      context, limits);
}

std::unique_ptr<Kernel> winograd_conv2d_backward_weights(const Conv2dProblem& problem,
                                                         const PrepareContext& context) {
  const DType data = context.inputs[0].dtype;
  return std::make_unique<WinogradBackwardWeights>(
      tiling_of(data, problem.x_shape(), problem.y_shape(), problem.geometry.padding),
      tiling_of(data, problem.y_shape()));
}

}  // namespace engine::cpu
