// Updates of all parameters by one launch for each 48 tensors (tensor_table.h).
#include <algorithm>
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cpu/optimizer_update.h"
#include "engine/kernels/cuda/block_sums.h"
#include "engine/kernels/cuda/tensor_table.h"

namespace engine::cuda {

namespace {

constexpr int kScalars = 3;  // learning rate, gradient scale, clock: before the lists

// A rule says how many slots a parameter has, what it makes of the scalars (once for each thread
// block) and how one element moves: state[0] is the parameter, then its slots.
template <bool kHasMomentum, bool kNesterov>
struct SgdRule {
  static constexpr int kSlots = kHasMomentum ? 1 : 0;
  struct Step {
    float learning_rate;
  };

  float momentum, weight_decay;

  __device__ void prepare(Step& step, float learning_rate, std::uint32_t /*steps_done*/) const {
    if (threadIdx.x == 0) step.learning_rate = learning_rate;
  }
  __device__ void apply(const Step& step, float gradient, float (&state)[1 + kSlots]) const {
    const float g = gradient + weight_decay * state[0];
    float direction = g;
    if constexpr (kHasMomentum) {
      state[1] = momentum * state[1] + g;
      direction = kNesterov ? g + momentum * state[1] : state[1];
    }
    state[0] -= step.learning_rate * direction;
  }
};

struct AdamRule {
  static constexpr int kSlots = 2;
  struct Step {
    float step_size;    // learning rate / (1 - beta1^t)
    float root_factor;  // 1 / sqrt(1 - beta2^t)
    float decay;        // multiplies the parameter
  };

  double exact_beta1, exact_beta2, decoupled_decay;
  float beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon, l2;

  // Two warps share the powers in double, which take longer than anything else here.
  __device__ void prepare(Step& step, float learning_rate, std::uint32_t steps_done) const {
    const double t = 1.0 + steps_done;
    const double rate = learning_rate;
    if (threadIdx.x == 0) {
      step.step_size = static_cast<float>(rate / (1 - pow(exact_beta1, t)));
      step.decay = static_cast<float>(1 - rate * decoupled_decay);
    }
    if (threadIdx.x == 32) {
      step.root_factor = static_cast<float>(1 / sqrt(1 - pow(exact_beta2, t)));
    }
  }
  __device__ void apply(const Step& step, float gradient, float (&state)[1 + kSlots]) const {
    const float g = gradient + l2 * state[0];
    state[1] = beta1 * state[1] + one_minus_beta1 * g;
    state[2] = beta2 * state[2] + one_minus_beta2 * g * g;
    state[0] = step.decay * state[0] -
               step.step_size * state[1] / (sqrtf(state[2]) * step.root_factor + epsilon);
  }
};

template <class Rule>
inline constexpr int kPointersOf = 3 + 2 * Rule::kSlots;

// Pointers of a tensor: parameter, gradient, slots; then the new parameter and the new slots.
// A block does 4096 elements of one tensor, a thread four packs of four that lie 1024 elements
// apart, so that a warp moves 512 bytes by each instruction.
// Floor, in bytes an element: SGD 12, with momentum 20, Adam 28.
template <class Rule>
__global__ void __launch_bounds__(kTableThreads)
    update_kernel(const __grid_constant__ TensorTable<kPointersOf<Rule>> table,
                  const __grid_constant__ Rule rule, const float* learning_rate,
                  const float* gradient_scale, const std::int32_t* clock) {
  constexpr int kState = 1 + Rule::kSlots;
  __shared__ typename Rule::Step step;
  const int block = static_cast<int>(blockIdx.x);
  const int tensor = tensor_of_block(table, block);
  float* const* at = table.pointers[tensor];
  const std::int64_t count = table.counts[tensor];
  const std::int64_t begin = (block - table.first_blocks[tensor]) * kTableBlock;
  const auto first_of = [&](int pack) {
    return begin + 4 * (static_cast<std::int64_t>(pack) * kTableThreads + threadIdx.x);
  };
  Pack<float, 4> gradients[kTablePacks], packs[kTablePacks][kState];
#pragma unroll
  for (int pack = 0; pack < kTablePacks; ++pack) {
    gradients[pack] = load_four(at[1], first_of(pack), count, table.is_aligned);
#pragma unroll
    for (int k = 0; k < kState; ++k) {
      packs[pack][k] = load_four(at[k == 0 ? 0 : k + 1], first_of(pack), count, table.is_aligned);
    }
  }
  // While the loads are on their way.
  rule.prepare(step, *learning_rate, static_cast<std::uint32_t>(clock[2]));
  const float scale = *gradient_scale;
  __syncthreads();
#pragma unroll
  for (int pack = 0; pack < kTablePacks; ++pack) {
    const std::int64_t first = first_of(pack);
    if (first >= count) break;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float state[kState];
#pragma unroll
      for (int k = 0; k < kState; ++k) state[k] = packs[pack][k].values[i];
      rule.apply(step, gradients[pack].values[i] * scale, state);
#pragma unroll
      for (int k = 0; k < kState; ++k) packs[pack][k].values[i] = state[k];
    }
#pragma unroll
    for (int k = 0; k < kState; ++k) {
      store_four(at[kState + 1 + k], first, count, table.is_aligned, packs[pack][k]);
    }
  }
}

template <class Rule>
std::unique_ptr<Kernel> update(const Rule& rule, const char* name, int count,
                               const PrepareContext& context) {
  constexpr int kPointers = kPointersOf<Rule>;
  auto parts = table_parts(context.inputs.subspan(kScalars, static_cast<std::size_t>(count)),
                           TensorTable<kPointers>::kSize);
  return make_kernel([=, parts = std::move(parts)](const Stream& stream, const Buffers& buffers) {
    for (const TablePart& part : parts) {
      constexpr int kInputs = 2 + Rule::kSlots;
      const auto table = table_of<kPointers>(part, [&](int tensor, int k) {
        if (k >= kInputs) return buffers.out<float>((k - kInputs) * count + tensor);
        return const_cast<float*>(buffers.in<float>(kScalars + k * count + tensor));
      });
      launch(name, update_kernel<Rule>,
             {.grid = dim3(static_cast<unsigned>(part.blocks())), .block = dim3(kTableThreads)},
             stream_of(stream), table, rule, buffers.in<float>(0), buffers.in<float>(1),
             buffers.in<std::int32_t>(2));
    }
  });
}

// As update_kernel; a thread adds its sixteen squares in order. Floor: 4 bytes an element.
__global__ void __launch_bounds__(kTableThreads)
    squared_norm_blocks_kernel(const __grid_constant__ TensorTable<1> table, double* sums) {
  const int block = static_cast<int>(blockIdx.x);
  const int tensor = tensor_of_block(table, block);
  const std::int64_t count = table.counts[tensor];
  const std::int64_t begin = (block - table.first_blocks[tensor]) * kTableBlock;
  float sum[1] = {};
#pragma unroll
  for (int pack = 0; pack < kTablePacks; ++pack) {
    const std::int64_t first =
        begin + 4 * (static_cast<std::int64_t>(pack) * kTableThreads + threadIdx.x);
    const Pack<float, 4> x = load_four(table.pointers[tensor][0], first, count, table.is_aligned);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[0] += x.values[i] * x.values[i];
  }
  combine_block<Total, kTableThreads>(sum);
  if (threadIdx.x == 0) sums[block] = sum[0];
}

// One block: thread t adds the sums t, t + 256, ... in double.
__global__ void __launch_bounds__(kTableThreads)
    squared_norm_total_kernel(const double* sums, std::int64_t count, float* y) {
  double sum[1] = {};
  for (std::int64_t i = threadIdx.x; i < count; i += kTableThreads) sum[0] += sums[i];
  combine_block<Total, kTableThreads>(sum);
  if (threadIdx.x == 0) *y = static_cast<float>(sum[0]);
}

}  // namespace

