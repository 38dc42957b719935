#include "engine/kernels/cpu/gram_panels.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "engine/core/cpu/parallel.h"
#include "engine/core/memory_plan.h"
#include "engine/kernels/cpu/lanes.h"
#include "engine/kernels/cpu/panel_product.h"

namespace engine::cpu {
namespace {

// Rows of x that are multiplied at a time. Forward: two panels of them fit into the first-level
// cache, and the sums are read and written seldom. Backward: as many as have their sums in
// registers, so that x and dx are walked through in order; prefetched, they come as fast as they
// are worked on.
template <class T>
constexpr std::int64_t kSlab = 512 / static_cast<std::int64_t>(sizeof(T));
constexpr std::int64_t kBlock = 14;

// What a product's sum steps over: an element of f32, a pair of bf16.
template <class T>
using Step = std::conditional_t<std::is_same_v<T, float>, float, BFloat16Pair>;
template <class T>
constexpr std::int64_t kStepRows = sizeof(Step<T>) / sizeof(T);

constexpr std::int64_t kTile = kPanel * kPanel;

// Sums of the panels up to the diagonal: panel j holds the rows of j + 1 panels.
constexpr std::int64_t sums_before(std::int64_t panel) {
  return panel * (panel + 1) / 2 * kTile;
}

ENGINE_ALWAYS_INLINE void pack_panel(const float* x, const float*, float* packed) {
  std::memcpy(packed, x, kPanel * sizeof(float));
}

ENGINE_ALWAYS_INLINE void pack_panel(const BFloat16* first, const BFloat16* second,
                                     BFloat16Pair* packed) {
  for (std::int64_t i = 0; i < kPanel; i += kLanes) {
    LaneHalves low, high;
    std::memcpy(&low, first + i, sizeof(low));
    std::memcpy(&high, second + i, sizeof(high));
    const LaneBits bits =
        __builtin_convertvector(low, LaneBits) | (__builtin_convertvector(high, LaneBits) << 16);
    std::memcpy(static_cast<void*>(packed + i), &bits, sizeof(bits));
  }
}

// x [rows, channels] as panels of `steps` steps; rows past the last are `zeros`.
template <class T>
struct Slab {
  const T* x = nullptr;
  const T* zeros = nullptr;
  std::int64_t rows = 0, channels = 0, steps = 0;
  Step<T>* packed = nullptr;
};

template <class T>
ENGINE_ALWAYS_INLINE void pack_rows(const Slab<T>& slab) {
  const auto row = [&](std::int64_t i) {
    return i < slab.rows ? slab.x + i * slab.channels : slab.zeros;
  };
  for (std::int64_t step = 0; step < slab.steps; ++step) {
    const T* first = row(step * kStepRows<T>);
    const T* last = row((step + 1) * kStepRows<T> - 1);
    for (std::int64_t column = 0; column < slab.channels; column += kPanel) {
      pack_panel(first + column, last + column, slab.packed + column * slab.steps + step * kPanel);
    }
  }
}

ENGINE_CPU_CLONES void pack(const Slab<float>& slab) {
  pack_rows(slab);
}
ENGINE_CPU_CLONES void pack(const Slab<BFloat16>& slab) {
  pack_rows(slab);
}

// The threads share the rows of x, each with sums of its own, which are then added up in order.
template <class T>
class GramByPanels final : public Kernel {
 public:
  GramByPanels(const GramProblem& problem, const PrepareContext& context)
      : problem_(problem),
        panels_(panels_of(problem.channels)),
        slabs_(ceil_div(problem.rows, kSlab<T>)),
        parts_(std::clamp<std::int64_t>(context.device.threads(), 1, slabs_)),
        zeros_(Tensor::zeros({problem.channels}, dtype_of<T>(), Device::cpu())),
        slab_bytes_(aligned(kSlab<T> * problem.channels * static_cast<std::int64_t>(sizeof(T)))),
        part_bytes_(slab_bytes_ + aligned(sums_before(panels_) * kFloatBytes)) {}

  std::int64_t scratch_bytes() const override { return parts_ * part_bytes_; }
  std::string describe() const override { return join("panels of ", kSlab<T>, " rows"); }

