#include <bit>
#include <type_traits>

#include "conformance.h"
#include "engine/kernels/cuda/ptx/mbarrier.h"
#include "engine/kernels/cuda/ptx/wgmma.h"

// wgmma: the host lays both operands out as bytes of shared memory for every swizzle and both
// majors; the kernel runs one instruction, or a chain of them, on that memory.
namespace engine::conformance {
namespace {

constexpr int kM = 64;

struct Operand {
  std::uint32_t offset, leading_bytes, stride_bytes;
  int swizzle_bytes;
};

template <class T>
inline constexpr int kDepth = sizeof(T) == 4 ? 8 : 16;  // k of one instruction

#ifdef ENGINE_PTX_SM90
__device__ std::uint64_t describe(std::uint32_t base, const Operand& operand) {
  return ptx::wgmma_descriptor(
      {base + operand.offset, operand.leading_bytes, operand.stride_bytes, operand.swizzle_bytes});
}
#endif

enum class Form { kShared, kTransposed, kRegisters };

// d[64][n] = 2 * a * b: a first product that overwrites and a second one that adds.
template <class T, int kN, Form kForm, bool kTransposeB>
__global__ void __launch_bounds__(128)
    wgmma_kernel(const std::uint8_t* image, std::uint32_t bytes, Operand a, Operand b,
                 const T* a_rows, float* out) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(std::uint8_t, shared);
  for (std::uint32_t i = threadIdx.x; i < bytes; i += 128) shared[i] = image[i];
  ptx::fence_proxy_async();
  __syncthreads();
  const std::uint32_t base = ptx::shared_address(shared);
  const std::uint64_t da = describe(base, a), db = describe(base, b);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int row = warp * 16 + lane / 4, column = lane % 4 * 2;
  float d[kN / 2];
  std::uint32_t fragment[4] = {};
  if constexpr (kForm == Form::kRegisters) {
    for (int i = 0; i < 4; i++) {
      fragment[i] = *reinterpret_cast<const std::uint32_t*>(a_rows + (row + i % 2 * 8) * 16 +
                                                            column + i / 2 * 8);
    }
  }
  ptx::wgmma_fence();
#pragma unroll
  for (int i = 0; i < 2; i++) {
    constexpr bool kTransposeA = kForm == Form::kTransposed;
#define ENGINE_WGMMA_CASE(n)                                                      \
  if constexpr (kN == n) {                                                        \
    if constexpr (std::is_same_v<T, float>) {                                     \
      ptx::wgmma_m64n##n##k8_tf32(d, da, db, i > 0);                              \
    } else if constexpr (std::is_same_v<T, __half>) {                             \
      if constexpr (kForm == Form::kRegisters) {                                  \
        ptx::wgmma_m64n##n##k16_f16<kTransposeB>(d, fragment, db, i > 0);         \
      } else {                                                                    \
        ptx::wgmma_m64n##n##k16_f16<kTransposeA, kTransposeB>(d, da, db, i > 0);  \
      }                                                                           \
    } else {                                                                      \
      if constexpr (kForm == Form::kRegisters) {                                  \
        ptx::wgmma_m64n##n##k16_bf16<kTransposeB>(d, fragment, db, i > 0);        \
      } else {                                                                    \
        ptx::wgmma_m64n##n##k16_bf16<kTransposeA, kTransposeB>(d, da, db, i > 0); \
      }                                                                           \
    }                                                                             \
  }
    ENGINE_WGMMA_CASE(32)
    ENGINE_WGMMA_CASE(64)
    ENGINE_WGMMA_CASE(96)
    ENGINE_WGMMA_CASE(128)
    ENGINE_WGMMA_CASE(192)
    ENGINE_WGMMA_CASE(256)
#undef ENGINE_WGMMA_CASE
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait_for(d);
#pragma unroll
  for (int j = 0; j < kN / 8; j++) {
    for (int i = 0; i < 4; i++) {
      out[(row + i / 2 * 8) * kN + j * 8 + column + i % 2] = d[j * 4 + i];
    }
  }
#endif
}

// d[2][64][64] = a * b twice, in two groups; once the first one is done its a is overwritten.
__global__ void __launch_bounds__(128)
    wgmma_groups_kernel(const std::uint8_t* image, std::uint32_t bytes, Operand first_a,
                        Operand second_a, Operand b, float* out) {
#ifdef ENGINE_PTX_SM90
  ENGINE_DYNAMIC_SHARED(std::uint8_t, shared);
  for (std::uint32_t i = threadIdx.x; i < bytes; i += 128) shared[i] = image[i];
  ptx::fence_proxy_async();
  __syncthreads();
  const std::uint32_t base = ptx::shared_address(shared);
  float d[2][32];
  ptx::wgmma_fence();
  ptx::wgmma_m64n64k16_bf16(d[0], describe(base, first_a), describe(base, b), false);
  ptx::wgmma_commit();
  ptx::wgmma_m64n64k16_bf16(d[1], describe(base, second_a), describe(base, b), false);
  ptx::wgmma_commit();
  ptx::wgmma_wait<1>();
  __syncthreads();
  for (std::uint32_t i = threadIdx.x; i < 64 * 32; i += 128) shared[first_a.offset + i] = 0xff;
  ptx::wgmma_wait_for(d[0]);
  ptx::wgmma_wait_for(d[1]);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
#pragma unroll
  for (int j = 0; j < 8; j++) {
    for (int i = 0; i < 4; i++) {
      const int row = warp * 16 + lane / 4 + i / 2 * 8, column = j * 8 + lane % 4 * 2 + i % 2;
      for (int group = 0; group < 2; group++) {
        out[(group * 64 + row) * 64 + column] = d[group][j * 4 + i];
      }
    }
  }
#endif
}

// --- operands as bytes
// -------------------------------------------------------------------------------

// Puts a matrix of `lines` x `length` elements (length along memory) at `offset` of the image: in
// blocks of 8 lines, `swizzle` bytes of each, chunks of 16 bytes swapped within 128 bytes.
template <class T>
Operand lay_out(std::vector<std::uint8_t>& image, const std::vector<T>& matrix, int lines,
                int length, int swizzle_bytes, bool is_k_major) {
  const auto offset = static_cast<std::uint32_t>((image.size() + 1023) / 1024 * 1024);
  const int width = swizzle_bytes ? swizzle_bytes : 16;  // bytes of a line in one block
  const int parts = (length * static_cast<int>(sizeof(T)) + width - 1) / width;
  const std::uint32_t block = static_cast<std::uint32_t>(8 * width);
  // Blocks that follow each other along memory lie side by side; groups of 8 lines come after.
  const std::uint32_t along = block, across = block * static_cast<std::uint32_t>(parts);
  image.resize(offset + across * static_cast<std::uint32_t>((lines + 7) / 8));
  for (int line = 0; line < lines; line++) {
    for (int i = 0; i < length; i++) {
      const int byte = i * static_cast<int>(sizeof(T));
      std::uint32_t at = static_cast<std::uint32_t>(byte / width) * along +
                         static_cast<std::uint32_t>(line / 8) * across +
                         static_cast<std::uint32_t>(line % 8 * width + byte % width);
      if (swizzle_bytes) at ^= (at >> 7 & (static_cast<std::uint32_t>(width) / 16 - 1)) << 4;
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(&matrix[line * length + i]);
      for (std::size_t k = 0; k < sizeof(T); k++) image[offset + at + k] = bytes[k];
    }
  }
  // Without swizzle the two distances change places between the majors.
  if (!is_k_major && swizzle_bytes == 0) return {offset, across, along, 0};
  return {offset, along, across, swizzle_bytes};
}

template <class T>
std::vector<T> transposed(const std::vector<T>& matrix, int rows, int columns) {
  std::vector<T> result(matrix.size());
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++) result[c * rows + r] = matrix[r * columns + c];
  }
  return result;
}

