// Products by f32 multiply-add, for every type, transposition and size. m, n, k: y [m, n] = op(a)
// [m, k] op(b) [k, n].
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/matmul_epilogue.h"
#include "engine/kernels/cuda/matmul_operand.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;  // 16 x 16
constexpr int kTileK = 16;
constexpr int kPad = 4;  // floats behind a line of a tile, against bank conflicts

// A thread's share of a tile of kTile rows and kTileK terms, on its way from global memory.
template <class T, int kTile>
class TileLoader {
 public:
  __device__ TileLoader(const MatmulOperand<T>& operand, int first_row)
      : operand_(operand), first_row_(first_row) {}

  __device__ void read(int first_term, int end) {
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {
      const int row = first_row_ + row_of(i), term = first_term + term_of(i);
#pragma unroll
      for (int j = 0; j < 4; ++j) values_[i][j] = 0;
      if (row >= operand_.rows || term >= end) continue;
      const T* from = operand_.at(row, term);
      if (operand_.is_aligned) {
        const auto pack = *reinterpret_cast<const Pack<T, 4>*>(from);
#pragma unroll
        for (int j = 0; j < 4; ++j) values_[i][j] = load(pack.values[j]);
      } else {
        const int inside = operand_.is_along_terms ? end - term : operand_.rows - row;
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (j < inside) values_[i][j] = load(from[j]);
        }
      }
    }
  }

  __device__ void write(float (&tile)[kTileK][kTile + kPad]) const {
#pragma unroll
    for (int i = 0; i < kPacks; ++i) {
      const int row = row_of(i), term = term_of(i);
      if (operand_.is_along_terms) {
#pragma unroll
        for (int j = 0; j < 4; ++j) tile[term + j][row] = values_[i][j];
      } else {
        Pack<float, 4> pack;
#pragma unroll
        for (int j = 0; j < 4; ++j) pack.values[j] = values_[i][j];
        *reinterpret_cast<Pack<float, 4>*>(&tile[term][row]) = pack;
      }
    }
  }

 private:
  static constexpr int kPacks = kTile * kTileK / 4 / kThreads;

  // Neighbouring threads take neighbouring packs along the contiguous side.
  __device__ int row_of(int i) const {
    const int pack = static_cast<int>(threadIdx.x) + i * kThreads;
    return operand_.is_along_terms ? pack / (kTileK / 4) : pack % (kTile / 4) * 4;
  }
  __device__ int term_of(int i) const {
    const int pack = static_cast<int>(threadIdx.x) + i * kThreads;
    return operand_.is_along_terms ? pack % (kTileK / 4) * 4 : pack / (kTile / 4);
  }

  const MatmulOperand<T>& operand_;
  int first_row_;
  float values_[kPacks][4];
};

// A block makes kTile x kTile results of one part of k, in steps of kTileK terms through two
// buffers in shared memory. A thread makes (kTile / 16)^2 of them: groups of 4 x 4 that lie 64
// apart, so that the reads of a warp touch every bank once.
// Floor: 2 m n k f32 operations; 128 x 128 tiles read 1/32 of an element for each multiply-add.
template <class T, int kTile>
__global__ void __launch_bounds__(kThreads, kTile == 64 ? 3 : 2)
    matmul_plain_kernel(const __grid_constant__ MatmulOperand<T> a,
                        const __grid_constant__ MatmulOperand<T> b, MatmulTerms terms,
                        const __grid_constant__ MatmulOutput output) {
  constexpr int kGroups = kTile / 64;
  __shared__ __align__(16) float a_tile[2][kTileK][kTile + kPad];
  __shared__ __align__(16) float b_tile[2][kTileK][kTile + kPad];
  const int columns = (output.n + kTile - 1) / kTile;
  const int first_row = static_cast<int>(blockIdx.x) / columns * kTile;
  const int first_column = static_cast<int>(blockIdx.x) % columns * kTile;
  const int part = static_cast<int>(blockIdx.y);
  const int begin = part * terms.per_part;
  const int end = min(terms.count, begin + terms.per_part);
  const int y = static_cast<int>(threadIdx.x) / 16 * 4, x = static_cast<int>(threadIdx.x) % 16 * 4;

  TileLoader<T, kTile> a_loader(a, first_row), b_loader(b, first_column);
  float sums[kGroups][4][kGroups][4] = {};
  a_loader.read(begin, end);
  b_loader.read(begin, end);
  for (int term = begin, buffer = 0; term < end; term += kTileK, buffer ^= 1) {
    // Who writes here has passed the barrier behind the last reads of this buffer.
    a_loader.write(a_tile[buffer]);
    b_loader.write(b_tile[buffer]);
    __syncthreads();
    a_loader.read(term + kTileK, end);
    b_loader.read(term + kTileK, end);
#pragma unroll
    for (int k = 0; k < kTileK; ++k) {
      Pack<float, 4> left[kGroups], right[kGroups];
#pragma unroll
      for (int group = 0; group < kGroups; ++group) {
        left[group] = *reinterpret_cast<const Pack<float, 4>*>(&a_tile[buffer][k][group * 64 + y]);
        right[group] = *reinterpret_cast<const Pack<float, 4>*>(&b_tile[buffer][k][group * 64 + x]);
      }
#pragma unroll
      for (int row = 0; row < kGroups * 4; ++row) {
#pragma unroll
        for (int column = 0; column < kGroups * 4; ++column) {
          float& sum = sums[row / 4][row % 4][column / 4][column % 4];
          sum = fmaf(left[row / 4].values[row % 4], right[column / 4].values[column % 4], sum);
        }
      }
    }
  }
#pragma unroll
  for (int row = 0; row < kGroups * 4; ++row) {
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      output.write(sums[row / 4][row % 4][group], part, first_row + row / 4 * 64 + y + row % 4,
                   first_column + group * 64 + x);
    }
  }
}

template <class T, int kTile>
std::unique_ptr<Kernel> plain(const MatmulProblem& problem, Activation activation,
                              const MatmulChoice& choice, DType out) {
  const LaunchConfig config{.grid = matmul_grid(problem, choice), .block = dim3(kThreads)};
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const auto output = matmul_output(problem, activation, choice, out, buffers);
        launch("matmul_plain_kernel", matmul_plain_kernel<T, kTile>, config, stream_of(stream),
               matmul_a<T, 4>(problem, buffers), matmul_b<T, 4>(problem, buffers),
               matmul_terms(problem, choice), output);
        launch_matmul_add_parts(output, choice.splits, stream_of(stream));
      },
      split_bytes(problem, choice), join(choice));
}

template <class T>
std::unique_ptr<Kernel> plain(const MatmulProblem& problem, Activation activation,
                              const MatmulChoice& choice, DType out) {
  return choice.tile_m == 128 ? plain<T, 128>(problem, activation, choice, out)
                              : plain<T, 64>(problem, activation, choice, out);
}

}  // namespace

std::unique_ptr<Kernel> prepare_matmul_plain(const MatmulProblem& problem, Activation activation,
                                             const MatmulChoice& choice,
                                             const PrepareContext& context) {
  const DType out = context.outputs[0].dtype;
  return context.inputs[0].dtype == DType::f32
             ? plain<float>(problem, activation, choice, out)
             : plain<__nv_bfloat16>(problem, activation, choice, out);
}

}  // namespace engine::cuda