  void run(const Stream& stream, const Buffers& buffers) override {
    parallel_for(stream, parts_, kParallelElements, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t part = begin; part < end; ++part) sum_part(part, buffers);
    });
    parallel_for(stream, panels_, problem_.channels * kPanel,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t panel = begin; panel < end; ++panel) {
                     write_panel(panel, buffers);
                   }
                 });
  }

 private:
  static constexpr std::int64_t kFloatBytes = sizeof(float);

  float* sums_of(std::int64_t part, const Buffers& buffers) const {
    return reinterpret_cast<float*>(static_cast<char*>(buffers.scratch) + part * part_bytes_ +
                                    slab_bytes_);
  }

  void sum_part(std::int64_t part, const Buffers& buffers) const {
    auto* packed =
        reinterpret_cast<Step<T>*>(static_cast<char*>(buffers.scratch) + part * part_bytes_);
    const std::int64_t first = slabs_ * part / parts_, last = slabs_ * (part + 1) / parts_;
    for (std::int64_t slab = first; slab < last; ++slab) {
      const std::int64_t row = slab * kSlab<T>, rows = std::min(kSlab<T>, problem_.rows - row);
      const std::int64_t steps = ceil_div(rows, kStepRows<T> * kProductUnroll) * kProductUnroll;
      pack({buffers.in<T>(0) + row * problem_.channels, static_cast<const T*>(zeros_.data()), rows,
            problem_.channels, steps, packed});
      multiply(packed, steps, slab > first, sums_of(part, buffers));
    }
  }

  void multiply(const Step<T>* packed, std::int64_t steps, bool adds, float* sums) const {
    for (std::int64_t right = 0; right < panels_; ++right) {
      for (std::int64_t left = 0; left <= right; ++left) {
        const Factor<Step<T>> a{packed + left * steps * kPanel, 1, kPanel};
        multiply_panel(a, kPanel, packed + right * steps * kPanel, steps,
                       {sums + sums_before(right) + left * kTile, kPanel, adds});
      }
    }
  }

  void write_panel(std::int64_t right, const Buffers& buffers) const {
    const std::int64_t c = problem_.channels;
    float* y = buffers.out<float>(0);
    for (std::int64_t left = 0; left <= right; ++left) {
      float tile[kTile] = {};
      for (std::int64_t part = 0; part < parts_; ++part) {
        const float* sums = sums_of(part, buffers) + sums_before(right) + left * kTile;
        for (std::int64_t i = 0; i < kTile; ++i) tile[i] += sums[i];
      }
      for (float& sum : tile) sum *= problem_.scale;
      for (std::int64_t i = 0; i < kPanel; ++i) {
        for (std::int64_t j = 0; j < kPanel; ++j) {
          y[(left * kPanel + i) * c + right * kPanel + j] = tile[i * kPanel + j];
          y[(right * kPanel + i) * c + left * kPanel + j] = tile[j * kPanel + i];
        }
      }
    }
  }

  GramProblem problem_;
  std::int64_t panels_, slabs_, parts_;
  Tensor zeros_;
  std::int64_t slab_bytes_, part_bytes_;
};

// What is added to next is on its way from memory meanwhile, as x is by itself.
template <class T>
void prefetch(const T* data, std::int64_t count) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(T));
  constexpr int kRead = 0, kSecondCache = 2;
  for (std::int64_t i = 0; i < count; i += kLine) {
    __builtin_prefetch(data + i, kRead, kSecondCache);
  }
}

// dx = x S with S = scale (dy + dy^T) in x's type, which lies in panels in the scratch.
template <class T>
class GramBackwardByPanels final : public Kernel {
 public:
  GramBackwardByPanels(const GramProblem& problem, bool adds) : problem_(problem), adds_(adds) {}

  std::int64_t scratch_bytes() const override {
    return problem_.channels * problem_.channels * static_cast<std::int64_t>(sizeof(T));
  }
  std::string describe() const override { return join("panels of ", kBlock, " rows"); }

