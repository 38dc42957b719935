// The sums of a product that was split along k.
#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/matmul_epilogue.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;

// A thread makes four neighbours of a row, part by part, so that the order is always the same.
// Floor: every part read once (usually from the L2 cache) and y written once.
__global__ void __launch_bounds__(kThreads)
    matmul_add_parts_kernel(const __grid_constant__ MatmulOutput output, int parts) {
  const int packs = (output.n + 3) / 4;
  const std::int64_t index = global_thread();
  if (index >= static_cast<std::int64_t>(packs) * output.m) return;
  const int row = static_cast<int>(index / packs);
  const int column = static_cast<int>(index % packs) * 4;
  const std::int64_t size = static_cast<std::int64_t>(output.m) * output.n;
  const float* from = output.parts + static_cast<std::int64_t>(row) * output.n + column;
  float sums[4] = {};
  for (int part = 0; part < parts; ++part, from += size) {
    if (output.is_aligned) {
      const auto pack = *reinterpret_cast<const Pack<float, 4>*>(from);
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[i] += pack.values[i];
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (column + i < output.n) sums[i] += from[i];
      }
    }
  }
  MatmulOutput whole = output;
  whole.parts = nullptr;
  whole.write(sums, 0, row, column);
}

}  // namespace

MatmulOutput matmul_output(const MatmulProblem& problem, Activation activation,
                           const MatmulChoice& choice, DType out, const Buffers& buffers) {
  void* y = buffers.outputs[0];
  return {.y = y,
          .parts = choice.splits > 1 ? static_cast<float*>(buffers.scratch) : nullptr,
          .bias = buffers.inputs.size() > 2 ? buffers.in<float>(2) : nullptr,
          .m = static_cast<int>(problem.m),
          .n = static_cast<int>(problem.n),
          .dtype = out,
          .has_relu = activation == Activation::relu,
          .is_aligned = problem.n % 4 == 0 && (out == DType::f32 ? fits_pack<float, 4>(y, 0)
                                                                 : fits_pack<__half, 4>(y, 0))};
}

void launch_matmul_add_parts(const MatmulOutput& output, int parts, cudaStream_t stream) {
  if (output.parts == nullptr) return;
  const std::int64_t threads = static_cast<std::int64_t>((output.n + 3) / 4) * output.m;
  const LaunchConfig config{.grid = dim3(blocks_for(threads, kThreads)), .block = dim3(kThreads)};
  ENGINE_LAUNCH(matmul_add_parts_kernel, config, stream, output, parts);
}

}  // namespace engine::cuda
