// gram and its gradient on CUDA: a product of matmul's, with a small kernel behind or before it.
// Not run on a GPU yet.
#include <array>
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/core/memory_plan.h"
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/gram.h"
#include "engine/kernels/matmul.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kPack = kPackElements<float>;
constexpr int kTile = 32, kTileRows = 8;

// A thread does one pack. Floor: y read and written once, which the product left in L2.
__global__ void __launch_bounds__(kThreads)
    scale_kernel(float* y, float scale, std::int64_t count, bool is_aligned) {
  const std::int64_t first = kPack * global_thread();
  float values[kPack];
  load_pack(y, first, count, is_aligned, values);
#pragma unroll
  for (int i = 0; i < kPack; ++i) values[i] *= scale;
  store_pack(y, first, count, is_aligned, values);
}

// sum = scale (dy + dy^T). A block makes a tile of 32 x 32, and reads the mirrored tile through
// shared memory so that both are read along rows. Floor: dy read twice, the sum written once.
template <class T>
__global__ void __launch_bounds__(kTile* kTileRows)
    symmetric_sum_kernel(const float* dy, float scale, T* sum, std::int64_t channels) {
  __shared__ float mirrored[kTile][kTile + 1];
  const std::int64_t row = std::int64_t{blockIdx.y} * kTile;
  const std::int64_t column = std::int64_t{blockIdx.x} * kTile;
  const int x = static_cast<int>(threadIdx.x);
#pragma unroll 2
  for (int y = static_cast<int>(threadIdx.y); y < kTile; y += kTileRows) {
    if (column + y < channels && row + x < channels) {
      mirrored[y][x] = dy[(column + y) * channels + row + x];
    }
  }
  __syncthreads();
#pragma unroll 2
  for (int y = static_cast<int>(threadIdx.y); y < kTile; y += kTileRows) {
    if (row + y < channels && column + x < channels) {
      const std::int64_t at = (row + y) * channels + column + x;
      sum[at] = store<T>(scale * (dy[at] + mirrored[x][y]));
    }
  }
}

// The kernel of a @ b with these types.
std::unique_ptr<Kernel> product_kernel(const TensorType& a, const TensorType& b,
                                       const MatmulOptions& options, const Device& device) {
  const std::array inputs = {a, b};
  const std::vector<TensorType> outputs = MatmulOp(options).infer(inputs);
  return prepare_matmul(matmul_problem(a.shape, b.shape, options), Activation::none,
                        {device, inputs, outputs, {}});
}

class GramKernel final : public Kernel {
 public:
  GramKernel(const GramProblem& problem, const PrepareContext& context) : problem_(problem) {
    const TensorType x{{problem.rows, problem.channels}, context.inputs[0].dtype};
    product_ = product_kernel(x, x, {.transpose_a = true, .f32_output = true}, context.device);
  }
  std::int64_t scratch_bytes() const override { return product_->scratch_bytes(); }
  std::string describe() const override { return product_->describe(); }
  void run(const Stream& stream, const Buffers& buffers) override {
    const std::array pair = {buffers.inputs[0], buffers.inputs[0]};
    product_->run(stream, {pair, buffers.outputs, buffers.scratch});
    if (problem_.scale == 1.0f) return;
    float* y = buffers.out<float>(0);
    const std::int64_t count = problem_.channels * problem_.channels;
    ENGINE_LAUNCH(
        scale_kernel,
        (LaunchConfig{.grid = dim3(blocks_for(count, kThreads * kPack)), .block = dim3(kThreads)}),
        stream_of(stream), y, problem_.scale, count, are_aligned(y));
  }

 private:
  GramProblem problem_;
  std::unique_ptr<Kernel> product_;
};

// dx = x S with S = scale (dy + dy^T), which lies at the front of the scratch.
template <class T>
class GramBackwardKernel final : public Kernel {
 public:
  GramBackwardKernel(const GramProblem& problem, const PrepareContext& context)
      : problem_(problem) {
    const DType dtype = context.inputs[1].dtype;
    const TensorType x{{problem.rows, problem.channels}, dtype};
    const TensorType sum{{problem.channels, problem.channels}, dtype};
    sum_bytes_ = aligned(sum.bytes());
    product_ = product_kernel(x, sum, {}, context.device);
  }
  std::int64_t scratch_bytes() const override { return sum_bytes_ + product_->scratch_bytes(); }
  std::string describe() const override { return product_->describe(); }
  void run(const Stream& stream, const Buffers& buffers) override {
    const unsigned tiles = blocks_for(problem_.channels, kTile);
    launch("symmetric_sum_kernel", symmetric_sum_kernel<T>,
           {.grid = dim3(tiles, tiles), .block = dim3(kTile, kTileRows)}, stream_of(stream),
           buffers.in<float>(0), problem_.scale, static_cast<T*>(buffers.scratch),
           problem_.channels);
    const std::array pair = {buffers.inputs[1], static_cast<const void*>(buffers.scratch)};
    product_->run(stream,
                  {pair, buffers.outputs, static_cast<char*>(buffers.scratch) + sum_bytes_});
  }

 private:
  GramProblem problem_;
  std::int64_t sum_bytes_ = 0;
  std::unique_ptr<Kernel> product_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_gram(const GramProblem& problem, const PrepareContext& context) {
  return std::make_unique<GramKernel>(problem, context);
}

std::unique_ptr<Kernel> prepare_gram_backward(const GramProblem& problem,
                                              const PrepareContext& context) {
  if (context.inputs[1].dtype == DType::f32) {
    return std::make_unique<GramBackwardKernel<float>>(problem, context);
  }
  return std::make_unique<GramBackwardKernel<__nv_bfloat16>>(problem, context);
}

}  // namespace engine::cuda
