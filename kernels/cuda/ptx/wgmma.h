#pragma once

#include "engine/kernels/cuda/ptx/target.h"

// Asynchronous products of a warpgroup of 128 threads (9.0a): d[64][n] (+)= a[64][k] * b[k][n], f32
// accumulators. d is a plain array, alive and untouched until the wait. Warp w of the four holds
// rows 16w to 16w+15, and d[4j..4j+3] columns 8j to 8j+7 like the d of mma.h.
namespace engine::ptx {

// How an operand lies in shared memory: rows of 8 lines, each `swizzle` bytes long (0: 16 bytes).
struct WgmmaOperand {
  std::uint32_t address;        // shared; where lines are swizzled, of a block aligned to 8 lines
  std::uint32_t leading_bytes;  // K-major: ignored with swizzle, else to the next 16 bytes along k;
                                // MN-major: to the next `swizzle` bytes along m or n
  std::uint32_t stride_bytes;  // K-major: to the next 8 rows; MN-major: to the next 8 lines along k
  int swizzle_bytes;           // 0, 32, 64 or 128
};

}  // namespace engine::ptx

#ifdef ENGINE_SIMT
#include "simt/ptx/wgmma.h"
#elif defined(ENGINE_PTX_SM90)

namespace engine::ptx {

ENGINE_PTX std::uint64_t wgmma_descriptor(const WgmmaOperand& operand) {
  const auto field = [](std::uint32_t bytes) { return std::uint64_t{(bytes & 0x3ffff) >> 4}; };
  const int s = operand.swizzle_bytes;
  const std::uint64_t mode = s == 128 ? 1 : s == 64 ? 2 : s == 32 ? 3 : 0;
  return field(operand.address) | field(operand.leading_bytes) << 16 |
         field(operand.stride_bytes) << 32 | mode << 62;
}

// Before the first product, and whenever registers of d were written since.
ENGINE_PTX void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}
ENGINE_PTX void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}
// Until at most the latest kPending groups are in flight.
template <int kPending>
ENGINE_PTX void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(kPending) : "memory");
}
// Until no group is in flight and d may be read. The wait itself does not name d: without the
// statements behind it the compiler may read d's registers before it.
template <int kSums>
ENGINE_PTX void wgmma_wait_for(float (&d)[kSums]) {
  wgmma_wait<0>();
#pragma unroll
  for (int i = 0; i < kSums; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

// Lists of 16 accumulators, as PTX text and as constraints.
#define ENGINE_WGMMA_D0 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define ENGINE_WGMMA_D1 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define ENGINE_WGMMA_D2 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define ENGINE_WGMMA_D3 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define ENGINE_WGMMA_D4 "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79"
#define ENGINE_WGMMA_D5 "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define ENGINE_WGMMA_D6 \
  "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111"
#define ENGINE_WGMMA_D7 \
  "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define ENGINE_WGMMA_LIST32 ENGINE_WGMMA_D0
#define ENGINE_WGMMA_LIST64 ENGINE_WGMMA_LIST32 "," ENGINE_WGMMA_D1
#define ENGINE_WGMMA_LIST96 ENGINE_WGMMA_LIST64 "," ENGINE_WGMMA_D2
#define ENGINE_WGMMA_LIST128 ENGINE_WGMMA_LIST96 "," ENGINE_WGMMA_D3
#define ENGINE_WGMMA_LIST192 ENGINE_WGMMA_LIST128 "," ENGINE_WGMMA_D4 "," ENGINE_WGMMA_D5
#define ENGINE_WGMMA_LIST256 ENGINE_WGMMA_LIST192 "," ENGINE_WGMMA_D6 "," ENGINE_WGMMA_D7

#define ENGINE_WGMMA_F4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define ENGINE_WGMMA_F16(i) \
  ENGINE_WGMMA_F4(i), ENGINE_WGMMA_F4(i + 4), ENGINE_WGMMA_F4(i + 8), ENGINE_WGMMA_F4(i + 12)
#define ENGINE_WGMMA_FLOATS32 ENGINE_WGMMA_F16(0)
#define ENGINE_WGMMA_FLOATS64 ENGINE_WGMMA_FLOATS32, ENGINE_WGMMA_F16(16)
#define ENGINE_WGMMA_FLOATS96 ENGINE_WGMMA_FLOATS64, ENGINE_WGMMA_F16(32)
#define ENGINE_WGMMA_FLOATS128 ENGINE_WGMMA_FLOATS96, ENGINE_WGMMA_F16(48)
#define ENGINE_WGMMA_FLOATS192 ENGINE_WGMMA_FLOATS128, ENGINE_WGMMA_F16(64), ENGINE_WGMMA_F16(80)
#define ENGINE_WGMMA_FLOATS256 ENGINE_WGMMA_FLOATS192, ENGINE_WGMMA_F16(96), ENGINE_WGMMA_F16(112)

// o0 to o6 are the numbers of the operands behind the n / 2 accumulators.
#define ENGINE_WGMMA_16(n, type, o0, o1, o2, o3, o4, o5, o6)                                      \
  template <bool kTransposeA = false, bool kTransposeB = false>                                   \
  ENGINE_PTX void wgmma_m64n##n##k16_##type(float(&d)[n / 2], std::uint64_t a, std::uint64_t b,   \
                                            bool accumulate) {                                    \
    asm volatile(                                                                                 \
        "{\n.reg .pred p;\nsetp.ne.b32 p, %" #o2                                                  \
        ", 0;\n"                                                                                  \
        "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." #type "." #type                         \
        " {" ENGINE_WGMMA_LIST##n "}, %" #o0 ", %" #o1 ", p, 1, 1, %" #o3 ", %" #o4 ";\n}\n"      \
        : ENGINE_WGMMA_FLOATS##n                                                                  \
        : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(kTransposeA)), "n"(int(kTransposeB)));    \
  }                                                                                               \
  /* A from registers: each warp's 16 rows as the a of mma_m16n8k16, untouched until the wait. */ \
  template <bool kTransposeB = false>                                                             \
  ENGINE_PTX void wgmma_m64n##n##k16_##type(float(&d)[n / 2], const std::uint32_t(&a)[4],         \
                                            std::uint64_t b, bool accumulate) {                   \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #o5                                         \
                 ", 0;\n"                                                                         \
                 "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." #type "." #type                \
                 " {" ENGINE_WGMMA_LIST##n "}, {%" #o0 ", %" #o1 ", %" #o2 ", %" #o3 "}, %" #o4   \
                                           ", p, 1, 1, %" #o6 ";\n}\n"                            \
                 : ENGINE_WGMMA_FLOATS##n                                                         \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(accumulate)),      \
                   "n"(int(kTransposeB)));                                                        \
  }

