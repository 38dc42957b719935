#pragma once

#include <cstdint>

#include <cuda_runtime.h>

namespace engine::cuda {

// Division of 0 <= x < 2^31 by the same number, 1 or more, over and over: a multiplication and a
// shift (T. Granlund, P. Montgomery: Division by Invariant Integers using Multiplication, 1994).
// With 2^(l-1) < d <= 2^l and m = ceil(2^(31+l) / d), x * m exceeds x * 2^(31+l) / d by less than
// 2^(31+l) / d, so that the shift by 31 + l gives the exact quotient.
class FastDivisor {
 public:
  FastDivisor() = default;
  __host__ __device__ explicit FastDivisor(int divisor) : divisor_(divisor) {
    shift_ = 31;
    while ((std::int64_t{1} << (shift_ - 31)) < divisor) ++shift_;
    factor_ = static_cast<std::uint32_t>(((std::uint64_t{1} << shift_) + divisor - 1) / divisor);
  }

  __device__ int quotient(int x) const {
    return static_cast<int>(static_cast<std::uint64_t>(static_cast<std::uint32_t>(x)) * factor_ >>
                            shift_);
  }
  __device__ int divisor() const { return divisor_; }

 private:
  std::uint32_t factor_ = 0;
  int shift_ = 0, divisor_ = 0;
};

}  // namespace engine::cuda