std::unique_ptr<Kernel> prepare_sgd_update(const SgdUpdate& options, int count,
                                           const PrepareContext& context) {
  const auto momentum = static_cast<float>(options.momentum);
  const auto weight_decay = static_cast<float>(options.weight_decay);
  if (options.momentum == 0) {
    return update(SgdRule<false, false>{momentum, weight_decay}, "sgd_update_kernel", count,
                  context);
  }
  if (options.nesterov) {
    return update(SgdRule<true, true>{momentum, weight_decay}, "sgd_nesterov_update_kernel", count,
                  context);
  }
  return update(SgdRule<true, false>{momentum, weight_decay}, "sgd_momentum_update_kernel", count,
                context);
}

std::unique_ptr<Kernel> prepare_adam_update(const AdamUpdate& options, int count,
                                            const PrepareContext& context) {
  const AdamRule rule{
      .exact_beta1 = options.beta1,
      .exact_beta2 = options.beta2,
      .decoupled_decay = options.decoupled ? options.weight_decay : 0,
      .beta1 = static_cast<float>(options.beta1),
      .one_minus_beta1 = static_cast<float>(1 - options.beta1),
      .beta2 = static_cast<float>(options.beta2),
      .one_minus_beta2 = static_cast<float>(1 - options.beta2),
      .epsilon = static_cast<float>(options.epsilon),
      .l2 = static_cast<float>(options.decoupled ? 0 : options.weight_decay),
  };
  return update(rule, "adam_update_kernel", count, context);
}

std::unique_ptr<Kernel> prepare_squared_norm(const PrepareContext& context) {
  auto parts = table_parts(context.inputs, TensorTable<1>::kSize);
  std::int64_t blocks = 0;
  for (const TablePart& part : parts) blocks += part.blocks();
  return make_kernel(
      [=, parts = std::move(parts)](const Stream& stream, const Buffers& buffers) {
        auto* sums = static_cast<double*>(buffers.scratch);
        std::int64_t done = 0;
        for (const TablePart& part : parts) {
          const auto table = table_of<1>(
              part, [&](int tensor, int) { return const_cast<float*>(buffers.in<float>(tensor)); });
          launch("squared_norm_blocks_kernel", squared_norm_blocks_kernel,
                 {.grid = dim3(static_cast<unsigned>(part.blocks())), .block = dim3(kTableThreads)},
                 stream_of(stream), table, sums + done);
          done += part.blocks();
        }
        launch("squared_norm_total_kernel", squared_norm_total_kernel,
               {.grid = dim3(1), .block = dim3(kTableThreads)}, stream_of(stream), sums, blocks,
               buffers.out<float>(0));
      },
      blocks * static_cast<std::int64_t>(sizeof(double)));
}

}  // namespace engine::cuda