// tf32 operands are K-major.
#define ENGINE_WGMMA_8(n, o0, o1, o2)                                                        \
  ENGINE_PTX void wgmma_m64n##n##k8_tf32(float(&d)[n / 2], std::uint64_t a, std::uint64_t b, \
                                         bool accumulate) {                                  \
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #o2                                    \
                 ", 0;\n"                                                                    \
                 "wgmma.mma_async.sync.aligned.m64n" #n                                      \
                 "k8.f32.tf32.tf32"                                                          \
                 " {" ENGINE_WGMMA_LIST##n "}, %" #o0 ", %" #o1 ", p, 1, 1;\n}\n"            \
                 : ENGINE_WGMMA_FLOATS##n                                                    \
                 : "l"(a), "l"(b), "r"(int(accumulate)));                                    \
  }

#define ENGINE_WGMMA(n, o0, o1, o2, o3, o4, o5, o6)    \
  ENGINE_WGMMA_16(n, bf16, o0, o1, o2, o3, o4, o5, o6) \
  ENGINE_WGMMA_16(n, f16, o0, o1, o2, o3, o4, o5, o6)  \
  ENGINE_WGMMA_8(n, o0, o1, o2)
ENGINE_WGMMA(32, 16, 17, 18, 19, 20, 21, 22)
ENGINE_WGMMA(64, 32, 33, 34, 35, 36, 37, 38)
ENGINE_WGMMA(96, 48, 49, 50, 51, 52, 53, 54)
ENGINE_WGMMA(128, 64, 65, 66, 67, 68, 69, 70)
ENGINE_WGMMA(192, 96, 97, 98, 99, 100, 101, 102)
ENGINE_WGMMA(256, 128, 129, 130, 131, 132, 133, 134)
#undef ENGINE_WGMMA
#undef ENGINE_WGMMA_16
#undef ENGINE_WGMMA_8

}  // namespace engine::ptx
#endif
