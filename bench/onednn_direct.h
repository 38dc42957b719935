#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/pass.h"
#include "engine/core/dtype.h"
#include "engine/kernels/conv2d.h"

// The peer: oneDNN called directly, as its best user would. Every tensor is already in the layout
// that oneDNN likes most (format `any`), so no reorder is timed; of all formulations (data in NHWC
// or any layout; a convolution directly or as oneDNN chooses, which may be Winograd's way; a
// product as matmul or as inner product) the fastest is taken.
namespace engine::bench {

struct DirectCall {
  std::string name;            // "3->32 3x3 64x64 forward"
  std::string implementation;  // oneDNN's name for it
  std::int64_t flops = 0;
  std::function<void()> run;                   // one call, on the next copy of the data
  std::function<std::vector<float>()> result;  // of the first copy, in our layout
};

// The operands in our layouts (x and w, dy and w, or x and dy), and how many copies of all data
// take turns, so that no cache holds them. Without operands: random numbers in [-1, 1].
struct DirectData {
  const float* first = nullptr;
  const float* second = nullptr;
  int copies = 1;
};

DirectCall direct_conv2d(const Conv2dProblem& problem, Pass pass, DType dtype,
                         const DirectData& data = {});
// y [rows, out] = x [rows, in] w^T, and its two gradients. Weight gradients are f32.
DirectCall direct_linear(std::int64_t rows, std::int64_t in, std::int64_t out, Pass pass,
                         DType dtype);

double median(std::vector<double> seconds);
enum class Clock { wall, processor };  // processor: of all threads together
double seconds_of(const std::function<void()>& call, Clock clock = Clock::wall);

}  // namespace engine::bench
