// softmax and the cross entropies on CUDA.
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/block_sums.h"
#include "engine/kernels/cuda/packs.h"
#include "engine/kernels/losses.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kElements = kPackElements<float>;

// --- row by row ---

struct Largest {  // may lose a NaN, which then shows in the sum
  __device__ static float apply(float a, float b) { return a < b ? b : a; }
};

// A row as one of its threads sees it: `lanes` of them, a power of two up to 32, or the whole
// block.
template <bool kIsBlock>
struct Row {
  std::int64_t index, classes;
  int lane, lanes;
  bool exists, is_aligned;

  // body(first, left) for each pack of this thread: where it begins, the elements it has.
  template <class Body>
  __device__ void for_packs(const Body& body) const {
    for (std::int64_t first = std::int64_t{kElements} * lane; exists && first < classes;
         first += std::int64_t{kElements} * lanes) {
      body(first, classes - first);
    }
  }
  __device__ void load(const float* x, std::int64_t first, float (&values)[kElements]) const {
    load_pack(x + index * classes, first, classes, is_aligned, values);
  }
  __device__ void store(float* y, std::int64_t first, const float (&values)[kElements]) const {
    store_pack(y + index * classes, first, classes, is_aligned, values);
  }

  // Of all threads' values, in a fixed order; every thread gets it.
  template <class Operation>
  __device__ float combine(float value) const {
    if constexpr (kIsBlock) {
      float values[1] = {value};
      combine_block<Operation, kThreads>(values);
      return values[0];
    } else {
      return combine_lanes<Operation>(value, lanes);
    }
  }

  __device__ float largest(const float* x) const {
    float result = -INFINITY;
    for_packs([&](std::int64_t first, std::int64_t left) {
      float values[kElements];
      load(x, first, values);
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        if (i < left) result = Largest::apply(result, values[i]);
      }
    });
    return combine<Largest>(result);
  }
  __device__ float sum_exp(const float* x, float largest) const {
    float result = 0;
    for_packs([&](std::int64_t first, std::int64_t left) {
      float values[kElements];
      load(x, first, values);
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        if (i < left) result += expf(values[i] - largest);
      }
    });
    return combine<Total>(result);
  }
};

struct Softmax {
  const float* x;
  float* y;

  bool is_aligned() const { return are_aligned(x, y); }
  template <bool kIsBlock>
  __device__ void apply(const Row<kIsBlock>& row) const {
    const float largest = row.largest(x);
    const float sum = row.sum_exp(x, largest);
    row.for_packs([&](std::int64_t first, std::int64_t) {
      float values[kElements];
      row.load(x, first, values);
#pragma unroll
      for (int i = 0; i < kElements; ++i) values[i] = expf(values[i] - largest) / sum;
      row.store(y, first, values);
    });
  }
};

// dx = y (dy - sum(dy y))
struct SoftmaxBackward {
  const float *dy, *y;
  float* dx;

  bool is_aligned() const { return are_aligned(dy, y, dx); }
  template <bool kIsBlock>
  __device__ void apply(const Row<kIsBlock>& row) const {
    float sum = 0;
    row.for_packs([&](std::int64_t first, std::int64_t) {
      float dys[kElements], ys[kElements];
      row.load(dy, first, dys);
      row.load(y, first, ys);
#pragma unroll
      for (int i = 0; i < kElements; ++i) sum += dys[i] * ys[i];
    });
    sum = row.template combine<Total>(sum);
    row.for_packs([&](std::int64_t first, std::int64_t) {
      float dys[kElements], ys[kElements];
      row.load(dy, first, dys);
      row.load(y, first, ys);
#pragma unroll
      for (int i = 0; i < kElements; ++i) ys[i] *= dys[i] - sum;
      row.store(dx, first, ys);
    });
  }
};

struct SoftmaxCrossEntropy {
  const float* logits;
  const std::int32_t* labels;
  float* loss;

  bool is_aligned() const { return are_aligned(logits); }
  template <bool kIsBlock>
  __device__ void apply(const Row<kIsBlock>& row) const {
    const float largest = row.largest(logits);
    const float sum = row.sum_exp(logits, largest);
    if (!row.exists || row.lane != 0) return;
    const std::int32_t label = labels[row.index];
    const bool is_known = label >= 0 && label < row.classes;
    loss[row.index] =
        is_known ? logf(sum) - (logits[row.index * row.classes + label] - largest) : NAN;
  }
};

// dlogits = dloss (softmax - one_hot(label))
struct SoftmaxCrossEntropyBackward {
  const float *dloss, *logits;
  const std::int32_t* labels;
  float* dlogits;

  bool is_aligned() const { return are_aligned(logits, dlogits); }
  template <bool kIsBlock>
  __device__ void apply(const Row<kIsBlock>& row) const {
    const float largest = row.largest(logits);
    const float sum = row.sum_exp(logits, largest);
    if (!row.exists) return;
    const std::int32_t label = labels[row.index];
    const bool is_known = label >= 0 && label < row.classes;
    const float scale = is_known ? dloss[row.index] : NAN;
    row.for_packs([&](std::int64_t first, std::int64_t) {
      float values[kElements];
      row.load(logits, first, values);
#pragma unroll
      for (int i = 0; i < kElements; ++i) {
        const float p = expf(values[i] - largest) / sum;
        values[i] = scale * (first + i == label ? p - 1.0f : p);
      }
      row.store(dlogits, first, values);
    });
  }
};

