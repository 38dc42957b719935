#include <algorithm>
#include <atomic>

#include "engine/core/cpu/parallel.h"
#include "engine/kernels/cpu/winograd_kernel.h"

// Transformed filters that are more than the last cache holds would come from memory for each block
// of tiles. Here the patches of many tiles stay in that cache, and a thread transforms the filters
// of one panel of output channels, multiplies them with all patches and forgets them.
namespace engine::cpu::winograd {
namespace {

constexpr std::int64_t kFewestTiles = 28;  // that reading the filters is worth
constexpr std::int64_t kTurns = 4;         // of each thread, so that none waits long

class WinogradManyFilters final : public WinogradKernel {
 public:
  WinogradManyFilters(const Tiling& from, const Tiling& to, const Filters& filters,
                      Activation activation, const PrepareContext& context,
                      std::int64_t patch_bytes)
      : WinogradKernel(from, to),
        filters_(filters),
        activation_(activation),
        has_bias_(context.inputs.size() > 2),
        threads_(std::max(context.device.threads(), 1)),
        panels_(panels_of(to.channels)),
        chunk_(parts_of(from.count(),
                        ceil_div(from.count() * kPositions * row_of(from.channels) * kFloatBytes,
                                 patch_bytes))),
        group_(parts_of(chunk_, std::min(ceil_div(kTurns * threads_, panels_),
                                         ceil_div(chunk_, kFewestTiles)))),
        v_layout_(by_rows(chunk_, from.channels)),
        u_layout_(by_panels(from.channels)),
        m_layout_(by_panels(group_)),
        v_(reserve(kPositions * v_layout_.stride)) {
    for (int thread = 0; thread < threads_; ++thread) {
      threads_data_.push_back({reserve(u_layout_.panel), reserve(m_layout_.panel)});
    }
  }

  std::string describe() const override {
    return join("Winograd 4x4, ", group_, " tiles for a panel of filters at a time");
  }

  void run(const Stream& stream, const Buffers& buffers) override {
    const Positions v = at(buffers.scratch, v_, v_layout_);
    for (std::int64_t first = 0; first < first_.count(); first += chunk_) {
      const Range chunk{first, std::min(first + chunk_, first_.count())};
      parallel_for(stream, chunk.count(), kPositions * first_.channels,
                   [&](std::int64_t begin, std::int64_t end) {
                     read_patches(first_, buffers.inputs[0], {first + begin, first + end},
                                  from_row(v, begin));
                   });
      multiply_chunk(stream, buffers, chunk, v);
    }
  }

 private:
  // Offsets in the scratch memory of a thread's own data: a panel of filters, and its products.
  struct ThreadData {
    std::int64_t u = 0, m = 0;
  };

  static std::int64_t parts_of(std::int64_t count, std::int64_t parts) {
    return ceil_div(count, ceil_div(count, ceil_div(count, parts)));
  }

  void multiply_chunk(const Stream& stream, const Buffers& buffers, Range chunk,
                      const Positions& v) const {
    const std::int64_t groups = ceil_div(chunk.count(), group_);
    // Whoever is free takes the next group and panel: who does is of no consequence for the result.
    std::atomic<std::int64_t> next = 0;
    parallel_for(stream, threads_, kParallelElements, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t thread = begin; thread < end; ++thread) {
        for (std::int64_t item = next++; item < groups * panels_; item = next++) {
          const std::int64_t row = item % groups * group_;
          const Range tiles{chunk.begin + row, std::min(chunk.begin + row + group_, chunk.end)};
          multiply_panels(buffers, tiles, item / groups, from_row(v, row), threads_data_[thread]);
        }
      }
    });
  }

  void multiply_panels(const Buffers& buffers, Range tiles, std::int64_t panel, const Positions& v,
                       const ThreadData& data) const {
    Positions u = at(buffers.scratch, data.u, u_layout_);
    const Positions m = at(buffers.scratch, data.m, m_layout_);
    u.panel = 0;  // every panel has the same place
    read_filters(filters_, buffers.inputs[1], {panel, panel + 1}, u);
    for (std::int64_t position = 0; position < kPositions; ++position) {
      multiply_panel({v.data + position * v.stride, v.row}, tiles.count(),
                     u.data + position * u.stride, first_.channels, {m.data + position * m.stride});
    }
    const std::int64_t channel = panel * kPanel;
    write_tiles(second_, tiles, {channel, std::min(channel + kPanel, second_.channels)}, m,
                has_bias_ ? buffers.in<float>(2) : nullptr, activation_, buffers.outputs[0]);
  }

  Filters filters_;
  Activation activation_;
  bool has_bias_;
  int threads_;
  std::int64_t panels_, chunk_, group_;  // tiles whose patches are kept, and those of a turn
  Positions v_layout_, u_layout_, m_layout_;
  std::int64_t v_ = 0;
  std::vector<ThreadData> threads_data_;
};

}  // namespace

std::unique_ptr<Kernel> winograd_many_filters(const Tiling& from, const Tiling& to,
                                              const Filters& filters, Activation activation,
                                              const PrepareContext& context,
                                              std::int64_t patch_bytes) {
  return std::make_unique<WinogradManyFilters>(from, to, filters, activation, context, patch_bytes);
}

}  // namespace engine::cpu::winograd
