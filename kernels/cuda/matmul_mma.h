#pragma once

// Products on the tensor cores of 8.x: cp.async pipeline, ldmatrix, mma.sync. m, n, k: y [m, n] =
// op(a) [m, k] op(b) [k, n]. T is bf16, f16, or f32 for tf32.
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/matmul_epilogue.h"
#include "engine/kernels/cuda/matmul_operand.h"
#include "engine/kernels/cuda/mma_tile.h"
#include "engine/kernels/cuda/ptx/cp_async.h"

namespace engine::cuda {

// A tile of y, made by kWarpsM x kWarpsN warps.
template <int kTileM_, int kTileN_, int kWarpsM_, int kWarpsN_, int kStages_>
struct MatmulMmaConfig {
  static constexpr int kTileM = kTileM_, kTileN = kTileN_, kWarpsM = kWarpsM_, kWarpsN = kWarpsN_;
  static constexpr int kStages = kStages_, kThreads = 32 * kWarpsM * kWarpsN;
  static constexpr int kABytes = mma_tile_bytes(kTileM), kBBytes = mma_tile_bytes(kTileN);
  static constexpr int kStageBytes = kABytes + kBBytes, kSharedBytes = kStages * kStageBytes;
};
using MatmulMmaLarge = MatmulMmaConfig<128, 128, 2, 4, 3>;  // 96 KiB: one block on a multiprocessor
using MatmulMmaSmall = MatmulMmaConfig<64, 64, 2, 2, 4>;    // 64 KiB: two and more

// Brings the tiles of one operand into shared memory. Eight neighbouring threads copy one line.
template <class T, int kRows, int kThreads, bool kAlongTerms>
class MatmulMmaLoader {
 public:
  __device__ MatmulMmaLoader(const MatmulOperand<T>& operand, int first_row)
      : operand_(operand), first_row_(first_row) {}

  // Terms [first_term, first_term + kMmaTerms<T>) of the rows into `tile`; zeros from `end` on.
  __device__ __forceinline__ void load(std::uint32_t tile, char* memory, int first_term,
                                       int end) const {
    const int chunk = static_cast<int>(threadIdx.x) & 7;
#pragma unroll
    for (int i = 0; i < kRows / kLinesAtOnce; ++i) {
      const int line = static_cast<int>(threadIdx.x) / 8 + i * kLinesAtOnce;
      int row = first_row_, term = first_term;
      if constexpr (kAlongTerms) {
        row += line;
        term += chunk * kChunk;
      } else {
        row += line / kMmaTerms<T> * kMmaLineElements<T> + chunk * kChunk;
        term += line % kMmaTerms<T>;
      }
      const bool is_inside = row < operand_.rows && term < end;
      const T* from = is_inside ? operand_.data + offset(row, term) : operand_.data;
      const std::uint32_t to = mma_chunk<T, kAlongTerms>(line, chunk);
      if (operand_.is_aligned) {
        ptx::cp_async_or_zero<16>(tile + to, from, is_inside);
      } else {
        copy_by_element(memory + to, from,
                        !is_inside    ? 0
                        : kAlongTerms ? end - term
                                      : operand_.rows - row);
      }
    }
  }

 private:
  static constexpr int kChunk = kMmaChunk<T>, kLinesAtOnce = kThreads / 8;

  __device__ __forceinline__ std::int64_t offset(int row, int term) const {
    return kAlongTerms ? row * operand_.line + term : term * operand_.line + row;
  }
  static __device__ void copy_by_element(char* to, const T* from, int count) {
    Pack<T, kChunk> pack;
#pragma unroll
    for (int i = 0; i < kChunk; ++i) pack.values[i] = i < count ? from[i] : store<T>(0.0f);
    *reinterpret_cast<Pack<T, kChunk>*>(to) = pack;
  }

