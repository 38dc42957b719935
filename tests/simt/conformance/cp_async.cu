#include "conformance.h"
#include "engine/kernels/cuda/ptx/cp_async.h"

namespace engine::conformance {
namespace {

constexpr int kThreads = 64;

// Thread i copies piece i to the place of piece kThreads - 1 - i; every third one is made of zeros.
template <int kBytes>
__global__ void cp_async_kernel(const char* in, char* out) {
  __shared__ __align__(16) char pieces[2 * kThreads * kBytes];
  const int t = threadIdx.x, to = kThreads - 1 - t;
  ptx::cp_async<kBytes>(ptx::shared_address(pieces + to * kBytes), in + t * kBytes);
  ptx::cp_async_or_zero<kBytes>(ptx::shared_address(pieces + (kThreads + to) * kBytes),
                                in + t * kBytes, t % 3 != 0);
  ptx::cp_async_commit();
  ptx::cp_async_wait<0>();
  __syncthreads();
  for (int i = t; i < 2 * kThreads * kBytes; i += kThreads) out[i] = pieces[i];
}

// A pipeline of groups: after wait<1> the older one is there, after wait_all the rest too.
__global__ void cp_async_groups_kernel(const int* in, int* out) {
  __shared__ int first[kThreads], second[kThreads], third[kThreads];
  const int t = threadIdx.x;
  ptx::cp_async<4>(ptx::shared_address(first + t), in + t);
  ptx::cp_async_commit();
  ptx::cp_async<4>(ptx::shared_address(second + t), in + kThreads + t);
  ptx::cp_async_commit();
  ptx::cp_async_wait<1>();
  out[t] = first[t];
  ptx::cp_async<4>(ptx::shared_address(third + t), in + 2 * kThreads + t);
  ptx::cp_async_wait_all();
  out[kThreads + t] = second[t];
  out[2 * kThreads + t] = third[t];
}

template <int kBytes>
void check_copies(Result& result) {
  constexpr int kTotal = kThreads * kBytes;
  std::vector<char> in(kTotal), want(2 * kTotal);
  for (int i = 0; i < kTotal; i++) in[i] = static_cast<char>(i * 7 + 1);
  for (int t = 0; t < kThreads; t++) {
    for (int byte = 0; byte < kBytes; byte++) {
      const int to = (kThreads - 1 - t) * kBytes + byte;
      want[to] = in[t * kBytes + byte];
      want[kTotal + to] = t % 3 == 0 ? char(0) : in[t * kBytes + byte];
    }
  }
  const Array<char> device_in(in), out(2 * kTotal);
  ENGINE_LAUNCH(cp_async_kernel<kBytes>, {.block = kThreads}, nullptr, device_in.data(),
                out.data());
  result.expect_equal(out.values(), want);
}

}  // namespace

ENGINE_CONFORMANCE(cp_async_4, 80) {
  check_copies<4>(result);
}
ENGINE_CONFORMANCE(cp_async_8, 80) {
  check_copies<8>(result);
}
ENGINE_CONFORMANCE(cp_async_16, 80) {
  check_copies<16>(result);
}

ENGINE_CONFORMANCE(cp_async_groups, 80) {
  const auto in = small_integers<int>(3 * kThreads, 1);
  const Array<int> device_in(in), out(3 * kThreads);
  ENGINE_LAUNCH(cp_async_groups_kernel, {.block = kThreads}, nullptr, device_in.data(), out.data());
  result.expect_equal(out.values(), in);
}

}  // namespace engine::conformance
