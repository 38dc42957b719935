#include <bit>
#include <cstring>

#include <cuda_fp16.h>

#include "matrix_product.h"
#include "number_formats.h"
#include "runtime_state.h"
#include "simt/ptx_operations.h"

// ldmatrix, stmatrix and mma.sync: the last lane does the work of its warp. ld.shared is each
// lane's own.
namespace engine::simt {
namespace {

// --- 8x8 matrices of 16-bit elements
// ---------------------------------------------------------------

struct MatrixArgument {
  std::uint32_t address;
  std::uint32_t* loaded;
  const std::uint32_t* stored;
  const void* pc;
};

MatrixArgument& matrix_argument(Warp* warp, int lane) {
  return *static_cast<MatrixArgument*>(warp->lanes[lane].argument);
}

using Rows = std::uint16_t[8][8];

// Rows that share a bank are read one after the other; equal rows are read once.
void count_bank_conflicts(Warp* warp, int matrix) {
  std::uint32_t banks = 0, rows[8];
  runtime_counters.ldmatrix_phases++;
  for (int i = 0; i < 8; i++) {
    rows[i] = matrix_argument(warp, matrix * 8 + i).address / 16;
    bool seen = false;
    for (int k = 0; k < i; k++) seen |= rows[k] == rows[i];
    if (seen) continue;
    const std::uint32_t bank = 1u << (rows[i] % 8);
    if (banks & bank) runtime_counters.ldmatrix_conflicts++;
    banks |= bank;
  }
}

void* row_pointer(Warp* warp, int lane, Access access, const char* instruction) {
  Fiber& fiber = warp->lanes[lane];
  const MatrixArgument& argument = matrix_argument(warp, lane);
  if (argument.address % 16) {
    current_fiber = &fiber;
    fail("misaligned", "%s row address 0x%x is not 16-byte aligned, at %s:%d", instruction,
         argument.address, file_name(fiber.where.file), fiber.where.line);
  }
  void* const p = shared_pointer(argument.address, warp->block);
  if (access_checks) check_access(p, 16, access, argument.pc, &fiber);
  return p;
}

// Lane l holds two neighbours of row l / 4; transposed: of column l / 4.
template <int kMatrices, bool kTransposed>
void load_matrices(Warp* warp, std::uint32_t) {
  alignas(16) Rows rows;
  for (int matrix = 0; matrix < kMatrices; matrix++) {
    count_bank_conflicts(warp, matrix);
    for (int i = 0; i < 8; i++) {
      std::memcpy(rows[i], row_pointer(warp, matrix * 8 + i, Access::kRead, "ldmatrix"), 16);
    }
    for (int lane = 0; lane < 32; lane++) {
      const int group = lane / 4, pair = lane % 4 * 2;
      const std::uint32_t low = kTransposed ? rows[pair][group] : rows[group][pair];
      const std::uint32_t high = kTransposed ? rows[pair + 1][group] : rows[group][pair + 1];
      matrix_argument(warp, lane).loaded[matrix] = low | high << 16;
    }
  }
}

template <int kMatrices, bool kTransposed>
void store_matrices(Warp* warp, std::uint32_t) {
  alignas(16) Rows rows;
  for (int matrix = 0; matrix < kMatrices; matrix++) {
    for (int lane = 0; lane < 32; lane++) {
      const int group = lane / 4, pair = lane % 4 * 2;
      const std::uint32_t value = matrix_argument(warp, lane).stored[matrix];
      (kTransposed ? rows[pair][group] : rows[group][pair]) = static_cast<std::uint16_t>(value);
      (kTransposed ? rows[pair + 1][group] : rows[group][pair + 1]) =
          static_cast<std::uint16_t>(value >> 16);
    }
    for (int i = 0; i < 8; i++) {
      std::memcpy(row_pointer(warp, matrix * 8 + i, Access::kWrite, "stmatrix"), rows[i], 16);
    }
  }
}

// --- mma
// ---------------------------------------------------------------------------------------------

struct MmaArgument {
  float* d;
  const std::uint32_t *a, *b;
};

template <MmaType kType>
float2 pair_of(std::uint32_t bits) {
  if constexpr (kType == MmaType::kBf16) return {bf16_low(bits), bf16_high(bits)};
  return {f16_low(bits), f16_high(bits)};
}

template <MmaType kType>
void put_pair(float* to, std::uint32_t bits) {
  const float2 pair = pair_of<kType>(bits);
  to[0] = pair.x;
  to[1] = pair.y;
}

// Fragment layouts: PTX ISA, "Matrix Fragments for mma.m16n8k16" and "mma.m16n8k8".
template <MmaType kType>
void multiply_fragments(Warp* warp, std::uint32_t) {
  alignas(32) float a[16][16], b[16][8], d[16][8];
  for (int lane = 0; lane < 32; lane++) {
    const auto& argument = *static_cast<MmaArgument*>(warp->lanes[lane].argument);
    const int group = lane / 4, thread = lane % 4;
    if constexpr (kType == MmaType::kTf32) {
      a[group][thread] = tf32(argument.a[0]);
      a[group + 8][thread] = tf32(argument.a[1]);
      a[group][thread + 4] = tf32(argument.a[2]);
      a[group + 8][thread + 4] = tf32(argument.a[3]);
      b[thread][group] = tf32(argument.b[0]);
      b[thread + 4][group] = tf32(argument.b[1]);
    } else {
      put_pair<kType>(&a[group][2 * thread], argument.a[0]);
      put_pair<kType>(&a[group + 8][2 * thread], argument.a[1]);
      put_pair<kType>(&a[group][2 * thread + 8], argument.a[2]);
      put_pair<kType>(&a[group + 8][2 * thread + 8], argument.a[3]);
      for (int half = 0; half < 2; half++) {
        const float2 pair = pair_of<kType>(argument.b[half]);
        b[2 * thread + half * 8][group] = pair.x;
        b[2 * thread + half * 8 + 1][group] = pair.y;
      }
    }
    std::memcpy(&d[group][2 * thread], argument.d, 8);
    std::memcpy(&d[group + 8][2 * thread], argument.d + 2, 8);
  }
  multiply_16x8(a, b, d, kType == MmaType::kTf32 ? 8 : 16);
  for (int lane = 0; lane < 32; lane++) {
    float* const out = static_cast<MmaArgument*>(warp->lanes[lane].argument)->d;
    std::memcpy(out, &d[lane / 4][lane % 4 * 2], 8);
    std::memcpy(out + 2, &d[lane / 4 + 8][lane % 4 * 2], 8);
  }
}

}  // namespace

std::uint32_t load_shared(std::uint32_t address, Location where) {
  std::uint32_t word = 0;
  if (address % sizeof word) {
    fail("misaligned", "ld.shared address 0x%x is not 4-byte aligned, at %s:%d", address,
         file_name(where.file), where.line);
  }
  const void* const p = shared_pointer(address);
  if (access_checks) check_access(p, sizeof word, Access::kRead, __builtin_return_address(0));
  std::memcpy(&word, p, sizeof word);
  return word;
}

void ldmatrix(std::uint32_t* registers, std::uint32_t address, int matrices, bool transposed,
              Location where) {
  static constexpr PerformCollective kForms[3][2] = {
      {load_matrices<1, false>, load_matrices<1, true>},
      {load_matrices<2, false>, load_matrices<2, true>},
      {load_matrices<4, false>, load_matrices<4, true>}};
  MatrixArgument argument{address, registers, nullptr, __builtin_return_address(0)};
  warp_collective(~0u, Collective::kLdmatrix, &argument, kForms[matrices / 2][transposed], where);
}

void stmatrix(const std::uint32_t* registers, std::uint32_t address, int matrices, bool transposed,
              Location where) {
  static constexpr PerformCollective kForms[3][2] = {
      {store_matrices<1, false>, store_matrices<1, true>},
      {store_matrices<2, false>, store_matrices<2, true>},
      {store_matrices<4, false>, store_matrices<4, true>}};
  MatrixArgument argument{address, nullptr, registers, __builtin_return_address(0)};
  warp_collective(~0u, Collective::kStmatrix, &argument, kForms[matrices / 2][transposed], where);
}

void mma(MmaType type, float* d, const std::uint32_t* a, const std::uint32_t* b, Location where) {
  MmaArgument argument{d, a, b};
  PerformCollective perform = multiply_fragments<MmaType::kBf16>;
  if (type == MmaType::kF16) perform = multiply_fragments<MmaType::kF16>;
  if (type == MmaType::kTf32) perform = multiply_fragments<MmaType::kTf32>;
  warp_collective(~0u, Collective::kMma, &argument, perform, where);
}

}  // namespace engine::simt