  const MatmulOperand<T>& operand_;
  int first_row_;
};

// A block makes a tile of y from one part of k, kMmaTerms<T> at a time, which a ring of stages
// brings into shared memory while the warps multiply those before; a warp makes 64 x 32 or 32 x 32
// of it. Floor: 2 m n k operations on the tensor cores, of which there are half as many a second in
// tf32; for 1024 of them a 128 x 128 tile reads 48 bytes of shared memory and 16 bytes of global
// memory, in tf32 twice that.
template <class T, class C, bool kAAlongTerms, bool kBAlongTerms>
__global__ void __launch_bounds__(C::kThreads)
    matmul_mma_kernel(const __grid_constant__ MatmulOperand<T> a,
                      const __grid_constant__ MatmulOperand<T> b, MatmulTerms terms,
                      const __grid_constant__ MatmulOutput output) {
  ENGINE_DYNAMIC_SHARED(char, memory);
  const std::uint32_t shared = ptx::shared_address(memory);
  const int columns = (output.n + C::kTileN - 1) / C::kTileN;
  const int first_row = static_cast<int>(blockIdx.x) / columns * C::kTileM;
  const int first_column = static_cast<int>(blockIdx.x) % columns * C::kTileN;
  const int part = static_cast<int>(blockIdx.y);
  const int begin = part * terms.per_part;
  const int end = min(terms.count, begin + terms.per_part);
  const int steps = (end - begin + kMmaTerms<T> - 1) / kMmaTerms<T>;

  const MatmulMmaLoader<T, C::kTileM, C::kThreads, kAAlongTerms> a_loader(a, first_row);
  const MatmulMmaLoader<T, C::kTileN, C::kThreads, kBAlongTerms> b_loader(b, first_column);
  const auto load = [&](int step) {
    if (step < steps) {
      const int at = step % C::kStages * C::kStageBytes, term = begin + step * kMmaTerms<T>;
      a_loader.load(shared + at, memory + at, term, end);
      b_loader.load(shared + at + C::kABytes, memory + at + C::kABytes, term, end);
    }
    ptx::cp_async_commit();
  };

  constexpr int kM = C::kTileM / C::kWarpsM, kN = C::kTileN / C::kWarpsN;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int row = warp / C::kWarpsN * kM, column = warp % C::kWarpsN * kN;
  MmaSums<T, kM, kN> sums;
#pragma unroll
  for (int step = 0; step < C::kStages - 1; ++step) load(step);
  for (int step = 0; step < steps; ++step) {
    ptx::cp_async_wait<C::kStages - 2>();
    __syncthreads();  // the stage is there, and nobody reads the one that is loaded next
    load(step + C::kStages - 1);
    const std::uint32_t at = shared + step % C::kStages * C::kStageBytes;
    sums.template multiply<kAAlongTerms, kBAlongTerms>(at, at + C::kABytes, row, column);
  }
  sums.for_each_pair(first_row + row, first_column + column,
                     [&](int y_row, int y_column, const float(&pair)[2]) {
                       output.write(pair, part, y_row, y_column);
                     });
}

template <class T, class C, bool kAAlongTerms, bool kBAlongTerms>
std::unique_ptr<Kernel> matmul_mma(const MatmulProblem& problem, Activation activation,
                                   const MatmulChoice& choice, DType out) {
  const LaunchConfig config{.grid = matmul_grid(problem, choice),
                            .block = dim3(C::kThreads),
                            .shared_bytes = C::kSharedBytes};
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const auto output = matmul_output(problem, activation, choice, out, buffers);
        launch("matmul_mma_kernel", matmul_mma_kernel<T, C, kAAlongTerms, kBAlongTerms>, config,
               stream_of(stream), matmul_a<T, kMmaChunk<T>>(problem, buffers),
               matmul_b<T, kMmaChunk<T>>(problem, buffers), matmul_terms(problem, choice), output);
        launch_matmul_add_parts(output, choice.splits, stream_of(stream));
      },
      split_bytes(problem, choice), join(choice));
}

template <class T, class C>
std::unique_ptr<Kernel> matmul_mma(const MatmulProblem& problem, Activation activation,
                                   const MatmulChoice& choice, DType out) {
  const bool a_along_terms = !problem.options.transpose_a;
  const bool b_along_terms = problem.options.transpose_b;
  if (a_along_terms) {
    return b_along_terms ? matmul_mma<T, C, true, true>(problem, activation, choice, out)
                         : matmul_mma<T, C, true, false>(problem, activation, choice, out);
  }
  return b_along_terms ? matmul_mma<T, C, false, true>(problem, activation, choice, out)
                       : matmul_mma<T, C, false, false>(problem, activation, choice, out);
}

template <class T>
std::unique_ptr<Kernel> matmul_mma(const MatmulProblem& problem, Activation activation,
                                   const MatmulChoice& choice, DType out) {
  return choice.tile_m == MatmulMmaLarge::kTileM
             ? matmul_mma<T, MatmulMmaLarge>(problem, activation, choice, out)
             : matmul_mma<T, MatmulMmaSmall>(problem, activation, choice, out);
}

// The parts of prepare_matmul_mma(), by the type of a and b; f32 is rounded to tf32.
std::unique_ptr<Kernel> prepare_matmul_mma_f16(const MatmulProblem& problem, Activation activation,
                                               const MatmulChoice& choice, DType out);
std::unique_ptr<Kernel> prepare_matmul_mma_tf32(const MatmulProblem& problem, Activation activation,
                                                const MatmulChoice& choice, DType out);

}  // namespace engine::cuda
