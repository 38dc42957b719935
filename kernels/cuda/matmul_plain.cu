// Products by f32 multiply-add, for every type, transposition and size. m, n, k: y [m, n] = op(a)
// [m, k] op(b) [k, n]. Not run on a GPU yet.
#include <cstdint>

#include "engine/core/cuda/launch.h"
#include "engine/kernels/cuda/matmul_epilogue.h"

namespace engine::cuda {

namespace {

constexpr int kThreads = 256;  // 16 x 16
constexpr int kTileK = 16;
constexpr int kPad = 4;  // floats behind a line of a tile, against bank conflicts

// op(a) or op(b) as rows along m or n and terms along k; one of the two is contiguous.
template <class T>
struct Operand {
  const T* data;
  std::int64_t line;  // elements between neighbours along the other one
  int rows;
  bool is_term_contiguous;
  bool is_aligned;  // four neighbours may be read at once, and are all inside or all outside

  __device__ const T* at(int row, int term) const {
    return is_term_contiguous ? data + row * line + term : data + term * line + row;
  }
};

struct Terms {
  int count;     // k
  int per_part;  // of a split, a multiple of kTileK
};

// A thread's share of a tile of kTile rows and kTileK terms, on its way from global memory.
template <class T, int kTile>
class TileLoader {
 public:
  __device__ TileLoader(const Operand<T>& operand, int first_row)
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
        const int inside = operand_.is_term_contiguous ? end - term : operand_.rows - row;
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
      if (operand_.is_term_contiguous) {
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
    return operand_.is_term_contiguous ? pack / (kTileK / 4) : pack % (kTile / 4) * 4;
  }
  __device__ int term_of(int i) const {
    const int pack = static_cast<int>(threadIdx.x) + i * kThreads;
    return operand_.is_term_contiguous ? pack % (kTileK / 4) * 4 : pack / (kTile / 4);
  }

  const Operand<T>& operand_;
  int first_row_;
  float values_[kPacks][4];
};

// A block makes kTile x kTile results of one part of k, in steps of kTileK terms through two
// buffers in shared memory. A thread makes (kTile / 16)^2 of them: groups of 4 x 4 that lie 64
// apart, so that the reads of a warp touch every bank once.
// Floor: 2 m n k f32 operations; 128 x 128 tiles read 1/32 of an element for each multiply-add.
template <class T, class Y, int kTile>
__global__ void __launch_bounds__(kThreads, kTile == 64 ? 3 : 2)
    matmul_plain_kernel(const __grid_constant__ Operand<T> a, const __grid_constant__ Operand<T> b,
                        Terms terms, const __grid_constant__ MatmulOutput<Y> output) {
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

template <class T>
Operand<T> operand_of(const void* data, std::int64_t rows, std::int64_t terms,
                      bool is_term_contiguous) {
  const std::int64_t line = is_term_contiguous ? terms : rows;
  return {.data = static_cast<const T*>(data),
          .line = line,
          .rows = static_cast<int>(rows),
          .is_term_contiguous = is_term_contiguous,
          .is_aligned = fits_pack<T, 4>(data, line)};
}

template <class T, class Y, int kTile>
std::unique_ptr<Kernel> plain(const MatmulProblem& problem, Activation activation,
                              const MatmulChoice& choice) {
  const std::int64_t tiles = ((problem.m + kTile - 1) / kTile) * ((problem.n + kTile - 1) / kTile);
  const dim3 grid(static_cast<unsigned>(tiles), static_cast<unsigned>(choice.splits));
  const Terms terms{.count = static_cast<int>(problem.k),
                    .per_part = static_cast<int>(split_length(problem, choice))};
  return make_kernel(
      [=](const Stream& stream, const Buffers& buffers) {
        const MatmulOptions& options = problem.options;
        const auto a = operand_of<T>(buffers.inputs[0], problem.m, problem.k, !options.transpose_a);
        const auto b = operand_of<T>(buffers.inputs[1], problem.n, problem.k, options.transpose_b);
        const auto output = matmul_output<Y>(problem, activation, choice, buffers);
        launch("matmul_plain_kernel", matmul_plain_kernel<T, Y, kTile>,
               {.grid = grid, .block = dim3(kThreads)}, stream_of(stream), a, b, terms, output);
        launch_matmul_add_parts(output, choice.splits, stream_of(stream));
      },
      split_bytes(problem, choice), join(choice));
}

template <class T, class Y>
std::unique_ptr<Kernel> plain(const MatmulProblem& problem, Activation activation,
                              const MatmulChoice& choice) {
  return choice.tile_m == 128 ? plain<T, Y, 128>(problem, activation, choice)
                              : plain<T, Y, 64>(problem, activation, choice);
}

}  // namespace

std::unique_ptr<Kernel> prepare_matmul_plain(const MatmulProblem& problem, Activation activation,
                                             const MatmulChoice& choice,
                                             const PrepareContext& context) {
  if (context.inputs[0].dtype == DType::f32) {
    return plain<float, float>(problem, activation, choice);
  }
  if (context.outputs[0].dtype == DType::f32) {
    return plain<__nv_bfloat16, float>(problem, activation, choice);
  }
  return plain<__nv_bfloat16, __nv_bfloat16>(problem, activation, choice);
}

}  // namespace engine::cuda