template <class T, int kN, Form kForm = Form::kShared, bool kTransposeB = false>
void check(Result& result, int swizzle_bytes) {
  constexpr int kK = kDepth<T>;
  const auto a = small_integers<T>(kM * kK, 1), b = small_integers<T>(kN * kK, 2);
  std::vector<std::uint8_t> image;
  const Operand operand_a =
      kForm == Form::kTransposed
          ? lay_out(image, transposed(a, kM, kK), kK, kM, swizzle_bytes, false)
          : lay_out(image, a, kM, kK, swizzle_bytes, true);
  const Operand operand_b =
      kTransposeB ? lay_out(image, transposed(b, kN, kK), kK, kN, swizzle_bytes, false)
                  : lay_out(image, b, kN, kK, swizzle_bytes, true);
  const Array<std::uint8_t> device_image(image);
  const Array<T> a_rows(a);
  const Array<float> out(kM * kN);
  ENGINE_LAUNCH((wgmma_kernel<T, kN, kForm, kTransposeB>),
                {.block = 128, .shared_bytes = image.size()}, nullptr, device_image.data(),
                static_cast<std::uint32_t>(image.size()), operand_a, operand_b, a_rows.data(),
                out.data());
  const auto got = out.values();
  for (int row = 0; row < kM; row++) {
    for (int column = 0; column < kN; column++) {
      double want = 0;
      for (int k = 0; k < kK; k++) {
        want += 2.0 * float(a[row * kK + k]) * float(b[column * kK + k]);
      }
      result.expect(got[row * kN + column], want, 0, row * kN + column);
    }
  }
}