// A row belongs to `lanes` threads of a warp, or, where it is long, to a block; a thread takes
// packs of 4. Rows are read up to three times, from L1 after the first. Floor: the inputs read and
// the outputs written once.
template <class Rule, bool kIsBlock>
__global__ void __launch_bounds__(kThreads)
    rows_kernel(Rule rule, std::int64_t rows, std::int64_t classes, int lanes, bool is_aligned) {
  const std::int64_t index = kIsBlock ? blockIdx.x : global_thread() / lanes;
  const Row<kIsBlock> row{.index = index,
                          .classes = classes,
                          .lane = static_cast<int>(threadIdx.x) % lanes,
                          .lanes = lanes,
                          .exists = index < rows,
                          .is_aligned = is_aligned};
  rule.apply(row);
}

template <class Rule>
void for_rows(const char* name, const Rule& rule, std::int64_t rows, std::int64_t classes,
              const Stream& stream) {
  constexpr std::int64_t kLongest = 4096;  // that threads of one warp share
  const bool is_aligned = classes % kElements == 0 && rule.is_aligned();
  if (classes > kLongest) {
    launch(name, rows_kernel<Rule, true>,
           {.grid = dim3(blocks_for(rows, 1)), .block = dim3(kThreads)}, stream_of(stream), rule,
           rows, classes, kThreads, is_aligned);
    return;
  }
  int lanes = 1;
  while (lanes < 32 && lanes * kElements < classes) lanes *= 2;
  launch(name, rows_kernel<Rule, false>,
         {.grid = dim3(blocks_for(rows, kThreads / lanes)), .block = dim3(kThreads)},
         stream_of(stream), rule, rows, classes, lanes, is_aligned);
}

// --- element by element ---

// A thread does one pack of 16 bytes. Floor: logits and targets read, the loss written once.
__global__ void __launch_bounds__(kThreads)
    binary_cross_entropy_kernel(const float* logits, const float* targets, float* loss,
                                std::int64_t count, bool is_aligned) {
  const std::int64_t first = kElements * global_thread();
  float z[kElements], t[kElements];
  load_pack(logits, first, count, is_aligned, z);
  load_pack(targets, first, count, is_aligned, t);
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    const float positive = z[i] < 0.0f ? 0.0f : z[i];
    z[i] = (positive - z[i] * t[i]) + log1pf(expf(-fabsf(z[i])));
  }
  store_pack(loss, first, count, is_aligned, z);
}

// A thread does one pack of 16 bytes. Floor: three tensors read, dlogits written once.
__global__ void __launch_bounds__(kThreads)
    binary_cross_entropy_backward_kernel(const float* dloss, const float* logits,
                                         const float* targets, float* dlogits, std::int64_t count,
                                         bool is_aligned) {
  const std::int64_t first = kElements * global_thread();
  float dy[kElements], z[kElements], t[kElements];
  load_pack(dloss, first, count, is_aligned, dy);
  load_pack(logits, first, count, is_aligned, z);
  load_pack(targets, first, count, is_aligned, t);
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    const float e = expf(-fabsf(z[i]));
    const float sigmoid = (z[i] < 0.0f ? e : 1.0f) / (1.0f + e);
    z[i] = dy[i] * (sigmoid - t[i]);
  }
  store_pack(dlogits, first, count, is_aligned, z);
}

LaunchConfig config_for(std::int64_t count) {
  return {.grid = dim3(blocks_for(count, kThreads * kElements)), .block = dim3(kThreads)};
}

}  // namespace

std::unique_ptr<Kernel> prepare_softmax(std::int64_t rows, std::int64_t classes) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    for_rows("softmax_kernel", Softmax{b.in<float>(0), b.out<float>(0)}, rows, classes, stream);
  });
}

std::unique_ptr<Kernel> prepare_softmax_backward(std::int64_t rows, std::int64_t classes) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    const SoftmaxBackward rule{b.in<float>(0), b.in<float>(1), b.out<float>(0)};
    for_rows("softmax_backward_kernel", rule, rows, classes, stream);
  });
}

std::unique_ptr<Kernel> prepare_softmax_cross_entropy(std::int64_t rows, std::int64_t classes) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    const SoftmaxCrossEntropy rule{b.in<float>(0), b.in<std::int32_t>(1), b.out<float>(0)};
    for_rows("softmax_cross_entropy_kernel", rule, rows, classes, stream);
  });
}

std::unique_ptr<Kernel> prepare_softmax_cross_entropy_backward(std::int64_t rows,
                                                               std::int64_t classes) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    const SoftmaxCrossEntropyBackward rule{b.in<float>(0), b.in<float>(1), b.in<std::int32_t>(2),
                                           b.out<float>(0)};
    for_rows("softmax_cross_entropy_backward_kernel", rule, rows, classes, stream);
  });
}

std::unique_ptr<Kernel> prepare_binary_cross_entropy(std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    const float *logits = b.in<float>(0), *targets = b.in<float>(1);
    auto* loss = b.out<float>(0);
    ENGINE_LAUNCH(binary_cross_entropy_kernel, config_for(count), stream_of(stream), logits,
                  targets, loss, count, are_aligned(logits, targets, loss));
  });
}

std::unique_ptr<Kernel> prepare_binary_cross_entropy_backward(std::int64_t count) {
  return make_kernel([=](const Stream& stream, const Buffers& b) {
    const float *dloss = b.in<float>(0), *logits = b.in<float>(1), *targets = b.in<float>(2);
    auto* dlogits = b.out<float>(0);
    ENGINE_LAUNCH(binary_cross_entropy_backward_kernel, config_for(count), stream_of(stream), dloss,
                  logits, targets, dlogits, count, are_aligned(dloss, logits, targets, dlogits));
  });
}

}  // namespace engine::cuda