  void run(const Stream& stream, const Buffers& buffers) override {
    const std::int64_t c = problem_.channels;
    auto* sums = static_cast<Step<T>*>(buffers.scratch);
    const T* x = buffers.in<T>(1);
    T* dx = buffers.out<T>(0);
    parallel_for(stream, panels_of(c), c * kPanel, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t panel = begin; panel < end; ++panel) {
        pack_sums(buffers.in<float>(0), panel, sums + panel * panel_steps());
      }
    });
    parallel_for(
        stream, problem_.rows, c * c,
        [&](std::int64_t begin, std::int64_t end) {
          if (adds_ && buffers.inputs[2] != buffers.outputs[0]) {
            std::copy(buffers.in<T>(2) + begin * c, buffers.in<T>(2) + end * c, dx + begin * c);
          }
          for (std::int64_t row = begin; row < end; row += kBlock) {
            const std::int64_t rows = std::min(kBlock, end - row);
            multiply(x + row * c, {rows, std::min(kBlock, end - row - rows)}, sums, dx + row * c);
          }
        },
        kBlock);
  }

 private:
  std::int64_t panel_steps() const { return problem_.channels / kStepRows<T> * kPanel; }

  // Rows of a block and of the next.
  struct Block {
    std::int64_t rows = 0, next = 0;
  };

  void multiply(const T* x, const Block& block, const Step<T>* sums, T* dx) const {
    const std::int64_t c = problem_.channels, steps = c / kStepRows<T>, panels = panels_of(c);
    const Factor<Step<T>> a{reinterpret_cast<const Step<T>*>(x), steps, 1};
    for (std::int64_t panel = 0; panel < panels; ++panel) {
      const std::int64_t first = block.next * panel / panels;
      const std::int64_t last = block.next * (panel + 1) / panels;
      if (adds_) prefetch(dx + (block.rows + first) * c, (last - first) * c);
      multiply_panel(a, block.rows, sums + panel * panel_steps(), steps,
                     {dx + panel * kPanel, c, adds_});
    }
  }

  void pack_sums(const float* dy, std::int64_t panel, Step<T>* packed) const {
    const std::int64_t c = problem_.channels;
    for (std::int64_t first = 0; first < c; first += kPanel) {
      float mirrored[kTile];
      for (std::int64_t j = 0; j < kPanel; ++j) {
        for (std::int64_t i = 0; i < kPanel; ++i) {
          mirrored[i * kPanel + j] = dy[(panel * kPanel + j) * c + first + i];
        }
      }
      T sums[kTile];
      for (std::int64_t i = 0; i < kTile; ++i) {
        const float sum = dy[(first + i / kPanel) * c + panel * kPanel + i % kPanel] + mirrored[i];
        sums[i] = T(problem_.scale * sum);
      }
      for (std::int64_t i = 0; i < kPanel; i += kStepRows<T>) {
        pack_panel(sums + i * kPanel, sums + (i + kStepRows<T> - 1) * kPanel,
                   packed + (first + i) / kStepRows<T> * kPanel);
      }
    }
  }

  GramProblem problem_;
  bool adds_;
};

}  // namespace

bool gram_panels_can(const GramProblem& problem, DType x) {
  return problem.rows > 0 && problem.channels % kPanel == 0 &&
         (x == DType::f32 || x == DType::bf16);
}

bool gram_panels_are_faster(const GramProblem& problem, DType x) {
  return gram_panels_can(problem, x) &&
         (x == DType::f32 ? multiplies_floats_fast() : multiplies_pairs_fast());
}

std::unique_ptr<Kernel> gram_by_panels(const GramProblem& problem, const PrepareContext& context) {
  if (context.inputs[0].dtype == DType::f32) {
    return std::make_unique<GramByPanels<float>>(problem, context);
  }
  return std::make_unique<GramByPanels<BFloat16>>(problem, context);
}

std::unique_ptr<Kernel> gram_backward_by_panels(const GramProblem& problem, bool adds,
                                                const PrepareContext& context) {
  if (context.inputs[1].dtype == DType::f32) {
    return std::make_unique<GramBackwardByPanels<float>>(problem, adds);
  }
  return std::make_unique<GramBackwardByPanels<BFloat16>>(problem, adds);
}

}  // namespace engine::cpu