using bf16 = __nv_bfloat16;

}  // namespace

// Every width, type and place of A.
#define ENGINE_WGMMA_CASES(n)                                \
  ENGINE_CONFORMANCE(wgmma_bf16_n##n, 90) {                  \
    check<bf16, n>(result, 128);                             \
  }                                                          \
  ENGINE_CONFORMANCE(wgmma_bf16_n##n##_a_in_registers, 90) { \
    check<bf16, n, Form::kRegisters>(result, 128);           \
  }                                                          \
  ENGINE_CONFORMANCE(wgmma_f16_n##n, 90) {                   \
    check<__half, n>(result, 128);                           \
  }                                                          \
  ENGINE_CONFORMANCE(wgmma_f16_n##n##_a_in_registers, 90) {  \
    check<__half, n, Form::kRegisters>(result, 128);         \
  }                                                          \
  ENGINE_CONFORMANCE(wgmma_tf32_n##n, 90) {                  \
    check<float, n>(result, 128);                            \
  }
ENGINE_WGMMA_CASES(32)
ENGINE_WGMMA_CASES(64)
ENGINE_WGMMA_CASES(96)
ENGINE_WGMMA_CASES(128)
ENGINE_WGMMA_CASES(192)
ENGINE_WGMMA_CASES(256)
#undef ENGINE_WGMMA_CASES

ENGINE_CONFORMANCE(wgmma_bf16_n32_swizzle_32, 90) {
  check<bf16, 32>(result, 32);
}
ENGINE_CONFORMANCE(wgmma_bf16_n64_swizzle_64, 90) {
  check<bf16, 64>(result, 64);
}
ENGINE_CONFORMANCE(wgmma_bf16_n64_unswizzled, 90) {
  check<bf16, 64>(result, 0);
}
ENGINE_CONFORMANCE(wgmma_f16_n256_unswizzled, 90) {
  check<__half, 256>(result, 0);
}
ENGINE_CONFORMANCE(wgmma_tf32_n128_unswizzled, 90) {
  check<float, 128>(result, 0);
}
ENGINE_CONFORMANCE(wgmma_bf16_transposed_b_swizzle_128, 90) {
  check<bf16, 128, Form::kShared, true>(result, 128);
}
ENGINE_CONFORMANCE(wgmma_bf16_transposed_b_swizzle_64, 90) {
  check<bf16, 64, Form::kShared, true>(result, 64);
}
ENGINE_CONFORMANCE(wgmma_bf16_transposed_b_swizzle_32, 90) {
  check<bf16, 64, Form::kShared, true>(result, 32);
}
ENGINE_CONFORMANCE(wgmma_bf16_transposed_b_unswizzled, 90) {
  check<bf16, 64, Form::kShared, true>(result, 0);
}
ENGINE_CONFORMANCE(wgmma_bf16_transposed_a_swizzle_128, 90) {
  check<bf16, 64, Form::kTransposed>(result, 128);
}
ENGINE_CONFORMANCE(wgmma_bf16_transposed_a_unswizzled, 90) {
  check<bf16, 64, Form::kTransposed>(result, 0);
}
ENGINE_CONFORMANCE(wgmma_f16_both_transposed, 90) {
  check<__half, 128, Form::kTransposed, true>(result, 128);
}
ENGINE_CONFORMANCE(wgmma_f16_a_in_registers_transposed_b, 90) {
  check<__half, 64, Form::kRegisters, true>(result, 128);
}

ENGINE_CONFORMANCE(wgmma_groups, 90) {
  constexpr int kN = 64, kK = kDepth<bf16>;
  const auto a = small_integers<bf16>(kM * kK, 1), b = small_integers<bf16>(kN * kK, 2);
  std::vector<std::uint8_t> image;
  const Operand first_a = lay_out(image, a, kM, kK, 0, true);
  const Operand second_a = lay_out(image, a, kM, kK, 0, true);
  const Operand operand_b = lay_out(image, b, kN, kK, 0, true);
  const Array<std::uint8_t> device_image(image);
  const Array<float> out(2 * kM * kN);
  ENGINE_LAUNCH(wgmma_groups_kernel, {.block = 128, .shared_bytes = image.size()}, nullptr,
                device_image.data(), static_cast<std::uint32_t>(image.size()), first_a, second_a,
                operand_b, out.data());
  const auto got = out.values();
  for (std::size_t i = 0; i < got.size(); i++) {
    const std::size_t row = i / kN % kM, column = i % kN;
    double want = 0;
    for (int k = 0; k < kK; k++) want += float(a[row * kK + k]) * float(b[column * kK + k]);
    result.expect(got[i], want, 0, i);
  }
}

}  // namespace engine::conformance
