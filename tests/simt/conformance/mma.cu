#include <bit>
#include <type_traits>

#include "conformance.h"
#include "engine/kernels/cuda/ptx/mma.h"

// mma.sync: operands put into registers by the layout that mma.h documents.
namespace engine::conformance {
namespace {

template <class T>
__device__ std::uint32_t pair_of(const T* p) {
  return *reinterpret_cast<const std::uint32_t*>(p);
}

// d[16][8] += a[16][16] * b[8][16], the latter transposed.
template <class T>
__global__ void mma_k16_kernel(const T* a, const T* b, float* d) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  const std::uint32_t a_fragment[4] = {
      pair_of(a + g * 16 + 2 * t), pair_of(a + (g + 8) * 16 + 2 * t),
      pair_of(a + g * 16 + 2 * t + 8), pair_of(a + (g + 8) * 16 + 2 * t + 8)};
  const std::uint32_t b_fragment[2] = {pair_of(b + g * 16 + 2 * t),
                                       pair_of(b + g * 16 + 2 * t + 8)};
  float* const rows[2] = {d + g * 8 + 2 * t, d + (g + 8) * 8 + 2 * t};
  float acc[4] = {rows[0][0], rows[0][1], rows[1][0], rows[1][1]};
  if constexpr (std::is_same_v<T, __half>) {
    ptx::mma_m16n8k16_f16(acc, a_fragment, b_fragment);
  } else {
    ptx::mma_m16n8k16_bf16(acc, a_fragment, b_fragment);
  }
  for (int i = 0; i < 4; i++) rows[i / 2][i % 2] = acc[i];
}

// d[16][8] += a[16][8] * b[8][8], the latter transposed.
__global__ void mma_k8_kernel(const float* a, const float* b, float* d) {
  const int g = threadIdx.x / 4, t = threadIdx.x % 4;
  const std::uint32_t a_fragment[4] = {
      ptx::round_to_tf32(a[g * 8 + t]), ptx::round_to_tf32(a[(g + 8) * 8 + t]),
      ptx::round_to_tf32(a[g * 8 + t + 4]), ptx::round_to_tf32(a[(g + 8) * 8 + t + 4])};
  const std::uint32_t b_fragment[2] = {ptx::round_to_tf32(b[g * 8 + t]),
                                       ptx::round_to_tf32(b[g * 8 + t + 4])};
  float* const rows[2] = {d + g * 8 + 2 * t, d + (g + 8) * 8 + 2 * t};
  float acc[4] = {rows[0][0], rows[0][1], rows[1][0], rows[1][1]};
  ptx::mma_m16n8k8_tf32(acc, a_fragment, b_fragment);
  for (int i = 0; i < 4; i++) rows[i / 2][i % 2] = acc[i];
}

__global__ void round_kernel(const float* x, std::uint32_t* y) {
  y[threadIdx.x] = ptx::round_to_tf32(x[threadIdx.x]);
}

template <class T>
void expect_product(Result& result, const std::vector<T>& a, const std::vector<T>& b,
                    const std::vector<float>& before, const std::vector<float>& got, int k) {
  for (int row = 0; row < 16; row++) {
    for (int column = 0; column < 8; column++) {
      double want = before[row * 8 + column];
      for (int i = 0; i < k; i++) want += double(float(a[row * k + i])) * float(b[column * k + i]);
      result.expect(got[row * 8 + column], want, 0, row * 8 + column);
    }
  }
}

template <class T>
void check_mma_k16(Result& result) {
  const auto a = small_integers<T>(16 * 16, 1), b = small_integers<T>(8 * 16, 2);
  const auto before = small_integers<float>(16 * 8, 3);
  const Array<T> device_a(a), device_b(b);
  const Array<float> d(before);
  ENGINE_LAUNCH(mma_k16_kernel<T>, {.block = 32}, nullptr, device_a.data(), device_b.data(),
                d.data());
  expect_product(result, a, b, before, d.values(), 16);
}

}  // namespace

ENGINE_CONFORMANCE(mma_m16n8k16_bf16, 80) {
  check_mma_k16<__nv_bfloat16>(result);
}
ENGINE_CONFORMANCE(mma_m16n8k16_f16, 80) {
  check_mma_k16<__half>(result);
}

ENGINE_CONFORMANCE(mma_m16n8k8_tf32, 80) {
  const auto a = small_integers<float>(16 * 8, 1), b = small_integers<float>(8 * 8, 2);
  const auto before = small_integers<float>(16 * 8, 3);
  const Array<float> device_a(a), device_b(b), d(before);
  ENGINE_LAUNCH(mma_k8_kernel, {.block = 32}, nullptr, device_a.data(), device_b.data(), d.data());
  expect_product(result, a, b, before, d.values(), 8);
}

// To 10 bits behind the point; ties go away from zero.
ENGINE_CONFORMANCE(round_to_tf32, 80) {
  constexpr float kStep = 1.0f / 1024;
  const std::vector<float> x = {1.0f,
                                1 + 0.25f * kStep,
                                1 + 0.5f * kStep,
                                1 + 0.75f * kStep,
                                -1 - 0.5f * kStep,
                                -1 - 0.49f * kStep,
                                0.0f,
                                3 - kStep};
  const std::vector<float> want = {1.0f, 1.0f, 1 + kStep, 1 + kStep, -1 - kStep, -1.0f, 0.0f, 3.0f};
  const Array<float> device_x(x);
  const Array<std::uint32_t> y(x.size());
  ENGINE_LAUNCH(round_kernel, {.block = static_cast<unsigned>(x.size())}, nullptr, device_x.data(),
                y.data());
  const auto got = y.values();
  for (std::size_t i = 0; i < x.size(); i++) {
    // The low 13 bits are nobody's.
    result.expect(std::bit_cast<float>(got[i] & 0xffffe000u), want[i], 0, i);
  }
}

}  // namespace engine::conformance
