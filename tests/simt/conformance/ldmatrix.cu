#include "conformance.h"
#include "engine/kernels/cuda/ptx/ldmatrix.h"

// ldmatrix and stmatrix: every element is its own index, in rows 48 bytes apart.
namespace engine::conformance {
namespace {

constexpr int kRow = 24, kRows = 32;  // elements of a row of 8, and rows of up to 4 matrices

template <int kMatrices, bool kTransposed>
__global__ void ldmatrix_kernel(const std::uint16_t* in, std::uint32_t* registers) {
  __shared__ __align__(16) std::uint16_t rows[kRows * kRow];
  for (int i = threadIdx.x; i < kRows * kRow; i += 32) rows[i] = in[i];
  __syncwarp();
  std::uint32_t r[kMatrices];
  const std::uint32_t row = ptx::shared_address(rows + threadIdx.x % (kMatrices * 8) * kRow);
  if constexpr (kTransposed) {
    ptx::ldmatrix_transposed(r, row);
  } else {
    ptx::ldmatrix(r, row);
  }
  for (int m = 0; m < kMatrices; m++) registers[m * 32 + threadIdx.x] = r[m];
}

template <int kMatrices, bool kTransposed>
__global__ void stmatrix_kernel(const std::uint32_t* registers, std::uint16_t* out) {
#ifdef ENGINE_PTX_SM90
  __shared__ __align__(16) std::uint16_t rows[kRows * kRow];
  for (int i = threadIdx.x; i < kRows * kRow; i += 32) rows[i] = 0;
  __syncwarp();
  std::uint32_t r[kMatrices];
  for (int m = 0; m < kMatrices; m++) r[m] = registers[m * 32 + threadIdx.x];
  const std::uint32_t row = ptx::shared_address(rows + threadIdx.x % (kMatrices * 8) * kRow);
  if constexpr (kTransposed) {
    ptx::stmatrix_transposed(r, row);
  } else {
    ptx::stmatrix(r, row);
  }
  __syncwarp();
  for (int i = threadIdx.x; i < kRows * kRow; i += 32) out[i] = rows[i];
#endif
}

// The element of a lane's register, low or high half.
std::size_t element(int matrix, int lane, int half, bool transposed) {
  const int across = lane / 4, along = lane % 4 * 2 + half;
  const int row = transposed ? along : across, column = transposed ? across : along;
  return static_cast<std::size_t>((matrix * 8 + row) * kRow + column);
}

template <int kMatrices, bool kTransposed>
void check_load(Result& result) {
  const auto in = counting(kRows * kRow);
  const Array<std::uint16_t> device_in(in);
  const Array<std::uint32_t> registers(kMatrices * 32);
  ENGINE_LAUNCH((ldmatrix_kernel<kMatrices, kTransposed>), {.block = 32}, nullptr, device_in.data(),
                registers.data());
  std::vector<std::uint32_t> want(kMatrices * 32);
  for (int i = 0; i < kMatrices * 32; i++) {
    want[i] = in[element(i / 32, i % 32, 0, kTransposed)] |
              std::uint32_t{in[element(i / 32, i % 32, 1, kTransposed)]} << 16;
  }
  result.expect_equal(registers.values(), want);
}

template <int kMatrices, bool kTransposed>
void check_store(Result& result) {
  std::vector<std::uint32_t> registers(kMatrices * 32);
  std::vector<std::uint16_t> want(kRows * kRow, 0);
  for (int i = 0; i < kMatrices * 32; i++) {
    const auto low = static_cast<std::uint16_t>(2 * i + 1),
               high = static_cast<std::uint16_t>(2 * i + 2);
    registers[i] = low | std::uint32_t{high} << 16;
    want[element(i / 32, i % 32, 0, kTransposed)] = low;
    want[element(i / 32, i % 32, 1, kTransposed)] = high;
  }
  const Array<std::uint32_t> device_registers(registers);
  const Array<std::uint16_t> out(kRows * kRow);
  ENGINE_LAUNCH((stmatrix_kernel<kMatrices, kTransposed>), {.block = 32}, nullptr,
                device_registers.data(), out.data());
  result.expect_equal(out.values(), want);
}

}  // namespace

ENGINE_CONFORMANCE(ldmatrix_x1, 80) {
  check_load<1, false>(result);
}
ENGINE_CONFORMANCE(ldmatrix_x2, 80) {
  check_load<2, false>(result);
}
ENGINE_CONFORMANCE(ldmatrix_x4, 80) {
  check_load<4, false>(result);
}
ENGINE_CONFORMANCE(ldmatrix_transposed_x1, 80) {
  check_load<1, true>(result);
}
ENGINE_CONFORMANCE(ldmatrix_transposed_x2, 80) {
  check_load<2, true>(result);
}
ENGINE_CONFORMANCE(ldmatrix_transposed_x4, 80) {
  check_load<4, true>(result);
}
ENGINE_CONFORMANCE(stmatrix_x1, 90) {
  check_store<1, false>(result);
}
ENGINE_CONFORMANCE(stmatrix_x2, 90) {
  check_store<2, false>(result);
}
ENGINE_CONFORMANCE(stmatrix_x4, 90) {
  check_store<4, false>(result);
}
ENGINE_CONFORMANCE(stmatrix_transposed_x1, 90) {
  check_store<1, true>(result);
}
ENGINE_CONFORMANCE(stmatrix_transposed_x2, 90) {
  check_store<2, true>(result);
}
ENGINE_CONFORMANCE(stmatrix_transposed_x4, 90) {
  check_store<4, true>(result);
}

}  // namespace engine::conformance
