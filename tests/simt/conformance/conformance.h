#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "engine/core/cuda/check.h"
#include "engine/core/cuda/launch.h"

// Cases that compare what the PTX wrappers do with what their documentation says, worked out by
// plain host code: see ptx_conformance.cu.
namespace engine::conformance {

class Result {
 public:
  void expect(double got, double want, double bound, std::size_t at) {
    compared_++;
    if (std::fabs(got - want) <= bound) return;
    if (wrong_++ == 0) {
      first_ = "at " + std::to_string(at) + ": got " + std::to_string(got) + ", want " +
               std::to_string(want);
    }
  }
  template <class T>
  void expect_equal(const std::vector<T>& got, const std::vector<T>& want) {
    if (got.size() != want.size()) expect(double(got.size()), double(want.size()), 0, 0);
    for (std::size_t i = 0; i < got.size() && i < want.size(); i++) {
      expect(double(got[i]), double(want[i]), 0, i);
    }
  }
  bool is_right() const { return compared_ > 0 && wrong_ == 0; }
  std::string text() const {
    if (compared_ == 0) return "nothing was compared";
    return std::to_string(wrong_) + " of " + std::to_string(compared_) + " wrong, first " + first_;
  }

 private:
  std::size_t compared_ = 0, wrong_ = 0;
  std::string first_;
};

struct Case {
  const char* name;
  int capability;  // 80: 8.0 and later; 90: 9.0
  void (*run)(Result&);
};
std::vector<Case>& cases();

struct Registration {
  Registration(const char* name, int capability, void (*run)(Result&)) {
    cases().push_back({name, capability, run});
  }
};
#define ENGINE_CONFORMANCE(name, capability)                                                     \
  static void name(::engine::conformance::Result& result);                                       \
  static const ::engine::conformance::Registration name##_registration(#name, capability, name); \
  static void name([[maybe_unused]] ::engine::conformance::Result& result)

// Device memory.
template <class T>
class Array {
 public:
  explicit Array(const std::vector<T>& values) : count_(values.size()) {
    ENGINE_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&data_), count_ * sizeof(T)));
    ENGINE_CUDA_CHECK(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  explicit Array(std::size_t count) : Array(std::vector<T>(count, T(0))) {}
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { cudaFree(data_); }
  T* data() const { return data_; }
  std::vector<T> values() const {
    std::vector<T> copy(count_);
    ENGINE_CUDA_CHECK(cudaMemcpy(copy.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost));
    return copy;
  }

 private:
  T* data_ = nullptr;
  std::size_t count_;
};

// Small integers: their products and sums are exact in every format, so that results compare equal.
template <class T>
std::vector<T> small_integers(std::size_t count, std::uint32_t seed) {
  std::vector<T> values(count);
  std::uint32_t state = seed * 2654435761u + 1;
  for (T& value : values) {
    state = state * 1664525u + 1013904223u;
    value = T(float(static_cast<int>(state >> 24) % 17 - 8));
  }
  return values;
}

// 0, 1, 2, ... modulo 65536
std::vector<std::uint16_t> counting(std::size_t count);

}  // namespace engine::conformance
